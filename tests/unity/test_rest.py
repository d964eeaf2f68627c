"""The face at rest: C# blinks and looks around exactly as the web page does."""

import json
import shutil
import subprocess

import numpy as np
import pytest

from tests.unity.mono import ROOT, Peer, floats
from toktalk_node.face.arkit import BLENDSHAPES

pytestmark = pytest.mark.peer

PICTURES, MS = 30_000, 20
SCRIPT = """
import {{ Idle }} from "{module}";
globalThis.performance = {{ now: () => 0 }};
const idle = new Idle();
const names = {names};
const index = new Map(names.map((name, k) => [name, k]));
const all = new Float32Array({pictures} * names.length);
for (let k = 0; k < {pictures}; k++) {{
  const weights = all.subarray(k * names.length, (k + 1) * names.length);
  if (k % 3000 >= 2500) idle.rouse(k * {ms});
  else idle.apply(k * {ms}, weights, index, true);
}}
process.stdout.write(Buffer.from(all.buffer));
"""


def test_idle_eyes_are_those_of_the_web_page(program):
    node = shutil.which("node")
    if node is None:
        pytest.skip("not installed: node")
    module = (ROOT / "toktalk_node" / "bridge" / "viewer" / "src" / "idle.js").as_uri()
    script = SCRIPT.format(module=module, names=json.dumps(list(BLENDSHAPES)), pictures=PICTURES, ms=MS)
    command = [node, "--input-type=module", "--eval", script]
    page = subprocess.run(command, capture_output=True, check=True, timeout=60).stdout
    with Peer(program, "idle", str(PICTURES), str(MS)) as peer:
        found = floats(peer.expect("weights", 30.0)["weights"])
    expected = np.frombuffer(page, "<f4")
    np.testing.assert_allclose(found, expected, atol=1e-5)
    lids = expected.reshape(PICTURES, -1)[:, BLENDSHAPES.index("eyeBlinkLeft")] > 0.5
    assert np.count_nonzero(lids[1:] & ~lids[:-1]) > 100, "and there is something to compare"
