"""The C# client against the live bridge."""

import threading
import time

import numpy as np
import pytest

from tests.unity.mono import Peer, floats
from toktalk_node.bridge import keys
from toktalk_node.bridge.server import Bridge
from toktalk_node.face.arkit import BLENDSHAPES
from toktalk_node.signals import AudioChunk, Clock, FaceChunk

pytestmark = pytest.mark.peer


@pytest.fixture
def bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        yield bridge


@pytest.fixture
def peer(program, bridge):
    with Peer(program, "listen", bridge.control_endpoint) as peer:
        joined(bridge, peer)
        yield peer


def joined(bridge: Bridge, peer: Peer, stream: str = "default") -> dict:
    """The hello that the client got; then markers until one arrives, and all of them read."""
    hello = peer.expect("hello")["hello"]
    for _ in range(200):
        bridge.publish_event("marker", time.time_ns(), stream)
        if any("kind" in line for line in peer.lines(0.05)):
            for _ in peer.lines(0.2):
                pass
            return hello
    raise AssertionError(f"the subscription never arrived; {peer.stats()}")


def published(peer: Peer, count: int) -> list[dict]:
    return [peer.expect("kind") for _ in range(count)]


def face(n: int, start: int = 0) -> FaceChunk:
    rng = np.random.default_rng(start)
    return FaceChunk(rng.random((n, 52), np.float32), rng.normal(size=(n, 3)).astype(np.float32), 50, start)


def test_hello_and_clock(program, bridge):
    bridge.styles = ("calm", "stern")
    bridge.announce("robot", fps=50, audio_rate=24000)
    bridge.publish_face(face(3), Clock(1_000))
    with Peer(program, "listen", bridge.control_endpoint) as peer:
        hello = peer.expect("hello")["hello"]
        assert hello["names"] == list(BLENDSHAPES)
        assert hello["bridge"] == bridge.id and hello["styles"] == ["calm", "stern"]
        assert hello["streams"][0] | {"face": None} == {
            "name": "robot", "fps": 50, "audio_rate": 24000, "epoch_ns": None, "speaking": None, "style": None,
            "face": None}  # fmt: skip
        newest = hello["streams"][1]["face"]
        np.testing.assert_array_equal(floats(newest["weights"]), face(3).weights[2])
        stats = peer.stats()
        assert stats["state"] == "Connected" and stats["errors"] == 0
        truth = stats["unix_ns"] - stats["local_ns"]
        assert abs(stats["offset_ns"] - truth) < stats["delay_ns"] / 2 + 1_000_000


def test_every_message_arrives_as_it_was_sent(bridge, peer):
    clock = Clock(time.time_ns())
    sound = AudioChunk(np.random.default_rng(1).uniform(-1, 1, 250_000).astype(np.float32), 48_000, 7)
    bridge.publish_face(face(1500, 3), clock)
    bridge.publish_audio(sound, clock)
    bridge.publish_event("start", clock.epoch_ns, text='Grüß "Gott" \U0001f642', level=0.5, count=-(2**40), last=None)
    lines = published(peer, 5)
    assert [(line["kind"], line["stream"]) for line in lines] == [
        ("face", "default"), ("face", "default"), ("audio", "default"), ("audio", "default"), ("event", "default"),
    ]  # fmt: skip
    one, two, *sounds, event = (line["message"] for line in lines)
    assert (one["start"], one["count"], two["start"], two["count"]) == (3, 1024, 1027, 476)
    assert (one["pts_ns"], two["pts_ns"]) == (clock.pts_ns(3, 50), clock.pts_ns(1027, 50))
    sent = face(1500, 3)
    weights = np.concatenate([floats(one["weights"]), floats(two["weights"])]).reshape(-1, 52)
    np.testing.assert_array_equal(weights, sent.weights)
    head = np.concatenate([floats(one["head"]), floats(two["head"])]).reshape(-1, 3)
    np.testing.assert_array_equal(head, sent.head)
    np.testing.assert_array_equal(np.concatenate([floats(m["samples"]) for m in sounds]), sound.samples)
    assert event["data"] == {"text": 'Grüß "Gott" \U0001f642', "level": 0.5, "count": -(2**40), "last": None}
    stats = peer.stats()
    assert (stats["lost"], stats["errors"]) == (0, 0)


def test_only_the_stream_that_is_followed_arrives(program, bridge):
    with Peer(program, "listen", bridge.control_endpoint, "robot") as peer:
        joined(bridge, peer, "robot")
        for stream in ("robot2", "default", "robot"):
            bridge.publish_event("end", 0, stream)
        assert peer.expect("kind")["stream"] == "robot"
        assert not any("kind" in line for line in peer.lines(0.2))
        assert peer.stats()["lost"] == 0


def test_interrupt_and_style_reach_the_bridge_and_refusals_come_back(bridge, peer):
    heard = []
    bridge.on_interrupt = lambda stream, played_ns: (heard.append((stream, played_ns)), (100, 31))[1]

    def style(stream: str, name: str) -> None:
        if name != "calm":
            raise ValueError(f"no style {name!r}, there is: calm")
        heard.append(name)

    bridge.on_style = style
    reply = peer.ask("interrupt default 2000000000", "reply")["reply"]
    assert (reply["played_frames"], reply["dropped_frames"]) == (100, 31)
    assert peer.ask("style default calm", "reply")["error"] is None
    assert heard == [("default", 2_000_000_000), "calm"]
    assert "no style 'loud'" in peer.ask("style default loud", "reply")["error"]
    assert "no stream 'nobody'" in peer.ask("interrupt nobody -1", "reply")["error"]
    assert peer.ask("ping", "reply")["error"] is None


def test_styles_that_come_later_are_known(bridge, peer):
    assert peer.stats()["styles"] is None
    bridge.styles = ("calm", "stern")
    bridge.publish_event("styles", time.time_ns())
    deadline = time.monotonic() + 5
    while (stats := peer.stats())["styles"] != ["calm", "stern"]:
        assert time.monotonic() < deadline, stats
        time.sleep(0.02)
    assert (stats["errors"], stats["reconnects"]) == (0, 0)


def test_answers_in_another_order_reach_who_asked_for_them(bridge, peer):
    """A bridge answers what it can tell while its owner is still busy with an interruption."""
    busy, free = threading.Event(), threading.Event()

    def stop(stream: str, played_ns: int) -> tuple[int, int]:
        busy.set()
        free.wait(10)
        return 100, 31

    bridge.on_interrupt = stop
    peer.send("beside interrupt default 0")
    try:
        assert busy.wait(5)
        quick = [peer.ask("ping", "reply")["reply"] for _ in range(3)]
    finally:
        free.set()
    late = peer.expect("reply")["reply"]
    assert [set(reply) for reply in quick] == [{"v", "id"}] * 3
    assert (late["played_frames"], late["dropped_frames"]) == (100, 31)
    assert late["id"] < min(reply["id"] for reply in quick)
    stats = peer.stats()
    assert (stats["errors"], stats["state"]) == (0, "Connected")


def test_a_bridge_that_comes_back_is_found_again(program):
    with Bridge(pub_port=0, control_port=0) as first:
        ports = {"pub_port": first.pub_port, "control_port": first.control_port}
        peer = Peer(program, "listen", first.control_endpoint)
        joined(first, peer)
    with peer:
        assert "no connection" in peer.ask("ping", "reply")["error"]
        assert peer.stats()["state"] == "Searching"
        with Bridge(**ports) as second:
            assert joined(second, peer)["bridge"] == second.id
            second.publish_face(face(4), Clock(time.time_ns()))
            assert peer.expect("kind")["message"]["count"] == 4
            stats = peer.stats()
            assert (stats["state"], stats["reconnects"], stats["lost"]) == ("Connected", 1, 0)


def test_another_run_of_the_bridge_behind_the_same_socket_is_noticed(bridge, peer):
    """As behind a relay: the connection stays, the clock's answers name another run."""
    bridge.id = "another run"
    assert peer.expect("hello")["hello"]["bridge"] == "another run"


def test_a_stream_that_begins_again_has_lost_nothing(bridge, peer):
    for k in range(3):
        bridge.publish_event("end", k)
    bridge.remove("default")
    bridge.publish_event("end", 7)
    for line in peer.lines():
        if line["message"]["pts_ns"] == 7:
            break
    assert line["message"]["seq"] <= 1
    bridge.publish_event("end", 8)
    assert peer.expect("kind")["message"]["pts_ns"] == 8
    assert peer.stats()["lost"] == 0


def test_a_slow_reader_loses_messages_counts_them_and_goes_on(program):
    with Bridge(pub_port=0, control_port=0, queue=8) as bridge:
        with (
            Peer(program, "listen", bridge.control_endpoint) as peer,
            Peer(program, "listen", bridge.control_endpoint) as quick,
        ):
            joined(bridge, peer)
            peer.send("slow 300")
            for _ in quick.lines(0.3):
                pass
            for k in range(60):
                bridge.publish_face(face(1024, 1024 * k), Clock(time.time_ns()))
                assert quick.expect("kind")["message"]["start"] == 1024 * k
            peer.send("slow 0")
            for _ in peer.lines(1.0):
                pass
            bridge.publish_face(face(1), Clock(time.time_ns()))
            assert peer.expect("kind")["message"]["count"] == 1
            stats = peer.stats()
            assert stats["lost"] > 0 and stats["errors"] == 0
            faces = sum(line.get("kind") == "face" for line in peer.seen)
            assert faces + stats["lost"] == 61
            assert quick.stats()["lost"] == 0


def test_a_listener_that_fails_is_counted_and_the_client_goes_on(bridge, peer):
    bridge.publish_event("throw", 0)
    bridge.publish_event("end", 0)
    assert peer.expect("kind")["message"]["kind"] == "end"
    stats = peer.stats()
    assert stats["errors"] == 1 and "the listener failed" in stats["problem"]


def problem(peer: Peer, text: str) -> None:
    """Wait until the client says `text` of its connection."""
    for _ in range(100):
        stats = peer.stats()
        if text in stats["problem"]:
            assert stats["state"] == "Searching"
            return
        time.sleep(0.05)
    raise AssertionError(f"no {text!r} in {stats}")


def test_what_is_wrong_with_an_endpoint_is_said(program, bridge, tmp_path):
    keys.create_bridge(tmp_path / "bridge.json")
    with Bridge(pub_port=0, control_port=0, keys=tmp_path / "bridge.json") as locked:
        for endpoint, text in (
            ("tcp://127.0.0.1:1", "nobody answers"),
            (f"tcp://127.0.0.1:{bridge.pub_port}", "is it the bridge's control port?"),
            (locked.control_endpoint, "a bridge with keys"),
        ):
            with Peer(program, "listen", endpoint) as peer:
                problem(peer, text)
