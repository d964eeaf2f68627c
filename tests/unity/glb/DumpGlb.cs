using System;
using System.IO;
using TokTalk.Samples;

/// <summary>Prints what the sample reads of a glTF file: a line for each array, its name and base64.</summary>
static class DumpGlb
{
    static int Main(string[] arguments)
    {
        try
        {
            var file = new Glb(File.ReadAllBytes(arguments[0]));
            foreach (Glb.Mesh mesh in file.Meshes)
            {
                Print(mesh.Name + " POSITION", mesh.Positions, mesh.Positions.Length);
                Print(mesh.Name + " NORMAL", mesh.Normals, mesh.Normals.Length);
                Print(mesh.Name + " COLOR_0", mesh.Colors, mesh.Colors.Length);
                Print(mesh.Name + " indices", mesh.Triangles, mesh.Triangles.Length);
                foreach (Glb.Shape shape in mesh.Shapes)
                    Print(mesh.Name + " " + shape.Name, shape.Positions, shape.Positions.Length);
            }
            foreach (Glb.Node node in file.Nodes)
                Print(node.Name + " node " + node.Parent + " " + node.Mesh, node.Translation, 3);
            return 0;
        }
        catch (FormatException error)
        {
            Console.WriteLine("refused: " + error.Message);
            return 1;
        }
    }

    static void Print(string name, Array values, int count)
    {
        var bytes = new byte[4 * count];
        Buffer.BlockCopy(values, 0, bytes, 0, bytes.Length);
        Console.WriteLine(name + "\t" + Convert.ToBase64String(bytes));
    }
}
