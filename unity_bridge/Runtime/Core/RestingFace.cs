using System;
using System.Collections.Generic;

namespace TokTalk
{
    /// <summary>
    /// The face of one stream while it does not move. A hello's frame is shown until the first live one. What an
    /// utterance ends in is the resting face of its style, if lips and eyes are at ease in it; a stream that breaks off
    /// in the middle of a word leaves nothing to keep. For one thread.
    /// </summary>
    sealed class RestingFace
    {
        const float Ajar = 0.1f; // of jawOpen, beyond which no face is at rest
        const float Shut = 0.5f; // of eyeBlink
        const int MostMarks = 256;

        sealed class Pose
        {
            public float[] Weights = new float[0];
            public readonly float[] Head = new float[Protocol.HeadWidth];

            public void Take(float[] weights, int at, int width, float[] heads, int headAt)
            {
                if (Weights.Length != width)
                    Weights = new float[width];
                Array.Copy(weights, at, Weights, 0, width);
                Array.Copy(heads, headAt, Head, 0, Head.Length);
            }
        }

        readonly List<KeyValuePair<long, bool>> marks = new List<KeyValuePair<long, bool>>(); // time; whether it ends
        readonly FaceTimeline timeline;
        readonly Pose rest = new Pose();
        readonly Pose still = new Pose();
        bool showsStill;
        long stillEndNs; // when the first live frame after it is due

        /// <param name="timeline">Where it comes to rest.</param>
        public RestingFace(FaceTimeline timeline)
        {
            this.timeline = timeline;
        }

        /// <summary>Whether the last utterance has ended.</summary>
        public bool Over { get; private set; }

        /// <summary>Show a hello's frame of <paramref name="ptsNs"/>, unless later ones are there.</summary>
        public void Show(long ptsNs, float[] weights, float[] head)
        {
            if (ptsNs < timeline.EndNs)
                return;
            still.Take(weights, 0, weights.Length, head, 0);
            showsStill = true;
            stillEndNs = long.MaxValue;
        }

        /// <summary>A live frame came for this time.</summary>
        public void Arrived(long ptsNs)
        {
            stillEndNs = Math.Min(stillEndNs, ptsNs);
        }

        /// <summary>An utterance begins or ends at <paramref name="ptsNs"/>.</summary>
        public void Mark(long ptsNs, bool end)
        {
            if (marks.Count == MostMarks)
                marks.RemoveAt(0);
            marks.Add(new KeyValuePair<long, bool>(ptsNs, end));
        }

        /// <summary>What was planned for this time and later is void.</summary>
        public void Cut(long ptsNs)
        {
            Over = true;
            marks.RemoveAll(mark => mark.Key >= ptsNs);
        }

        /// <summary>Let the timeline rest as it should at <paramref name="heardNs"/>.</summary>
        /// <param name="names">Of the weights.</param>
        public void Update(long heardNs, string[] names)
        {
            for (int k = 0; k < marks.Count;)
                if (marks[k].Key <= heardNs)
                {
                    Over = marks[k].Value;
                    marks.RemoveAt(k);
                    if (Over)
                        Settle(names);
                }
                else
                    k++;
            showsStill = showsStill && heardNs < stillEndNs;
            Pose shown = showsStill ? still : rest;
            timeline.RestAt(shown.Weights, shown.Head);
        }

        /// <summary>Rest from now on in the newest frame that came, if it is a face at rest.</summary>
        public void Settle(string[] names)
        {
            bool live = !showsStill || stillEndNs < long.MaxValue;
            if (live && timeline.LastRow >= 0)
                Settle(names, timeline.Weights, timeline.LastRow * timeline.Width, timeline.Width,
                    timeline.Heads, timeline.LastRow * Protocol.HeadWidth);
            else if (!live)
                Settle(names, still.Weights, 0, still.Weights.Length, still.Head, 0);
        }

        void Settle(string[] names, float[] weights, int at, int width, float[] heads, int headAt)
        {
            if (width != names.Length)
                return;
            Func<string, float> of = name =>
            {
                int index = Array.IndexOf(names, name);
                return index < 0 ? 0 : weights[at + index];
            };
            if (of("jawOpen") - of("mouthClose") > Ajar || Math.Max(of("eyeBlinkLeft"), of("eyeBlinkRight")) > Shut)
                return;
            rest.Take(weights, at, width, heads, headAt);
            for (int k = 0; k < width; k++)
                if (names[k].StartsWith("eyeBlink", StringComparison.Ordinal)
                    || names[k].StartsWith("eyeLook", StringComparison.Ordinal))
                    rest.Weights[k] = 0; // the eyes have a life of their own: see Idle
        }
    }
}
