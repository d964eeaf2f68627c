"""Runs inside Blender: renders an animated glTF at given seconds with Cycles on the CPU.

blender --background --factory-startup --python blender_picture.py -- FILE SIZE SECONDS=PICTURE.png [...]
"""

import importlib
import math
import sys

import numpy

numpy.bool = bool  # Blender 3.4 uses the name that NumPy 1.24 took away
bpy = importlib.import_module("bpy")

path, size, *wanted = sys.argv[sys.argv.index("--") + 1 :]
bpy.ops.wm.read_factory_settings(use_empty=True)
scene = bpy.context.scene
bpy.ops.import_scene.gltf(filepath=path)

scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 24, False
scene.render.threads_mode, scene.render.threads = "FIXED", 1
scene.render.resolution_x = scene.render.resolution_y = int(size)
scene.view_settings.view_transform = "Standard"
scene.world = bpy.data.worlds.new("sky")
scene.world.use_nodes = True
scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (0.80, 0.86, 0.94, 1)
scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.55


def placed(name: str, data: "bpy.types.ID", place: tuple, turn: tuple) -> "bpy.types.Object":
    thing = bpy.data.objects.new(name, data)
    thing.location, thing.rotation_euler = place, turn
    scene.collection.objects.link(thing)
    return thing


# glTF's +Z, where the face looks, is Blender's -Y
camera = bpy.data.cameras.new("camera")
camera.angle = math.radians(23)
scene.camera = placed("camera", camera, (0, -0.86, -0.014), (math.pi / 2, 0, 0))
sun = bpy.data.lights.new("sun", "SUN")
sun.energy, sun.angle = 2.2, 0.2
placed("sun", sun, (0, 0, 0), (math.radians(55), 0, math.radians(30)))

for entry in wanted:
    second, picture = entry.split("=", 1)
    frame = float(second) * scene.render.fps
    scene.frame_set(int(frame), subframe=frame - int(frame))
    scene.render.filepath = picture
    bpy.ops.render.render(write_still=True)
