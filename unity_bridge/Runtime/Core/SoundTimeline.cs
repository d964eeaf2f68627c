using System;

namespace TokTalk
{
    /// <summary>
    /// The sound of one stream, by presentation time, played at any rate and any speed near 1. Positions are counted
    /// in samples of the stream since an origin of its own. For one thread.
    /// </summary>
    public sealed class SoundTimeline
    {
        /// <summary>Most samples that are kept.</summary>
        public const int MaxSamples = 1 << 24;

        const double Second = 1e9;
        const double FadeSeconds = 0.012;

        readonly SincKernel kernel = new SincKernel();
        float[] ring = new float[1 << 14];
        long first; // samples [first, end) are there
        long end;
        long originNs;

        /// <summary>Hz; 0 before the first sound.</summary>
        public int Rate { get; private set; }

        /// <summary>Position after the last sample.</summary>
        public double End
        {
            get { return end; }
        }

        /// <summary>Presentation time after the last sample; <see cref="FaceTimeline.Never"/> without sound.</summary>
        public long EndNs
        {
            get { return Rate == 0 ? FaceTimeline.Never : TimeOf(end); }
        }

        /// <summary>Position of a presentation time.</summary>
        public double PositionOf(long ptsNs)
        {
            return (ptsNs - originNs) / Second * Rate;
        }

        /// <summary>Presentation time of a position.</summary>
        public long TimeOf(double position)
        {
            return originNs + (long)(position / Rate * Second);
        }

        /// <summary>Begin anew at <paramref name="ptsNs"/>.</summary>
        public void Begin(long ptsNs, int rate)
        {
            originNs = ptsNs;
            Rate = rate;
            first = end = 0;
        }

        /// <summary>
        /// Make room for <paramref name="count"/> samples at <paramref name="ptsNs"/>; a gap before them becomes
        /// silence. Samples before <paramref name="done"/> make room.
        /// </summary>
        /// <returns>The position of the first one, for <see cref="Put"/>; -1 when there is no room.</returns>
        public long Reserve(long ptsNs, int count, double done)
        {
            long at = (long)Math.Round(PositionOf(ptsNs));
            first = Math.Max(first, Math.Min(end, (long)done - SincKernel.Taps));
            if (at < first || at + count - first > MaxSamples)
                return -1;
            while (at + count - first > ring.Length)
                Grow();
            for (long k = end; k < at; k++)
                ring[k & ring.Length - 1] = 0;
            end = Math.Max(end, at + count);
            return at;
        }

        /// <summary>Drop the sound before <paramref name="ptsNs"/>.</summary>
        public void Forget(long ptsNs)
        {
            first = Math.Max(first, Math.Min(end, (long)Math.Round(PositionOf(ptsNs))));
        }

        /// <summary>Write samples that were reserved.</summary>
        public void Put(long at, float[] samples, int count)
        {
            int begin = (int)(at & ring.Length - 1);
            int part = Math.Min(count, ring.Length - begin);
            Array.Copy(samples, 0, ring, begin, part);
            Array.Copy(samples, part, ring, 0, count - part);
        }

        /// <summary>Drop the sound at <paramref name="ptsNs"/> and later; what plays now fades out in 12 ms.</summary>
        /// <param name="playing">Position that is played next.</param>
        public void Cut(long ptsNs, double playing)
        {
            if (Rate == 0)
                return;
            long fade = (long)(FadeSeconds * Rate);
            long from = Math.Max((long)Math.Round(PositionOf(ptsNs)), (long)playing);
            if (from >= end)
                return;
            end = Math.Min(end, Math.Max(first, from + fade));
            for (long k = Math.Max(from, first); k < end; k++)
                ring[k & ring.Length - 1] *= 1 - (k - from) / (float)fade;
        }

        /// <summary>Multiply what is in <paramref name="output"/> by the sound.</summary>
        /// <param name="position">Of the first output frame.</param>
        /// <param name="step">Samples of the stream for each output frame.</param>
        /// <param name="output">Interleaved, <paramref name="channels"/> values for each frame.</param>
        public void Render(double position, double step, float[] output, int channels)
        {
            kernel.For(Math.Min(1, 1 / step));
            int frames = output.Length / channels;
            for (int k = 0; k < frames; k++)
            {
                float value = kernel.At(ring, first, end, position + k * step);
                for (int channel = 0; channel < channels; channel++)
                    output[k * channels + channel] *= value;
            }
        }

        void Grow()
        {
            var larger = new float[2 * ring.Length];
            for (long k = first; k < end; k++)
                larger[k & larger.Length - 1] = ring[k & ring.Length - 1];
            ring = larger;
        }
    }

    /// <summary>Band-limited interpolation: a sinc under a Blackman-Harris window, 32 taps, 64 phases.</summary>
    sealed class SincKernel
    {
        public const int Taps = 32;
        const int Phases = 64;
        const double Passband = 0.94;

        readonly float[] table = new float[(Phases + 1) * Taps];
        double cutoff;

        /// <summary>Prepare to pass up to <paramref name="band"/> (at most 1) of the source's band.</summary>
        public void For(double band)
        {
            band = Math.Round(band * Passband, 2);
            if (band == cutoff)
                return;
            cutoff = band;
            for (int phase = 0; phase <= Phases; phase++)
            {
                double sum = 0;
                for (int tap = 0; tap < Taps; tap++)
                {
                    double x = tap - Taps / 2 + 1 - (double)phase / Phases;
                    double sinc = Math.Abs(x) < 1e-9 ? band : Math.Sin(Math.PI * band * x) / (Math.PI * x);
                    double angle = Math.PI * (x / (Taps / 2) + 1);
                    double window = Math.Abs(x) > Taps / 2 ? 0
                        : 0.35875 - 0.48829 * Math.Cos(angle) + 0.14128 * Math.Cos(2 * angle)
                        - 0.01168 * Math.Cos(3 * angle);
                    table[phase * Taps + tap] = (float)(sinc * window);
                    sum += sinc * window;
                }
                for (int tap = 0; tap < Taps; tap++)
                    table[phase * Taps + tap] /= (float)sum;
            }
        }

        /// <summary>
        /// The signal at <paramref name="position"/>; a ring of a power of two that holds [first, end).
        /// </summary>
        public float At(float[] ring, long first, long end, double position)
        {
            double floor = Math.Floor(position);
            long from = (long)floor - Taps / 2 + 1;
            if (from >= end || from + Taps <= first)
                return 0;
            double phase = (position - floor) * Phases;
            int row = (int)phase * Taps;
            float between = (float)(phase - (int)phase);
            int mask = ring.Length - 1;
            int begin = (int)Math.Max(0, first - from), stop = (int)Math.Min(Taps, end - from);
            float value = 0;
            for (int tap = begin; tap < stop; tap++)
            {
                float weight = table[row + tap];
                weight += between * (table[row + Taps + tap] - weight);
                value += weight * ring[(from + tap) & mask];
            }
            return value;
        }
    }
}
