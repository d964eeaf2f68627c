// The player loop of the stand-ins, see Objects.cs, and the hand that works their GUI: what a test turns.
using System;
using System.Collections.Generic;
using System.Linq;
using UnityEngine;

namespace StandIn
{
    /// <summary>Play mode: frames when the test says so, and the sound device.</summary>
    public static class Loop
    {
        public const int Rate = 48000, Block = 1024, Buffers = 4;

        /// <summary>Press Play, or stop. Every object of the scene is gone after it.</summary>
        public static void Play(bool on)
        {
            foreach (GameObject each in GameObject.All.ToArray())
                UnityEngine.Object.DestroyImmediate(each);
            Application.isPlaying = on;
            Time.time = Time.deltaTime = 0;
            AudioSettings.dspTime = 0;
            Hand.Clear();
        }

        /// <summary>One frame: every script's Update, what animates between, every LateUpdate, in order.</summary>
        public static void Frame(float seconds, Action animate = null)
        {
            Time.deltaTime = seconds;
            Time.time += seconds;
            Send("Update");
            if (animate != null)
                animate();
            Send("LateUpdate");
            Send("OnGUI");
            Input.Pressed = false;
        }

        /// <summary>
        /// The mixer's next block (mono): all sources that play, through the scripts beside them that filter.
        /// </summary>
        public static void Mix(float[] into)
        {
            Array.Clear(into, 0, into.Length);
            foreach (GameObject each in GameObject.All.ToArray())
            {
                AudioSource source = each.GetComponent<AudioSource>();
                if (source == null || !source.isPlaying || !source.isActiveAndEnabled)
                    continue;
                var data = new float[into.Length];
                for (int k = 0; k < data.Length; k++)
                    data[k] = source.clip.samples[k % source.clip.samples.Length];
                foreach (MonoBehaviour script in each.components.OfType<MonoBehaviour>())
                    if (script.isActiveAndEnabled)
                        script.Send("OnAudioFilterRead", data, 1);
                for (int k = 0; k < into.Length; k++)
                    into[k] += data[k];
            }
            AudioSettings.dspTime += (double)into.Length / Rate;
        }

        public static TextAsset Text(byte[] content) { return new TextAsset(content); }

        /// <summary>Let an Animator be humanoid, with this bone.</summary>
        public static void SetBone(Animator animator, HumanBodyBones bone, Transform transform)
        {
            animator.Human[bone] = transform;
        }

        static void Send(string message)
        {
            foreach (MonoBehaviour script in Scripts().OrderBy(Order))
                if (script.isActiveAndEnabled)
                    script.Send(message);
        }

        static List<MonoBehaviour> Scripts()
        {
            var scripts = new List<MonoBehaviour>();
            foreach (GameObject each in GameObject.All.ToArray())
                foreach (Component component in each.components.ToArray())
                    if (component is MonoBehaviour && ((MonoBehaviour)component).isActiveAndEnabled)
                        scripts.Add((MonoBehaviour)component);
            return scripts;
        }

        static int Order(MonoBehaviour script)
        {
            object[] orders = script.GetType().GetCustomAttributes(typeof(DefaultExecutionOrder), true);
            return orders.Length == 0 ? 0 : ((DefaultExecutionOrder)orders[0]).order;
        }
    }

    /// <summary>Who works the mouse: which buttons are pressed and what popups offered and were set to.</summary>
    public static class Hand
    {
        /// <summary>Buttons that will be pressed when they are drawn, each once.</summary>
        public static readonly HashSet<string> Presses = new HashSet<string>();

        /// <summary>Entries that will be chosen when a popup offers them, each once.</summary>
        public static readonly HashSet<string> Choices = new HashSet<string>();

        /// <summary>What was chosen in the popups that were drawn, before the hand changed it.</summary>
        public static readonly List<string> Popups = new List<string>();

        /// <summary>What object fields hold, by label.</summary>
        public static readonly Dictionary<string, UnityEngine.Object> Objects =
            new Dictionary<string, UnityEngine.Object>();

        /// <summary>Texts on the screen and where.</summary>
        public static readonly Dictionary<string, Rect> Shown = new Dictionary<string, Rect>();

        /// <summary>Press the mouse in the middle of a text on the screen, until the next frame is over.</summary>
        public static void Click(string text)
        {
            Rect at = Shown[text];
            Input.Pressed = true;
            Input.At = new Vector3(at.x + at.width / 2, Screen.height - at.y - at.height / 2, 0);
        }

        public static void Clear()
        {
            Presses.Clear();
            Choices.Clear();
            Popups.Clear();
            Objects.Clear();
            Shown.Clear();
            Input.Pressed = false;
        }
    }
}
