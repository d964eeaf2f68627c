"""`toktalk replay` with the shipped model, and the interruption of what it says."""

import threading
import time

import numpy as np
import pytest
from typer.testing import CliRunner

from toktalk_node.bridge.client import Client
from toktalk_node.bridge.protocol import Event, Face
from toktalk_node.bridge.replay import replay
from toktalk_node.bridge.server import Bridge
from toktalk_node.cli import build_app
from toktalk_node.commands.replay import _spoken
from toktalk_node.corpus.styles import NAMED
from toktalk_node.face import livelink
from toktalk_node.face.arkit import INDEX
from toktalk_node.signals import AudioChunk, FaceChunk
from toktalk_node.training.named import clip


def test_an_interrupted_face_comes_to_rest_from_the_frame_that_was_shown():
    face = FaceChunk(np.full((250, 52), 0.5, np.float32), np.zeros((250, 3), np.float32), 50)
    sound, stop = AudioChunk(np.zeros(80_000, np.float32), 16000), threading.Event()
    with Bridge(pub_port=0, control_port=0) as bridge, Client(bridge.control_endpoint) as client:
        bridge.announce()
        while client.receive(0.02) is None:
            bridge.publish_event("marker", 0)
        threading.Timer(0.6, stop.set).start()
        begin = time.monotonic()
        replay(bridge, face, sound, stop=stop)
        assert time.monotonic() - begin < 3
        messages = [message for _, message in client.messages(timeout=0.3)]
        void = next(m for m in messages if isinstance(m, Event) and m.kind == "interrupted")
        rest = messages[messages.index(void) + 1]
    assert isinstance(rest, Face) and rest.pts_ns == void.pts_ns
    values = rest.arrays()[0][:, 0]
    assert values[0] < 0.5 and values[-1] == 0 and (np.diff(values) < 0).all()
    assert messages[-1].kind == "end"


def test_a_text_is_said_through_a_bridge_of_its_own():
    pytest.importorskip("espeakng_loader", reason="espeak-ng speaks the text")
    arguments = ["replay", "--text", "Map.", "--once", "--pause", "0", "--port", "0"]
    result = CliRunner().invoke(build_app("replay"), arguments)
    assert result.exit_code == 0 and "receivers connect to tcp://127.0.0.1:" in result.output
    nothing = CliRunner().invoke(build_app("replay"), ["replay", "--text", " ", "--port", "0"])
    assert nothing.exit_code == 1 and "nothing to say" in nothing.output


def test_it_speaks_in_a_style_that_is_a_blend_or_a_clip(tmp_path):
    pytest.importorskip("espeakng_loader", reason="espeak-ng speaks the text")
    livelink.write(tmp_path / "me.csv", clip(NAMED["happiness"], seed=99, fps=60), 60)
    smiles = []
    for style in ("", "happiness=0.8", str(tmp_path / "me.csv")):
        face, _ = _spoken(None, "Map.", style)
        smiles.append(face.weights[:, INDEX["mouthSmileLeft"]].mean())
    assert min(smiles[1:]) > smiles[0] + 0.05, smiles
    arguments = ["replay", "--text", "Map.", "--once", "--port", "0", "--style"]
    for style, reason in ((tmp_path / "none.csv", "none.csv cannot be read"), ("grumpy", "there are anger")):
        wrong = CliRunner().invoke(build_app("replay"), [*arguments, str(style)])
        assert wrong.exit_code == 1 and reason in wrong.output, wrong.output
