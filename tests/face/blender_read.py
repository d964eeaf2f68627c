"""Runs inside Blender: imports a glTF and prints what its scene holds at given seconds, as one line of JSON.

blender --background --factory-startup --python blender_read.py -- FILE FPS SECONDS [SECONDS ...]
"""

import importlib
import json
import sys

import numpy

numpy.bool = bool  # Blender 3.4 uses the name that NumPy 1.24 took away
bpy = importlib.import_module("bpy")

path, fps, *seconds = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
scene.render.fps = int(fps)
bpy.ops.import_scene.gltf(filepath=path)

objects = [o for o in bpy.data.objects if o.type == "MESH" and o.data.shape_keys]
turning = [o for o in bpy.data.objects if o.animation_data and (o.animation_data.action or o.animation_data.nla_tracks)]
at = []
for second in map(float, seconds):
    frame = second * scene.render.fps
    scene.frame_set(int(frame), subframe=frame - int(frame))
    at.append(
        {
            "keys": {o.name: {k.name: k.value for k in o.data.shape_keys.key_blocks[1:]} for o in objects},
            "turns": {o.name: list(o.matrix_world.to_quaternion()) for o in turning},
        }
    )
print("READ " + json.dumps({"at": at, "actions": {a.name: list(a.frame_range) for a in bpy.data.actions}}))
