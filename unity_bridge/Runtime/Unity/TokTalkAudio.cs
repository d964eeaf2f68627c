using System;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Plays a receiver's sound through the AudioSource beside it, with its volume, mixer and place in the room, and
    /// thereby sets the time by which the face is shown: what is heard is what is seen.
    /// </summary>
    /// <remarks>
    /// The source loops a clip of ones; what Unity makes of them (volume, panning, distance) multiplies the voice.
    /// </remarks>
    [AddComponentMenu("TokTalk/TokTalk Audio")]
    [RequireComponent(typeof(AudioSource))]
    [DisallowMultipleComponent]
    public sealed class TokTalkAudio : MonoBehaviour
    {
        [Tooltip("Where the sound comes from; empty: the receiver on this object or above.")]
        [SerializeField] TokTalkReceiver receiver;

        [Tooltip("Milliseconds that the loudspeaker is behind Unity's buffers: 0 by wire, 150 to 300 by Bluetooth.")]
        [Range(-100, 500)]
        [SerializeField] int speakerLatency;

        readonly DeviceClock clock = new DeviceClock();
        AudioSource source;
        AudioClip ones;
        volatile TokTalkReceiver from;
        volatile int rate;
        volatile int latencyMicroseconds;

        /// <summary>Where the sound comes from.</summary>
        public TokTalkReceiver Receiver
        {
            get { return receiver; }
            set { from = receiver = value; }
        }

        /// <summary>Milliseconds that the loudspeaker is behind Unity's own buffers.</summary>
        public int SpeakerLatency
        {
            get { return speakerLatency; }
            set { speakerLatency = Mathf.Clamp(value, -100, 500); }
        }

        void OnEnable()
        {
            if (receiver == null)
                receiver = GetComponentInParent<TokTalkReceiver>();
            from = receiver;
            source = GetComponent<AudioSource>();
            AudioSettings.OnAudioConfigurationChanged += Configure;
            Configure(false);
        }

        void OnDisable()
        {
            AudioSettings.OnAudioConfigurationChanged -= Configure;
            from = null;
            source.Stop();
            source.clip = null;
            Destroy(ones);
        }

        void Update()
        {
            int length, buffers;
            AudioSettings.GetDSPBufferSize(out length, out buffers);
            latencyMicroseconds = (int)(1000000L * length * buffers / Math.Max(1, rate)) + 1000 * speakerLatency;
        }

        /// <summary>Unity forgets what plays when the device changes.</summary>
        void Configure(bool deviceChanged)
        {
            if (ones != null)
                Destroy(ones);
            rate = AudioSettings.outputSampleRate;
            ones = AudioClip.Create("TokTalk", rate, 1, rate, false);
            var samples = new float[rate];
            for (int k = 0; k < samples.Length; k++)
                samples[k] = 1;
            ones.SetData(samples, 0);
            source.clip = ones;
            source.loop = true;
            source.pitch = 1;
            source.dopplerLevel = 0;
            Update();
            source.Play();
        }

        /// <summary>Unity's sound thread asks for the next block.</summary>
        void OnAudioFilterRead(float[] data, int channels)
        {
            TokTalkReceiver connected = from;
            Playout playout = ReferenceEquals(connected, null) ? null : connected.Playout;
            long blockNs = clock.Tick(AudioSettings.dspTime, LocalClock.NowNs);
            if (playout == null)
                Array.Clear(data, 0, data.Length);
            else
                playout.ReadAudio(data, channels, rate, blockNs + 1000L * latencyMicroseconds);
        }
    }
}
