"""Speed of the CPU renderer on one core: ``python tests/face/measure_renderer.py [SIDE]``; prints one JSON line."""

import json
import sys
import time

import numpy as np

from toktalk_node.face.renderer import HeadRenderer

if __name__ == "__main__":
    side = int((sys.argv[1:] or [512])[0])
    renderer = HeadRenderer(side, side)
    rng = np.random.default_rng(0)
    frames = (0.3 * rng.random((40, 52))).astype(np.float32)
    renderer.render(frames[0], np.zeros(3))
    wall, cpu = time.perf_counter(), time.process_time()
    for weights in frames:
        renderer.render(weights, np.array([0.1, 0.05, 0.02]))
    wall, cpu = (time.perf_counter() - wall) / len(frames), (time.process_time() - cpu) / len(frames)
    print(json.dumps({"side": side, "cpu_ms": round(1000 * cpu, 1), "fps": round(1 / cpu, 1),
                      "fps_wall": round(1 / wall, 1)}))  # fmt: skip
