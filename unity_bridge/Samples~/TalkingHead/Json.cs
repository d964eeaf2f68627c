using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace TokTalk.Samples
{
    /// <summary>Reads JSON (RFC 8259) into dictionaries, lists, strings, doubles, booleans and null.</summary>
    sealed class Json
    {
        const int MaxDepth = 64;
        readonly string text;
        int at;

        Json(string text)
        {
            this.text = text;
        }

        /// <exception cref="FormatException">It is not JSON; the message says where.</exception>
        public static object Parse(string text)
        {
            var json = new Json(text);
            object value = json.Value(0);
            if (json.Next() != '\0')
                throw json.Wrong();
            return value;
        }

        object Value(int depth)
        {
            if (depth > MaxDepth)
                throw Wrong();
            switch (Next())
            {
                case '{':
                    var map = new Dictionary<string, object>();
                    at++;
                    for (bool first = true; Next() != '}'; first = false)
                    {
                        if (!first)
                            Take(',');
                        string key = Text();
                        Take(':');
                        map[key] = Value(depth + 1);
                    }
                    at++;
                    return map;
                case '[':
                    var list = new List<object>();
                    at++;
                    for (bool first = true; Next() != ']'; first = false)
                    {
                        if (!first)
                            Take(',');
                        list.Add(Value(depth + 1));
                    }
                    at++;
                    return list;
                case '"':
                    return Text();
                case 't':
                    return Word("true", true);
                case 'f':
                    return Word("false", false);
                case 'n':
                    return Word("null", null);
                default:
                    return Number();
            }
        }

        object Word(string word, object value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0)
                throw Wrong();
            at += word.Length;
            return value;
        }

        object Number()
        {
            int begin = at;
            while (at < text.Length && "+-.eE0123456789".IndexOf(text[at]) >= 0)
                at++;
            double value;
            string number = text.Substring(begin, at - begin);
            if (!double.TryParse(number, NumberStyles.Float, CultureInfo.InvariantCulture, out value))
                throw Wrong();
            return value;
        }

        string Text()
        {
            Take('"');
            var read = new StringBuilder();
            while (true)
            {
                if (at >= text.Length)
                    throw Wrong();
                char c = text[at++];
                if (c == '"')
                    return read.ToString();
                if (c != '\\')
                {
                    read.Append(c);
                    continue;
                }
                if (at >= text.Length)
                    throw Wrong();
                c = text[at++];
                int plain = "bfnrt".IndexOf(c);
                int code;
                if (c != 'u')
                    read.Append(plain < 0 ? c : "\b\f\n\r\t"[plain]);
                else if (at + 4 <= text.Length && int.TryParse(
                    text.Substring(at, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out code))
                {
                    read.Append((char)code);
                    at += 4;
                }
                else
                    throw Wrong();
            }
        }

        char Next()
        {
            while (at < text.Length && " \t\r\n".IndexOf(text[at]) >= 0)
                at++;
            return at < text.Length ? text[at] : '\0';
        }

        void Take(char c)
        {
            if (Next() != c)
                throw Wrong();
            at++;
        }

        FormatException Wrong()
        {
            return new FormatException("not JSON at character " + at);
        }
    }
}
