// Stand-ins for Unity's engine, see Objects.cs: sound.
using System;

namespace UnityEngine
{
    public sealed class AudioClip : Object
    {
        internal float[] samples;

        public static AudioClip Create(string name, int lengthSamples, int channels, int frequency, bool stream)
        {
            return new AudioClip { name = name, samples = new float[lengthSamples * channels] };
        }

        public bool SetData(float[] data, int offsetSamples)
        {
            data.CopyTo(samples, offsetSamples);
            return true;
        }
    }

    public class AudioBehaviour : Behaviour { }

    public sealed class AudioListener : AudioBehaviour { }

    public sealed class AudioSource : AudioBehaviour
    {
        public AudioClip clip { get; set; }
        public bool loop { get; set; }
        public float pitch { get; set; }
        public float dopplerLevel { get; set; }
        public bool isPlaying { get; private set; }
        public void Play() { isPlaying = clip != null; }
        public void Stop() { isPlaying = false; }
    }

    public sealed class AudioSettings
    {
        public delegate void AudioConfigurationChangeHandler(bool deviceWasChanged);
        public static event AudioConfigurationChangeHandler OnAudioConfigurationChanged;
        public static double dspTime { get; internal set; }
        public static int outputSampleRate { get { return StandIn.Loop.Rate; } }

        public static void GetDSPBufferSize(out int bufferLength, out int numBuffers)
        {
            bufferLength = StandIn.Loop.Block;
            numBuffers = StandIn.Loop.Buffers;
        }

        internal static void Configure()
        {
            if (OnAudioConfigurationChanged != null)
                OnAudioConfigurationChanged(true);
        }
    }
}
