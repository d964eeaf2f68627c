// Stand-ins for Unity's engine, see Objects.cs: numbers, vectors, rotations.
using System;

namespace UnityEngine
{
    public struct Mathf
    {
        public const float Deg2Rad = 0.0174532924f, Rad2Deg = 57.29578f;
        public static float Clamp(float value, float min, float max) { return Math.Min(Math.Max(value, min), max); }
        public static int Clamp(int value, int min, int max) { return Math.Min(Math.Max(value, min), max); }
        public static float Max(float a, float b) { return Math.Max(a, b); }
        public static float Lerp(float a, float b, float t) { return a + (b - a) * Clamp(t, 0, 1); }

        public static float MoveTowards(float current, float target, float maxDelta)
        {
            return current + Clamp(target - current, -maxDelta, maxDelta);
        }
    }

    public struct Vector2
    {
        public float x, y;
        public Vector2(float x, float y) { this.x = x; this.y = y; }
        public static implicit operator Vector2(Vector3 v) { return new Vector2(v.x, v.y); }
    }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 one { get { return new Vector3(1, 1, 1); } }
        public static Vector3 operator *(Vector3 a, float d) { return new Vector3(a.x * d, a.y * d, a.z * d); }
    }

    public struct Quaternion
    {
        public float x, y, z, w;
        public Quaternion(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }

        public float this[int index]
        {
            get { return index == 0 ? x : index == 1 ? y : index == 2 ? z : w; }
        }

        public static Quaternion identity { get { return new Quaternion(0, 0, 0, 1); } }

        public static Quaternion AngleAxis(float angle, Vector3 axis)
        {
            double length = Math.Sqrt(axis.x * axis.x + axis.y * axis.y + axis.z * axis.z);
            float half = angle * Mathf.Deg2Rad / 2, sine = (float)(Math.Sin(half) / length);
            return new Quaternion(axis.x * sine, axis.y * sine, axis.z * sine, (float)Math.Cos(half));
        }

        /// <summary>First about z, then about x, then about y, of the parent's axes.</summary>
        public static Quaternion Euler(float x, float y, float z)
        {
            return AngleAxis(y, new Vector3(0, 1, 0)) * AngleAxis(x, new Vector3(1, 0, 0))
                * AngleAxis(z, new Vector3(0, 0, 1));
        }

        public static Quaternion Inverse(Quaternion q) { return new Quaternion(-q.x, -q.y, -q.z, q.w); }
        public static float Dot(Quaternion a, Quaternion b) { return a.x * b.x + a.y * b.y + a.z * b.z + a.w * b.w; }

        public static float Angle(Quaternion a, Quaternion b)
        {
            float dot = Math.Min(Math.Abs(Dot(a, b)), 1);
            return dot > 1 - 0.000001f ? 0 : (float)(2 * Math.Acos(dot)) * Mathf.Rad2Deg;
        }

        public static Quaternion operator *(Quaternion a, Quaternion b)
        {
            return new Quaternion(
                a.w * b.x + a.x * b.w + a.y * b.z - a.z * b.y, a.w * b.y + a.y * b.w + a.z * b.x - a.x * b.z,
                a.w * b.z + a.z * b.w + a.x * b.y - a.y * b.x, a.w * b.w - a.x * b.x - a.y * b.y - a.z * b.z);
        }

        public static Vector3 operator *(Quaternion q, Vector3 v)
        {
            Quaternion turned = q * new Quaternion(v.x, v.y, v.z, 0) * Inverse(q);
            return new Vector3(turned.x, turned.y, turned.z);
        }

        /// <summary>Nearly: Unity takes rotations as equal that are less than 0.2 degrees apart.</summary>
        public static bool operator ==(Quaternion a, Quaternion b) { return Dot(a, b) > 1 - 0.000001f; }
        public static bool operator !=(Quaternion a, Quaternion b) { return !(a == b); }
        public bool Equals(Quaternion other) { return x == other.x && y == other.y && z == other.z && w == other.w; }
        public override bool Equals(object other) { return other is Quaternion && Equals((Quaternion)other); }
        public override int GetHashCode() { return x.GetHashCode() ^ y.GetHashCode() ^ z.GetHashCode(); }
    }

    public struct Color
    {
        public float r, g, b, a;
        public Color(float r, float g, float b, float a) { this.r = r; this.g = g; this.b = b; this.a = a; }
    }

    public struct Rect
    {
        public float x, y, width, height;

        public Rect(float x, float y, float width, float height)
        {
            this.x = x;
            this.y = y;
            this.width = width;
            this.height = height;
        }

        public bool Contains(Vector2 point)
        {
            return point.x >= x && point.x < x + width && point.y >= y && point.y < y + height;
        }
    }

    public struct Bounds { }
}
