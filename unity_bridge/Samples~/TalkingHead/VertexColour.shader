// Vertex colours under a light from the upper left and a fill light, in the built-in pipeline and in URP.
Shader "TokTalk/Vertex Colour"
{
    Properties
    {
        _Lit ("Lit", Float) = 1
        _Gloss ("Gloss", Range(0, 1)) = 0.3
        [Enum(UnityEngine.Rendering.CullMode)] _Cull ("Cull", Float) = 2
    }
    SubShader
    {
        Tags { "RenderType" = "Opaque" }
        Cull [_Cull]
        Pass
        {
            CGPROGRAM
            #pragma vertex vert
            #pragma fragment frag
            #include "UnityCG.cginc"

            float _Lit;
            float _Gloss;

            struct appdata
            {
                float4 vertex : POSITION;
                float3 normal : NORMAL;
                float4 color : COLOR;
            };

            struct v2f
            {
                float4 position : SV_POSITION;
                float3 normal : TEXCOORD0;
                float3 view : TEXCOORD1;
                float4 color : COLOR;
            };

            v2f vert(appdata v)
            {
                v2f o;
                o.position = UnityObjectToClipPos(v.vertex);
                o.normal = UnityObjectToWorldNormal(v.normal);
                o.view = _WorldSpaceCameraPos - mul(unity_ObjectToWorld, v.vertex).xyz;
                o.color = v.color;
                return o;
            }

            float4 frag(v2f i) : SV_Target
            {
                float3 view = normalize(i.view);
                float3 normal = normalize(i.normal);
                normal *= dot(normal, view) < 0 ? -1 : 1;
                float3 key = normalize(float3(-0.5, 0.6, 0.8));
                float3 fill = normalize(float3(0.8, 0.1, 0.5));
                float diffuse = 0.85 * saturate(dot(normal, key) * 0.8 + 0.2) + 0.3 * saturate(dot(normal, fill)) + 0.15;
                float shine = _Gloss * pow(saturate(dot(normal, normalize(key + view))), 8 + 120 * _Gloss);
                float3 colour = lerp(i.color.rgb, i.color.rgb * diffuse + 0.5 * shine, _Lit);
                #ifdef UNITY_COLORSPACE_GAMMA
                colour = LinearToGammaSpace(colour);
                #endif
                return float4(colour, 1);
            }
            ENDCG
        }
    }
}
