"""Latency of the wire between two processes: ``python tests/bridge/measure_latency.py [MESSAGES] [HZ]``.

Prints one JSON line: milliseconds from publish_face() to the decoded message in the client's hands.
"""

import json
import multiprocessing
import sys
import time

import numpy as np

from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import Face
from toktalk_node.bridge.server import Bridge
from toktalk_node.signals import Clock, FaceChunk


def publish(messages: int, hz: float, port: "multiprocessing.Queue[int]") -> None:
    with Bridge(pub_port=0, control_port=0) as bridge:
        port.put(bridge.control_port)
        time.sleep(1.0)
        chunk = FaceChunk(np.random.default_rng(0).random((6, 52), np.float32), np.zeros((6, 3), np.float32), 50)
        for _ in range(messages):
            bridge.publish_face(chunk, Clock(time.time_ns()))
            time.sleep(1 / hz)
        time.sleep(0.5)


if __name__ == "__main__":
    messages, hz = int((sys.argv[1:] or [1000])[0]), float((sys.argv[2:] or [100])[0])
    context = multiprocessing.get_context("spawn")
    port = context.Queue()
    process = context.Process(target=publish, args=(messages, hz, port))
    process.start()
    with Client(f"tcp://127.0.0.1:{port.get()}") as client:
        lags = [(time.time_ns() - m.pts_ns) / 1e6 for _, m in client.messages(timeout=2.0) if isinstance(m, Face)]
    process.join()
    p50, p99 = np.percentile(lags, [50, 99])
    print(json.dumps({"messages": len(lags), "lost": messages - len(lags), "p50_ms": round(p50, 3),
                      "p99_ms": round(p99, 3)}))  # fmt: skip
