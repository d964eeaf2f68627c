using System.Collections.Generic;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Records what a character's blendshapes and head do into an AnimationClip. In the editor its inspector saves the
    /// clip as an asset; in a player <see cref="StopRecording"/> gives one that an Animation component plays.
    /// </summary>
    [AddComponentMenu("TokTalk/TokTalk Recorder")]
    [DefaultExecutionOrder(1000)]
    [DisallowMultipleComponent]
    public sealed class TokTalkRecorder : MonoBehaviour
    {
        /// <summary>Longest recording in seconds.</summary>
        public const float MaxSeconds = 3600;

        [Tooltip("What is recorded; empty: the face on this object or below.")]
        [SerializeField] TokTalkFace face;

        [Tooltip("Bones whose rotation is recorded; empty: those of the TokTalk Head on this object or below.")]
        [SerializeField] Transform[] bones = new Transform[0];

        /// <summary>
        /// One property of one object over time, by the name that AnimationUtility.SetEditorCurve takes.
        /// </summary>
        public sealed class Track
        {
            public string Path;
            public System.Type Type;
            public string Property;
            public AnimationCurve Curve;
        }

        sealed class Shape
        {
            public SkinnedMeshRenderer Renderer;
            public int Index;
            public List<float> Values = new List<float>();
        }

        sealed class Bone
        {
            public Transform Transform;
            public List<Quaternion> Turns = new List<Quaternion>();
        }

        readonly List<Shape> shapes = new List<Shape>();
        readonly List<Bone> turning = new List<Bone>();
        readonly List<float> times = new List<float>();
        float begin;

        /// <summary>Whether a recording runs.</summary>
        public bool IsRecording { get; private set; }

        /// <summary>Seconds recorded.</summary>
        public float Seconds
        {
            get { return times.Count == 0 ? 0 : times[times.Count - 1]; }
        }

        /// <summary>Begin a new recording; the one before is forgotten.</summary>
        public void StartRecording()
        {
            if (face == null)
                face = GetComponentInChildren<TokTalkFace>();
            if (face == null)
            {
                Debug.LogError("TokTalk: '" + name + "' has no TokTalk Face to record.", this);
                return;
            }
            shapes.Clear();
            turning.Clear();
            times.Clear();
            foreach (SkinnedMeshRenderer renderer in face.Renderers)
                for (int k = 0; k < renderer.sharedMesh.blendShapeCount; k++)
                    shapes.Add(new Shape { Renderer = renderer, Index = k });
            var head = GetComponentInChildren<TokTalkHead>();
            foreach (Transform bone in bones.Length > 0 || head == null ? bones : head.Bones)
                if (bone != null)
                    turning.Add(new Bone { Transform = bone });
            begin = Time.time;
            IsRecording = true;
        }

        /// <summary>End the recording, as a legacy clip for an Animation component on this object.</summary>
        public AnimationClip StopRecording()
        {
            IsRecording = false;
            var clip = new AnimationClip { legacy = true, name = name + " face" };
            foreach (Track track in Tracks())
            {
                string property = track.Property.Replace("m_LocalRotation", "localRotation");
                clip.SetCurve(track.Path, track.Type, property, track.Curve);
            }
            return clip;
        }

        /// <summary>End the recording; the curves that it gave, without those that never left 0.</summary>
        public List<Track> Tracks()
        {
            IsRecording = false;
            var tracks = new List<Track>();
            foreach (Shape shape in shapes)
                if (shape.Renderer != null && shape.Values.Exists(value => value != 0))
                    tracks.Add(new Track
                    {
                        Path = PathOf(shape.Renderer.transform),
                        Type = typeof(SkinnedMeshRenderer),
                        Property = "blendShape." + shape.Renderer.sharedMesh.GetBlendShapeName(shape.Index),
                        Curve = CurveOf(shape.Values),
                    });
            foreach (Bone bone in turning)
                for (int k = 0; k < 4 && bone.Transform != null; k++)
                {
                    int axis = k;
                    tracks.Add(new Track
                    {
                        Path = PathOf(bone.Transform),
                        Type = typeof(Transform),
                        Property = "m_LocalRotation." + "xyzw"[axis],
                        Curve = CurveOf(bone.Turns.ConvertAll(turn => turn[axis])),
                    });
                }
            return tracks;
        }

        void LateUpdate()
        {
            if (IsRecording)
                Capture(Time.time - begin);
        }

        /// <summary>
        /// Record what the character looks like now as its state at <paramref name="time"/> seconds; times that do not
        /// go on from the last are left out. While the scene plays, each frame does so by itself.
        /// </summary>
        public void Capture(float time)
        {
            if (time > MaxSeconds)
                IsRecording = false;
            if (!IsRecording || times.Count > 0 && time <= Seconds)
                return;
            times.Add(time);
            foreach (Shape shape in shapes)
                shape.Values.Add(shape.Renderer == null ? 0 : shape.Renderer.GetBlendShapeWeight(shape.Index));
            foreach (Bone bone in turning)
                bone.Turns.Add(bone.Transform == null
                    ? Quaternion.identity : Near(bone.Turns, bone.Transform.localRotation));
        }

        /// <summary>
        /// Of the two quaternions that mean the same rotation the one near the last, for smooth curves.
        /// </summary>
        static Quaternion Near(List<Quaternion> turns, Quaternion turn)
        {
            if (turns.Count == 0 || Quaternion.Dot(turns[turns.Count - 1], turn) >= 0)
                return turn;
            return new Quaternion(-turn.x, -turn.y, -turn.z, -turn.w);
        }

        /// <summary>
        /// A curve of straight lines, without the keys in the middle of stretches that do not change.
        /// </summary>
        AnimationCurve CurveOf(List<float> values)
        {
            var keys = new List<Keyframe>();
            for (int k = 0; k < values.Count; k++)
            {
                bool still = k > 0 && k < values.Count - 1 && values[k] == values[k - 1] && values[k] == values[k + 1];
                if (!still)
                    keys.Add(new Keyframe(times[k], values[k], Slope(values, k - 1), Slope(values, k)));
            }
            return new AnimationCurve(keys.ToArray());
        }

        float Slope(List<float> values, int k)
        {
            return k < 0 || k + 1 >= values.Count ? 0 : (values[k + 1] - values[k]) / (times[k + 1] - times[k]);
        }

        string PathOf(Transform target)
        {
            var parts = new List<string>();
            for (Transform at = target; at != null && at != transform; at = at.parent)
                parts.Insert(0, at.name);
            return string.Join("/", parts.ToArray());
        }
    }
}
