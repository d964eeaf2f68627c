// Stand-ins for Unity's engine, see Objects.cs: what is seen.
using System;
using System.Collections.Generic;

namespace UnityEngine
{
    public sealed class Mesh : Object
    {
        sealed class Shape
        {
            public string Name;
            public List<float> FrameWeights = new List<float>();
        }

        readonly List<Shape> shapes = new List<Shape>();

        public int blendShapeCount { get { return shapes.Count; } }
        public Rendering.IndexFormat indexFormat { get; set; }
        public Vector3[] vertices { get; set; }
        public Vector3[] normals { get; set; }
        public Color[] colors { get; set; }
        public int[] triangles { get; set; }
        public Bounds bounds { get; set; }
        public string GetBlendShapeName(int shapeIndex) { return shapes[shapeIndex].Name; }
        public int GetBlendShapeFrameCount(int shapeIndex) { return shapes[shapeIndex].FrameWeights.Count; }

        public float GetBlendShapeFrameWeight(int shapeIndex, int frameIndex)
        {
            return shapes[shapeIndex].FrameWeights[frameIndex];
        }

        public int GetBlendShapeIndex(string blendShapeName)
        {
            return shapes.FindIndex(shape => shape.Name == blendShapeName);
        }

        public void AddBlendShapeFrame(
            string shapeName, float frameWeight, Vector3[] deltaVertices, Vector3[] deltaNormals,
            Vector3[] deltaTangents)
        {
            if (deltaVertices.Length != vertices.Length)
                throw new ArgumentException("a blend shape of " + deltaVertices.Length + " vertices");
            if (shapes.Count == 0 || shapes[shapes.Count - 1].Name != shapeName)
                shapes.Add(new Shape { Name = shapeName });
            shapes[shapes.Count - 1].FrameWeights.Add(frameWeight);
        }

        public void RecalculateBounds() { }
    }

    public class Renderer : Component
    {
        public Material sharedMaterial { get; set; }
    }

    public class SkinnedMeshRenderer : Renderer
    {
        Mesh mesh;
        float[] weights = new float[0];

        public Mesh sharedMesh
        {
            get { return mesh; }
            set
            {
                mesh = value;
                weights = new float[mesh == null ? 0 : mesh.blendShapeCount];
            }
        }

        public Bounds localBounds { get; set; }
        public float GetBlendShapeWeight(int index) { return weights[index]; }
        public void SetBlendShapeWeight(int index, float value) { weights[index] = value; }
    }

    public class Material : Object
    {
        public Material(Shader shader) { }
        public void SetFloat(string name, float value) { }
    }

    public sealed class Shader : Object { }

    public enum CameraClearFlags { Skybox = 1, Color = 2, SolidColor = 2, Depth = 3, Nothing = 4 }

    public sealed class Camera : Behaviour
    {
        public static Camera main { get { return null; } }
        public float fieldOfView { get; set; }
        public float nearClipPlane { get; set; }
        public CameraClearFlags clearFlags { get; set; }
        public Color backgroundColor { get; set; }
    }
}

namespace UnityEngine.Rendering
{
    public enum IndexFormat { UInt16, UInt32 }
}
