using System;
using System.Threading;

namespace TokTalk
{
    /// <summary>
    /// Plays one stream: its sound on the device's clock, and the face of the very instant that is heard. A late face
    /// catches up with the sound, never the other way round. Without sound the face goes by the bridge's clock.
    /// Three threads use it, each its own methods: of the network (Add), the sound (ReadAudio), the picture (ReadFace).
    /// </summary>
    public sealed class Playout
    {
        /// <summary>A message further than this from the present, in seconds, is refused.</summary>
        public const int MaxAhead = 600;

        const long Second = 1000000000;
        const long FirstHoldNs = 40000000; // that sound which came late is held, so that the next may come late too
        const long LongestHoldNs = 640000000;
        const long KeptNs = 2 * Second;
        const long UnreadNs = 10 * Second; // after which nobody seems to read
        const long JoinNs = 1000000; // chunks that are no further apart go on from each other
        const long SoundTailNs = 500000000; // that the sound leads after its end
        const long StillNs = 5000000; // error of the line that is left alone
        const long JumpNs = 300000000; // error that is made up by a jump; less is by playing a little faster or slower
        const double MostSpeed = 0.005;
        static readonly float[] Nothing = new float[0];

        readonly Func<long> clockOffsetNs;
        readonly Func<long> now;
        readonly ChunkQueue faces = new ChunkQueue(1024, 1 << 20);
        readonly ChunkQueue sounds = new ChunkQueue(1024, 1 << 21);
        readonly PlayoutLine line = new PlayoutLine();
        long delayNs;
        long epochNs = FaceTimeline.Never;
        long faceReadNs, soundReadNs; // local times
        int refused;
        volatile string[] names = new string[0];

        // the picture's
        readonly FaceTimeline face = new FaceTimeline();
        readonly RestingFace resting;
        float[] stillWeights = new float[0];
        readonly float[] stillHead = new float[Protocol.HeadWidth];
        long faceExtraNs; // that the face goes after the bridge's clock, when it comes too late for it
        int frames, lateFrames;

        // the sound's
        readonly SoundTimeline sound = new SoundTimeline();
        float[] samples = new float[0];
        bool anchored;
        bool jumped;
        double position;
        long soundExtraNs;
        long holdNs = FirstHoldNs;
        int underruns, skips;

        /// <param name="clockOffsetNs">The bridge's clock minus the local one; any thread may ask.</param>
        /// <param name="nowNs">The local clock: <see cref="LocalClock"/>, or another that tests like better.</param>
        public Playout(Func<long> clockOffsetNs, Func<long> nowNs)
        {
            this.clockOffsetNs = clockOffsetNs;
            now = nowNs;
            resting = new RestingFace(face);
            faceReadNs = soundReadNs = nowNs();
        }

        /// <summary>Nanoseconds after its presentation time that everything is played, for slow networks.</summary>
        public long DelayNs
        {
            get { return Interlocked.Read(ref delayNs); }
            set { Interlocked.Exchange(ref delayNs, value); }
        }

        /// <summary>Of the weights, from the hello: without them no face at rest is told from others.</summary>
        public string[] Names
        {
            get { return names; }
            set { names = value; }
        }

        /// <summary>Face frames that came after their time.</summary>
        public int LateFrames
        {
            get { return lateFrames; }
        }

        /// <summary>Face frames that came.</summary>
        public int Frames
        {
            get { return frames; }
        }

        /// <summary>Times that the sound came too late to go on.</summary>
        public int Underruns
        {
            get { return underruns; }
        }

        /// <summary>Times that the sound jumped, because the device had paused or a clock was set.</summary>
        public int Skips
        {
            get { return skips; }
        }

        /// <summary>Messages without room, or of a time that cannot be.</summary>
        public int Refused
        {
            get { return refused; }
        }

        // ---- the network's thread ----

        /// <summary>Take in face frames.</summary>
        public void Add(FaceMessage message)
        {
            var chunk = new Chunk { PtsNs = message.PtsNs, Rate = message.Fps, Count = message.Count };
            if (Wanted(ref chunk, message.Start, ref faceReadNs))
                Note(faces.TryWrite(chunk, message.Weights, message.Count * message.Width,
                    message.Head, message.Count * Protocol.HeadWidth));
        }

        /// <summary>Take in sound.</summary>
        public void Add(AudioMessage message)
        {
            var chunk = new Chunk { PtsNs = message.PtsNs, Rate = message.Rate, Count = message.Count };
            if (Wanted(ref chunk, message.Start, ref soundReadNs))
                Note(sounds.TryWrite(chunk, message.Samples, message.Count, Nothing, 0));
        }

        /// <summary>
        /// Take in what a hello says of the stream: its frame is shown until the first live one. It sets no time.
        /// </summary>
        public void Add(StreamInfo info)
        {
            FaceMessage named = info.Face;
            bool fits = named == null || named.Width == names.Length;
            Note(fits);
            if (fits && named != null && named.Count > 0)
            {
                Interlocked.Exchange(ref epochNs, info.EpochNs ?? named.PtsNs - Media(named.Start, named.Fps));
                var still = new Chunk { Kind = ChunkKind.Still, PtsNs = named.PtsNs, Rate = named.Fps, Count = 1 };
                Note(faces.TryWrite(still, named.Weights, named.Width, named.Head, Protocol.HeadWidth));
            }
            if (info.Speaking != null)
                Mark(faces, ref faceReadNs, info.Speaking.Value ? ChunkKind.Start : ChunkKind.End, FaceTimeline.Never);
        }

        /// <summary>
        /// Take in an event: an interruption voids what is planned for its time and later; an utterance that ends
        /// leaves the face as its style rests.
        /// </summary>
        public void Add(EventMessage message)
        {
            switch (message.Kind)
            {
                case EventMessage.Interrupted:
                    Mark(faces, ref faceReadNs, ChunkKind.Cut, message.PtsNs);
                    Mark(sounds, ref soundReadNs, ChunkKind.Cut, message.PtsNs);
                    break;
                case EventMessage.Start: Mark(faces, ref faceReadNs, ChunkKind.Start, message.PtsNs); break;
                case EventMessage.End: Mark(faces, ref faceReadNs, ChunkKind.End, message.PtsNs); break;
            }
        }

        void Mark(ChunkQueue queue, ref long readNs, ChunkKind kind, long ptsNs)
        {
            if (now() - Interlocked.Read(ref readNs) < UnreadNs)
                Note(queue.TryWrite(new Chunk { Kind = kind, PtsNs = ptsNs }, Nothing, 0, Nothing, 0));
        }

        /// <summary>
        /// Whether somebody reads such chunks and it is near the present. Notes its arrival and the epoch.
        /// </summary>
        bool Wanted(ref Chunk chunk, long start, ref long readNs)
        {
            chunk.ArrivedNs = now();
            long present = chunk.ArrivedNs + clockOffsetNs();
            bool near = chunk.PtsNs > present - MaxAhead * Second && chunk.PtsNs < present + MaxAhead * Second;
            Note(near);
            if (!near || chunk.Count == 0)
                return false;
            Interlocked.Exchange(ref epochNs, chunk.PtsNs - Media(start, chunk.Rate));
            return chunk.ArrivedNs - Interlocked.Read(ref readNs) < UnreadNs;
        }

        void Note(bool good)
        {
            if (!good)
                Interlocked.Increment(ref refused);
        }

        static long Media(long index, int rate)
        {
            return index / rate * Second + index % rate * Second / rate;
        }

        // ---- the sound's thread ----

        /// <summary>
        /// Multiply what is in <paramref name="output"/> by the sound that comes next, 0 where there is none.
        /// </summary>
        /// <param name="output">Interleaved, <paramref name="channels"/> values for each frame.</param>
        /// <param name="rate">Frames per second.</param>
        /// <param name="heardNs">Local time at which the first frame leaves the loudspeaker.</param>
        public void ReadAudio(float[] output, int channels, int rate, long heardNs)
        {
            Interlocked.Exchange(ref soundReadNs, now());
            TakeSounds(heardNs);
            if (!anchored)
            {
                Array.Clear(output, 0, output.Length);
                line.End();
                return;
            }
            double step = sound.Rate * Speed(heardNs) / rate;
            int count = output.Length / channels;
            long blockNs = count * Second / rate;
            line.Write(sound.TimeOf(position), heardNs, jumped, heardNs + blockNs + SoundTailNs);
            jumped = false;
            sound.Render(position, step, output, channels);
            position += count * step;
            anchored = position < sound.End + SoundTailNs * (double)sound.Rate / Second;
        }

        void TakeSounds(long heardNs)
        {
            long latencyNs = heardNs - now();
            for (Chunk chunk; sounds.TryPeek(out chunk); sounds.Pop())
                if (chunk.Kind == ChunkKind.Cut)
                    sound.Cut(chunk.PtsNs, position);
                else
                    Place(chunk, heardNs, latencyNs);
        }

        void Place(Chunk chunk, long heardNs, long latencyNs)
        {
            bool follows = sound.Rate == chunk.Rate && Math.Abs(chunk.PtsNs - sound.EndNs) < JoinNs;
            // late for the device when it came; had it only waited here, the device was paused and goes on in time
            long soonestNs = chunk.ArrivedNs + latencyNs;
            bool idle = !anchored || sound.Rate != chunk.Rate || !follows && position >= sound.End;
            bool late = !idle && Planned(chunk.PtsNs) + soundExtraNs < soonestNs;
            if (idle || late && !follows)
                sound.Begin(chunk.PtsNs, chunk.Rate);
            else if (late)
            {
                underruns++;
                holdNs = Math.Min(2 * holdNs, LongestHoldNs);
            }
            if (idle || late)
                Anchor(chunk.PtsNs, soonestNs + holdNs, heardNs);
            long at = sound.Reserve(chunk.PtsNs, chunk.Count, position - KeptNs * (double)chunk.Rate / Second);
            Note(at >= 0);
            if (at < 0)
                return;
            if (samples.Length < chunk.Count)
                samples = new float[chunk.Count];
            sounds.Copy(0, samples, 0, chunk.Count);
            sound.Put(at, samples, chunk.Count);
        }

        /// <summary>Let `ptsNs` be heard when it is due, but not before `soonestNs`.</summary>
        void Anchor(long ptsNs, long soonestNs, long heardNs)
        {
            soundExtraNs = Math.Max(0, soonestNs - Planned(ptsNs));
            long start = Planned(ptsNs) + soundExtraNs;
            position = sound.PositionOf(ptsNs) - (start - heardNs) * (double)sound.Rate / Second;
            sound.Forget(ptsNs); // what was heard before is not heard again while this waits
            anchored = jumped = true;
        }

        /// <summary>How fast to play so that the sound stays where it was planned, though clocks drift apart.</summary>
        double Speed(long heardNs)
        {
            long error = Due(heardNs) - soundExtraNs - sound.TimeOf(position);
            if (Math.Abs(error) > JumpNs)
            {
                position += error * (double)sound.Rate / Second;
                jumped = true;
                skips++;
                return 1;
            }
            if (Math.Abs(error) < StillNs)
                return 1;
            return 1 + Math.Max(-MostSpeed, Math.Min(MostSpeed, error / (double)Second));
        }

        // ---- the picture's thread ----

        /// <summary>
        /// The face of the instant that is heard at local time <paramref name="nowNs"/>; false when it is at rest.
        /// </summary>
        /// <param name="weights">As many weights as it has room for.</param>
        /// <param name="head">Yaw, pitch, roll in radians.</param>
        public bool ReadFace(long nowNs, float[] weights, float[] head)
        {
            Interlocked.Exchange(ref faceReadNs, now());
            for (Chunk chunk; faces.TryPeek(out chunk); faces.Pop())
                Take(chunk, nowNs);
            long heardNs = HeardNs(nowNs);
            resting.Update(heardNs, names);
            return face.Sample(heardNs, weights, head);
        }

        /// <summary>The presentation time that is heard at a local time; without sound, what should be.</summary>
        public long HeardNs(long nowNs)
        {
            long ptsNs;
            if (line.At(nowNs, out ptsNs))
                faceExtraNs = Due(nowNs) - ptsNs; // where the sound ends, the face goes on from there
            return Due(nowNs) - faceExtraNs;
        }

        /// <summary>Media time of the stream that is heard at a local time; -1 before it began.</summary>
        public long MediaNs(long nowNs)
        {
            long epoch = Interlocked.Read(ref epochNs);
            return epoch == FaceTimeline.Never ? -1 : Math.Max(-1, HeardNs(nowNs) - epoch);
        }

        void Take(Chunk chunk, long nowNs)
        {
            switch (chunk.Kind)
            {
                case ChunkKind.Media:
                    Show(chunk, nowNs);
                    resting.Arrived(chunk.PtsNs);
                    if (resting.Over)
                        resting.Settle(names);
                    break;
                case ChunkKind.Cut:
                    face.Cut(chunk.PtsNs);
                    resting.Cut(chunk.PtsNs);
                    break;
                case ChunkKind.Still:
                    int width = chunk.Values - Protocol.HeadWidth;
                    if (stillWeights.Length != width)
                        stillWeights = new float[width];
                    faces.Copy(0, stillWeights, 0, width);
                    faces.Copy(width, stillHead, 0, Protocol.HeadWidth);
                    resting.Show(chunk.PtsNs, stillWeights, stillHead);
                    break;
                default: resting.Mark(chunk.PtsNs, chunk.Kind == ChunkKind.End); break;
            }
        }

        void Show(Chunk chunk, long nowNs)
        {
            long ptsNs, endNs = chunk.PtsNs + Media(chunk.Count, chunk.Rate);
            long heardThen = HeardNs(nowNs) + chunk.ArrivedNs - nowNs;
            bool follows = Math.Abs(chunk.PtsNs - face.EndNs) < JoinNs;
            if (!line.At(nowNs, out ptsNs) && (endNs < heardThen || heardThen > face.EndNs && !follows))
            {
                faceExtraNs = Math.Max(0, Due(chunk.ArrivedNs) - chunk.PtsNs);
                heardThen = Due(chunk.ArrivedNs) - faceExtraNs;
            }
            int width = chunk.Values / chunk.Count - Protocol.HeadWidth;
            for (int k = 0; k < chunk.Count; k++)
            {
                int row = face.Insert(chunk.PtsNs + Media(k, chunk.Rate), chunk.Rate, width, heardThen - KeptNs);
                Note(row >= 0);
                if (row < 0)
                    return;
                faces.Copy(k * width, face.Weights, row * width, width);
                faces.Copy(chunk.Count * width + k * Protocol.HeadWidth, face.Heads, row * Protocol.HeadWidth,
                    Protocol.HeadWidth);
                frames++;
                if (chunk.PtsNs + Media(k + 1, chunk.Rate) < heardThen)
                    lateFrames++;
            }
        }

        /// <summary>The presentation time that should be heard at a local time.</summary>
        long Due(long localNs)
        {
            return localNs + clockOffsetNs() - DelayNs;
        }

        /// <summary>The local time at which a presentation time should be heard.</summary>
        long Planned(long ptsNs)
        {
            return ptsNs - clockOffsetNs() + DelayNs;
        }
    }
}
