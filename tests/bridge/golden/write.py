"""Writes the golden bodies from golden.json: ``python tests/bridge/golden/write.py``."""

import json
from pathlib import Path

import msgspec
import numpy as np

here = Path(__file__).parent
for case in json.loads((here / "golden.json").read_text()):
    fields = {
        name: np.asarray(value["float32"], "<f4").tobytes() if isinstance(value, dict) and "float32" in value else value
        for name, value in case["fields"].items()
    }
    (here / case["file"]).write_bytes(msgspec.msgpack.encode(fields))
