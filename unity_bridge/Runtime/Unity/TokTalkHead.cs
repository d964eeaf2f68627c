using System;
using System.Collections.Generic;
using UnityEngine;

namespace TokTalk
{
    /// <summary>
    /// Turns head, neck and eyes of a character by a receiver's head rotation and eye weights. Turns are meant in the
    /// character's axes (it looks along +Z, up is +Y), whatever the axes of its bones, on top of its animation.
    /// </summary>
    [AddComponentMenu("TokTalk/TokTalk Head")]
    [DefaultExecutionOrder(110)]
    [DisallowMultipleComponent]
    public sealed class TokTalkHead : MonoBehaviour
    {
        [Tooltip("Where the rotation comes from; empty: the receiver on this object or above.")]
        [SerializeField] TokTalkReceiver receiver;

        [Tooltip("The character, which looks along its +Z; empty: the receiver's object.")]
        [SerializeField] Transform character;

        [Tooltip("Empty bones are looked for in a humanoid Animator, then by name.")]
        [SerializeField] Transform head;
        [SerializeField] Transform neck;
        [SerializeField] Transform leftEye;
        [SerializeField] Transform rightEye;

        [Tooltip("How much of the head's rotation is shown.")]
        [Range(0, 2)]
        [SerializeField] float weight = 1;

        [Tooltip("The neck's share of it.")]
        [Range(0, 1)]
        [SerializeField] float neckShare = 0.3f;

        [Tooltip("Largest yaw, pitch and roll in degrees.")]
        [SerializeField] Vector3 limits = new Vector3(50, 35, 30);

        [Tooltip("How much of the eyes' weights is shown by the bones; 0 where the mesh has eyeLook blendshapes.")]
        [Range(0, 2)]
        [SerializeField] float eyeWeight = 1;

        [Tooltip("Degrees that an eye turns sideways, and up and down, at a weight of 1.")]
        [SerializeField] Vector2 eyeReach = new Vector2(30, 20);

        /// <summary>A bone that an animation may move too: its rotation without ours.</summary>
        struct Bone
        {
            public Transform Transform;
            Quaternion rest;
            Quaternion written;

            public Bone(Transform transform)
            {
                Transform = transform;
                rest = written = transform == null ? Quaternion.identity : transform.localRotation;
            }

            /// <summary>Turn it by `turn`, meant in `axes`; the turn in the world's axes.</summary>
            public Quaternion Turn(Quaternion turn, Quaternion axes)
            {
                if (Transform == null)
                    return Quaternion.identity;
                if (!Transform.localRotation.Equals(written)) // exactly: != leaves slow animation out
                    rest = Transform.localRotation; // animated since
                Transform.localRotation = rest;
                Quaternion inWorld = axes * turn * Quaternion.Inverse(axes);
                Transform.rotation = inWorld * Transform.rotation;
                written = Transform.localRotation;
                return inWorld;
            }

            public void Restore()
            {
                if (Transform != null)
                    Transform.localRotation = rest;
            }
        }

        Bone headBone, neckBone, leftBone, rightBone;
        string[] lookNames;
        readonly int[] looks = new int[8];

        /// <summary>How much of the head's rotation is shown.</summary>
        public float Weight
        {
            get { return weight; }
            set { weight = Mathf.Clamp(value, 0, 2); }
        }

        /// <summary>The head's bone.</summary>
        public Transform Head
        {
            get { return head; }
            set
            {
                head = value;
                headBone = new Bone(head);
            }
        }

        /// <summary>The bones that turn: head, neck and eyes, as far as they are there.</summary>
        public IEnumerable<Transform> Bones
        {
            get
            {
                foreach (Transform bone in new[] { head, neck, leftEye, rightEye })
                    if (bone != null)
                        yield return bone;
            }
        }

        /// <summary>
        /// A rotation of the wire (yaw, pitch, roll in radians; left, up, left positive; right-handed) as Unity's, of a
        /// character that looks along +Z: yaw first, then pitch, then roll about the axes that turned with it.
        /// </summary>
        public static Quaternion ToUnity(float yaw, float pitch, float roll)
        {
            return Quaternion.Euler(-pitch * Mathf.Rad2Deg, -yaw * Mathf.Rad2Deg, roll * Mathf.Rad2Deg);
        }

        void OnEnable()
        {
            if (receiver == null)
                receiver = GetComponentInParent<TokTalkReceiver>();
            if (character == null)
                character = receiver == null ? transform : receiver.transform;
            FindBones();
            if (head == null)
                Debug.LogWarning("TokTalk: '" + name + "' has no bone called head: set it in TokTalk Head.", this);
        }

        /// <summary>Find the bones that are not set, and take all as they stand now for their rest.</summary>
        public void FindBones()
        {
            Restore();
            var animator = GetComponentInChildren<Animator>();
            head = FindBone(head, animator, HumanBodyBones.Head, "head");
            neck = FindBone(neck, animator, HumanBodyBones.Neck, "neck");
            leftEye = FindBone(leftEye, animator, HumanBodyBones.LeftEye, "lefteye", "eyeleft");
            rightEye = FindBone(rightEye, animator, HumanBodyBones.RightEye, "righteye", "eyeright");
            headBone = new Bone(head);
            neckBone = new Bone(neck);
            leftBone = new Bone(leftEye);
            rightBone = new Bone(rightEye);
        }

        /// <summary>Turn the bones.</summary>
        /// <param name="angles">Yaw, pitch, roll in radians; left, up, left positive.</param>
        /// <param name="names">Of the weights, of which those of the eyes' looks count.</param>
        public void Apply(float[] angles, string[] names, float[] weights)
        {
            float yaw = Limited(angles[0], limits.x);
            float pitch = Limited(angles[1], limits.y);
            float roll = Limited(angles[2], limits.z);
            float share = neck == null ? 0 : neckShare;
            Quaternion axes = character == null ? transform.rotation : character.rotation;
            Quaternion turned = neckBone.Turn(ToUnity(share * yaw, share * pitch, share * roll), axes);
            share = 1 - share;
            turned = headBone.Turn(ToUnity(share * yaw, share * pitch, share * roll), axes) * turned;
            TurnEyes(turned * axes, names, weights); // the eyes sit in the head, which has turned
        }

        void OnDisable()
        {
            Restore();
        }

        void Restore()
        {
            neckBone.Restore();
            headBone.Restore();
            leftBone.Restore();
            rightBone.Restore();
        }

        void LateUpdate()
        {
            if (receiver == null || receiver.Names.Length == 0)
                return;
            Apply(receiver.Head, receiver.Names, receiver.Weights);
        }

        float Limited(float radians, float degrees)
        {
            return Mathf.Clamp(weight * radians, -degrees * Mathf.Deg2Rad, degrees * Mathf.Deg2Rad);
        }

        void TurnEyes(Quaternion axes, string[] names, float[] weights)
        {
            if (eyeWeight == 0 || leftEye == null && rightEye == null)
                return;
            if (lookNames != names)
            {
                lookNames = names;
                string[] wanted = { "eyeLookOutLeft", "eyeLookInLeft", "eyeLookUpLeft", "eyeLookDownLeft",
                    "eyeLookInRight", "eyeLookOutRight", "eyeLookUpRight", "eyeLookDownRight" };
                for (int k = 0; k < looks.Length; k++)
                    looks[k] = Array.IndexOf(names, wanted[k]);
            }
            leftBone.Turn(Look(0, weights), axes);
            rightBone.Turn(Look(4, weights), axes);
        }

        /// <summary>The turn of the eye whose weights (to its left, to its right, up, down) begin at `first`.</summary>
        Quaternion Look(int first, float[] weights)
        {
            float left = Of(first, weights) - Of(first + 1, weights);
            float up = Of(first + 2, weights) - Of(first + 3, weights);
            float scale = eyeWeight * Mathf.Deg2Rad;
            return ToUnity(scale * left * eyeReach.x, scale * up * eyeReach.y, 0);
        }

        float Of(int look, float[] weights)
        {
            int index = looks[look];
            return index < 0 || index >= weights.Length ? 0 : weights[index];
        }

        Transform FindBone(Transform given, Animator animator, HumanBodyBones bone, params string[] names)
        {
            if (given != null)
                return given;
            if (animator != null && animator.isHuman)
            {
                Transform found = animator.GetBoneTransform(bone);
                if (found != null)
                    return found;
            }
            foreach (Transform child in GetComponentsInChildren<Transform>(true))
                if (child.GetComponent<Renderer>() == null && Array.Exists(names, wanted => Means(child.name, wanted)))
                    return child;
            return null;
        }

        /// <summary>Whether a bone is called so: mixamorig:Head and J_Bip_C_Head are heads, Forehead is none.</summary>
        static bool Means(string bone, string wanted)
        {
            string plain = ShapeNames.Plain(bone);
            if (!plain.EndsWith(wanted, StringComparison.Ordinal))
                return false;
            int before = bone.Length - wanted.Length - 1;
            return plain == wanted || wanted.Length > 5 || before >= 0 && !char.IsLetter(bone[before]);
        }
    }
}
