using System;
using System.Collections.Generic;
using System.Text;

namespace TokTalk.Samples
{
    using Map = Dictionary<string, object>;

    /// <summary>
    /// The nodes, meshes and blendshapes of a binary glTF 2.0 file, in Unity's axes: x is mirrored, triangles are
    /// turned. What TokTalk's own head needs (quantized and sparse accessors), no textures, no skins.
    /// Format: https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html
    /// </summary>
    public sealed class Glb
    {
        public sealed class Node
        {
            public string Name;
            public int Parent = -1;
            public int Mesh = -1;
            public float[] Translation = { 0, 0, 0 };
            public float[] Rotation = { 0, 0, 0, 1 };
            public float[] Scale = { 1, 1, 1 };
        }

        public sealed class Shape
        {
            public string Name;

            /// <summary>[vertices, 3], added at a weight of 1; normals may be null.</summary>
            public float[] Positions, Normals;
        }

        public sealed class Mesh
        {
            public string Name;
            public bool Unlit, DoubleSided;
            public float Roughness = 1;

            /// <summary>[vertices, 3]; colours [vertices, 4], linear; normals and colours may be null.</summary>
            public float[] Positions, Normals, Colors;
            public int[] Triangles;
            public List<Shape> Shapes = new List<Shape>();
        }

        public readonly List<Node> Nodes = new List<Node>();
        public readonly List<Mesh> Meshes = new List<Mesh>();

        readonly byte[] data;
        readonly int binary;
        readonly Map root;

        /// <exception cref="FormatException">It is no file of this kind.</exception>
        public Glb(byte[] data)
        {
            this.data = data;
            if (data.Length < 20 || BitConverter.ToUInt32(data, 0) != 0x46546c67)
                throw new FormatException("not a binary glTF file");
            int length = BitConverter.ToInt32(data, 12);
            if (length < 0 || length > data.Length - 20)
                throw new FormatException("a binary glTF file that is cut short");
            binary = 20 + length + 8;
            try
            {
                root = (Map)Json.Parse(Encoding.UTF8.GetString(data, 20, length));
                foreach (object mesh in Items(root, "meshes"))
                    Meshes.Add(ReadMesh((Map)mesh));
                foreach (object node in Items(root, "nodes"))
                    Nodes.Add(ReadNode((Map)node));
                for (int k = 0; k < Nodes.Count; k++)
                    foreach (object child in Items((Map)Items(root, "nodes")[k], "children"))
                        Nodes[(int)(double)child].Parent = k;
            }
            catch (Exception error) when (!(error is FormatException))
            {
                throw new FormatException("not a glTF file that this reads: " + error.Message, error);
            }
        }

        Node ReadNode(Map json)
        {
            var node = new Node { Name = Get(json, "name") as string ?? "node", Mesh = Int(json, "mesh", -1) };
            Fill(json, "translation", node.Translation);
            Fill(json, "rotation", node.Rotation);
            Fill(json, "scale", node.Scale);
            node.Translation[0] *= -1;
            node.Rotation[1] *= -1;
            node.Rotation[2] *= -1;
            return node;
        }

        Mesh ReadMesh(Map json)
        {
            var primitive = (Map)Items(json, "primitives")[0];
            var attributes = (Map)primitive["attributes"];
            var mesh = new Mesh { Name = Get(json, "name") as string ?? "mesh" };
            mesh.Positions = Mirrored(Values(attributes, "POSITION"));
            mesh.Normals = Mirrored(Values(attributes, "NORMAL"));
            mesh.Colors = Values(attributes, "COLOR_0");
            float[] indices = Values(primitive, "indices");
            mesh.Triangles = new int[indices.Length];
            for (int k = 0; k < indices.Length; k += 3)
                for (int corner = 0; corner < 3; corner++)
                    mesh.Triangles[k + corner] = (int)indices[k + 2 - corner];
            object extras = Get(json, "extras");
            IList<object> names = extras == null ? new List<object>() : Items((Map)extras, "targetNames");
            IList<object> targets = Items(primitive, "targets");
            for (int k = 0; k < targets.Count; k++)
                mesh.Shapes.Add(new Shape
                {
                    Name = k < names.Count ? (string)names[k] : "shape " + k,
                    Positions = Mirrored(Values((Map)targets[k], "POSITION")),
                    Normals = Mirrored(Values((Map)targets[k], "NORMAL")),
                });
            if (primitive.ContainsKey("material"))
                ReadMaterial((Map)Items(root, "materials")[Int(primitive, "material", 0)], mesh);
            return mesh;
        }

        static void ReadMaterial(Map json, Mesh mesh)
        {
            var surface = Get(json, "pbrMetallicRoughness") as Map;
            if (surface != null && surface.ContainsKey("roughnessFactor"))
                mesh.Roughness = (float)(double)surface["roughnessFactor"];
            mesh.DoubleSided = Equals(Get(json, "doubleSided"), true);
            var extensions = Get(json, "extensions") as Map;
            mesh.Unlit = extensions != null && extensions.ContainsKey("KHR_materials_unlit");
        }

        /// <summary>The values of the accessor that `json` names by `key`, or null when it names none.</summary>
        float[] Values(Map json, string key)
        {
            if (!json.ContainsKey(key))
                return null;
            var accessor = (Map)Items(root, "accessors")[Int(json, key, 0)];
            string type = (string)accessor["type"];
            int width = type == "SCALAR" ? 1 : type[3] - '0';
            int component = Int(accessor, "componentType", 0);
            bool normalized = Equals(Get(accessor, "normalized"), true);
            var values = new float[width * Int(accessor, "count", 0)];
            if (accessor.ContainsKey("bufferView"))
                ReadInto(values, null, accessor, component, width, normalized, values.Length / width);
            var sparse = Get(accessor, "sparse") as Map;
            if (sparse == null)
                return values;
            int count = Int(sparse, "count", 0);
            var rows = new float[count];
            var places = (Map)sparse["indices"];
            ReadInto(rows, null, places, Int(places, "componentType", 0), 1, false, count);
            ReadInto(values, rows, (Map)sparse["values"], component, width, normalized, count);
            return values;
        }

        /// <summary>Read `count` rows of `width` values where `place` says, to the given rows or in order.</summary>
        void ReadInto(float[] values, float[] rows, Map place, int component, int width, bool normalized, int count)
        {
            var view = (Map)Items(root, "bufferViews")[Int(place, "bufferView", 0)];
            int size = component <= 5121 ? 1 : component <= 5123 ? 2 : 4;
            int stride = Int(view, "byteStride", size * width);
            int begin = binary + Int(view, "byteOffset", 0) + Int(place, "byteOffset", 0);
            for (int k = 0; k < count; k++)
                for (int column = 0; column < width; column++)
                    values[(rows == null ? k : (int)rows[k]) * width + column] =
                        Component(begin + k * stride + column * size, component, normalized);
        }

        float Component(int at, int component, bool normalized)
        {
            switch (component)
            {
                case 5120: return normalized ? Math.Max((sbyte)data[at] / 127f, -1) : (sbyte)data[at];
                case 5121: return normalized ? data[at] / 255f : data[at];
                case 5122:
                    short signed = BitConverter.ToInt16(data, at);
                    return normalized ? Math.Max(signed / 32767f, -1) : signed;
                case 5123:
                    ushort unsigned = BitConverter.ToUInt16(data, at);
                    return normalized ? unsigned / 65535f : unsigned;
                case 5125: return BitConverter.ToUInt32(data, at);
                case 5126: return BitConverter.ToSingle(data, at);
                default: throw new FormatException("component type " + component);
            }
        }

        static float[] Mirrored(float[] vectors)
        {
            for (int k = 0; vectors != null && k < vectors.Length; k += 3)
                vectors[k] *= -1;
            return vectors;
        }

        static void Fill(Map json, string key, float[] values)
        {
            IList<object> list = Items(json, key);
            for (int k = 0; k < list.Count && k < values.Length; k++)
                values[k] = (float)(double)list[k];
        }

        static object Get(Map json, string key)
        {
            object value;
            return json.TryGetValue(key, out value) ? value : null;
        }

        static IList<object> Items(Map json, string key)
        {
            return Get(json, key) as IList<object> ?? new List<object>();
        }

        static int Int(Map json, string key, int otherwise)
        {
            object value = Get(json, key);
            return value == null ? otherwise : (int)(double)value;
        }
    }
}
