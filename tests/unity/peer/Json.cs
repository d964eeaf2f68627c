using System;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

/// <summary>Writes what was received as JSON, for the tests in Python to compare.</summary>
static class Json
{
    public static string Object(params object[] pairs)
    {
        var text = new StringBuilder("{");
        for (int k = 0; k < pairs.Length; k += 2)
            text.Append(k > 0 ? ", " : "").Append(Of(pairs[k])).Append(": ").Append(Of(pairs[k + 1]));
        return text.Append("}").ToString();
    }

    public static string Of(object value)
    {
        if (value == null)
            return "null";
        if (value is Raw)
            return ((Raw)value).Text;
        if (value is bool)
            return (bool)value ? "true" : "false";
        if (value is string)
            return Quoted((string)value);
        if (value is double)
            return ((double)value).ToString("R", CultureInfo.InvariantCulture);
        var list = value as System.Collections.IEnumerable;
        if (list == null)
            return Convert.ToString(value, CultureInfo.InvariantCulture);
        var items = new List<string>();
        foreach (object item in list)
            items.Add(Of(item));
        return "[" + string.Join(", ", items.ToArray()) + "]";
    }

    /// <summary>Text that is JSON already.</summary>
    public sealed class Raw
    {
        public string Text;
    }

    /// <summary>The first `count` values as base64 of little-endian float32.</summary>
    public static string Floats(float[] values, int count)
    {
        var bytes = new byte[4 * count];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        return Convert.ToBase64String(bytes);
    }

    static string Quoted(string text)
    {
        var quoted = new StringBuilder("\"");
        foreach (char c in text)
            if (c == '"' || c == '\\' || c < ' ' || c > '~')
                quoted.Append("\\u").Append(((int)c).ToString("x4"));
            else
                quoted.Append(c);
        return quoted.Append('"').ToString();
    }
}
