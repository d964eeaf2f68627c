using System;
using UnityEngine;

namespace TokTalk.Samples
{
    /// <summary>
    /// Makes TokTalk's head from its file when the scene starts, and lets it speak: what any character needs is in
    /// <see cref="Awake"/>, four components.
    /// </summary>
    public sealed class TalkingHead : MonoBehaviour
    {
        static readonly Rect Button = new Rect(12, 80, 100, 24);

        [SerializeField] TextAsset head;
        [SerializeField] Shader shader;

        TokTalkReceiver receiver;
        string said = "";

        void Awake()
        {
            Application.runInBackground = true;
            Build(new Glb(head.bytes));
            if (Camera.main == null)
                MakeCamera();
            receiver = gameObject.AddComponent<TokTalkReceiver>();
            gameObject.AddComponent<TokTalkFace>();
            gameObject.AddComponent<TokTalkAudio>();
            gameObject.AddComponent<TokTalkHead>();
            receiver.Happened += Listen;
        }

        void Listen(EventMessage message)
        {
            object text;
            if (message.Kind == "start")
                said = message.Data.TryGetValue("text", out text) ? text as string ?? "" : "";
        }

        void Update()
        {
            if (receiver.IsMoving && IsPressed(Button))
                receiver.Interrupt();
        }

        void OnGUI()
        {
            GUI.Label(new Rect(12, 12, 640, 22), receiver.Status);
            GUI.Label(new Rect(12, 34, 640, 44), said);
            if (receiver.IsMoving)
                GUI.Label(Button, "Interrupt", "button");
        }

        /// <summary>
        /// Whether mouse or finger went down there in this frame. OnGUI draws everywhere, but hears nothing where only
        /// the Input System is active.
        /// </summary>
        static bool IsPressed(Rect place)
        {
            Vector2 at = new Vector2(-1, -1);
#if ENABLE_INPUT_SYSTEM && TOKTALK_INPUT_SYSTEM
            UnityEngine.InputSystem.Pointer pointer = UnityEngine.InputSystem.Pointer.current;
            if (pointer != null && pointer.press.wasPressedThisFrame)
                at = pointer.position.ReadValue();
#elif ENABLE_LEGACY_INPUT_MANAGER
            if (Input.GetMouseButtonDown(0))
                at = Input.mousePosition;
#endif
            return place.Contains(new Vector2(at.x, Screen.height - at.y));
        }

        void Build(Glb file)
        {
            var made = new Transform[file.Nodes.Count];
            for (int k = 0; k < made.Length; k++)
                made[k] = new GameObject(file.Nodes[k].Name).transform;
            for (int k = 0; k < made.Length; k++)
            {
                Glb.Node node = file.Nodes[k];
                made[k].SetParent(node.Parent < 0 ? transform : made[node.Parent], false);
                made[k].localPosition = new Vector3(node.Translation[0], node.Translation[1], node.Translation[2]);
                made[k].localRotation =
                    new Quaternion(node.Rotation[0], node.Rotation[1], node.Rotation[2], node.Rotation[3]);
                made[k].localScale = new Vector3(node.Scale[0], node.Scale[1], node.Scale[2]);
                if (node.Mesh >= 0)
                    Show(file.Meshes[node.Mesh], made[k].gameObject);
            }
        }

        void Show(Glb.Mesh from, GameObject on)
        {
            var mesh = new Mesh
            {
                name = from.Name,
                indexFormat = from.Positions.Length / 3 > 65535
                    ? UnityEngine.Rendering.IndexFormat.UInt32 : UnityEngine.Rendering.IndexFormat.UInt16,
                vertices = Vectors(from.Positions),
                normals = Vectors(from.Normals),
                colors = Colors(from.Colors),
                triangles = from.Triangles,
            };
            foreach (Glb.Shape shape in from.Shapes)
                mesh.AddBlendShapeFrame(shape.Name, 100, Vectors(shape.Positions), Vectors(shape.Normals), null);
            mesh.RecalculateBounds();
            var material = new Material(shader);
            material.SetFloat("_Lit", from.Unlit ? 0 : 1);
            material.SetFloat("_Gloss", 1 - from.Roughness);
            material.SetFloat("_Cull", from.DoubleSided ? 0 : 2);
            var shown = on.AddComponent<SkinnedMeshRenderer>();
            shown.sharedMesh = mesh;
            shown.sharedMaterial = material;
            shown.localBounds = mesh.bounds;
        }

        static void MakeCamera()
        {
            var camera = new GameObject("Camera").AddComponent<Camera>();
            camera.gameObject.AddComponent<AudioListener>();
            camera.transform.localPosition = new Vector3(0, 0.01f, 0.85f);
            camera.transform.localRotation = Quaternion.Euler(0, 180, 0);
            camera.fieldOfView = 28;
            camera.nearClipPlane = 0.05f;
            camera.clearFlags = CameraClearFlags.SolidColor;
            camera.backgroundColor = new Color(0.11f, 0.12f, 0.14f, 1);
        }

        static Vector3[] Vectors(float[] values)
        {
            if (values == null)
                return null;
            var vectors = new Vector3[values.Length / 3];
            for (int k = 0; k < vectors.Length; k++)
                vectors[k] = new Vector3(values[3 * k], values[3 * k + 1], values[3 * k + 2]);
            return vectors;
        }

        static Color[] Colors(float[] values)
        {
            var colors = new Color[values == null ? 0 : values.Length / 4];
            for (int k = 0; k < colors.Length; k++)
                colors[k] = new Color(values[4 * k], values[4 * k + 1], values[4 * k + 2], values[4 * k + 3]);
            return colors;
        }
    }
}
