using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("TokTalk.Tests")]
