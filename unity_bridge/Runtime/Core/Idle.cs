using System;

namespace TokTalk
{
    /// <summary>
    /// What a face does while nobody speaks: it blinks and looks around a little. The same as on TokTalk's web page
    /// (viewer/src/idle.js): a blink every 2.4 to 5.6 seconds, one in seven of them twice, a glance every 1.2 to 3.8.
    /// </summary>
    public sealed class Idle
    {
        const double BlinkMs = 190;
        const double GlanceMs = 90;
        const double Far = 0.22; // of the way that the eyes can go

        readonly int[] blinks;
        readonly int[] sideways; // left eye's out and in, right eye's in and out
        readonly int[] upright; // up, up, down, down
        readonly long beginNs;
        double blinkAt = 2500, glanceUntil = 2000, movedAt; // ms since the beginning
        int blinkCount, glanceCount;
        double fromX, fromY, toX, toY;

        /// <param name="names">Of the weights that will be moved; names that are not there are left out.</param>
        /// <param name="nowNs">The local clock.</param>
        public Idle(string[] names, long nowNs)
        {
            beginNs = nowNs;
            Converter<string, int> find = name => Array.IndexOf(names, name);
            blinks = Array.ConvertAll(new[] { "eyeBlinkLeft", "eyeBlinkRight" }, find);
            sideways = Array.ConvertAll(
                new[] { "eyeLookOutLeft", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutRight" }, find);
            upright = Array.ConvertAll(
                new[] { "eyeLookUpLeft", "eyeLookUpRight", "eyeLookDownLeft", "eyeLookDownRight" }, find);
        }

        /// <summary>Somebody speaks through this face: it blinks a second later at the soonest.</summary>
        public void Rouse(long nowNs)
        {
            blinkAt = Math.Max(blinkAt, Ms(nowNs) + 1000);
        }

        /// <summary>Put lids and gaze into the weights of a face at rest.</summary>
        public void Apply(long nowNs, float[] weights)
        {
            double now = Ms(nowNs);
            float shut = (float)Blink(now);
            Set(weights, blinks[0], shut);
            Set(weights, blinks[1], shut);
            double t = Glance(now);
            float x = (float)(fromX + t * (toX - fromX)), y = (float)(fromY + t * (toY - fromY));
            for (int k = 0; k < 4; k++)
            {
                Set(weights, sideways[k], Math.Max(0, k % 2 == 0 ? x : -x));
                Set(weights, upright[k], Math.Max(0, k < 2 ? y : -y));
            }
        }

        double Blink(double now)
        {
            double t = (now - blinkAt) / BlinkMs;
            if (t > 1)
            {
                bool twice = Noise(++blinkCount) > 0.85;
                blinkAt = now + (twice ? 120 : 2400 + 3200 * Noise(blinkCount + 0.5));
            }
            // a lid falls faster than it rises
            return t < 0 || t > 1 ? 0 : t < 0.4 ? Smooth(t / 0.4) : Smooth((1 - t) / 0.6);
        }

        /// <summary>Begin another glance when it is time; the way from the last one that is done.</summary>
        double Glance(double now)
        {
            if (now > glanceUntil)
            {
                int n = ++glanceCount;
                fromX = toX;
                fromY = toY;
                toX = n % 2 == 0 ? 0 : Far * (2 * Noise(n) - 1);
                toY = n % 2 == 0 ? 0 : 0.6 * Far * (2 * Noise(n + 0.3) - 1);
                movedAt = now;
                glanceUntil = now + 1200 + 2600 * Noise(n + 0.7);
            }
            return Smooth(Math.Min(Math.Max((now - movedAt) / GlanceMs, 0), 1));
        }

        double Ms(long nowNs)
        {
            return (nowNs - beginNs) / 1e6;
        }

        static void Set(float[] weights, int index, float value)
        {
            if (index >= 0 && index < weights.Length)
                weights[index] = value;
        }

        static double Smooth(double t)
        {
            return t * t * (3 - 2 * t);
        }

        /// <summary>A number in [0, 1) that looks random and is always the same for `n`.</summary>
        static double Noise(double n)
        {
            return Math.Abs(Math.Sin(n * 127.1 + 11.7) * 43758.5453 % 1);
        }
    }
}
