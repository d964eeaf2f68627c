"""Live Link Face over real UDP sockets, read by a decoder that is not ours."""

import socket
import struct
import time

import numpy as np
import pytest

from tests.bridge.udp_peer import FPS, Receiver, open_mouth, publish, ramp
from toktalk_node.bridge import udp as udp_module
from toktalk_node.bridge.address import Address
from toktalk_node.bridge.keys import add_client, create_bridge
from toktalk_node.bridge.livelink_udp import LiveLink, device_id, packet, time_of_day
from toktalk_node.bridge.server import Bridge
from toktalk_node.bridge.udp import UdpSender, _motion
from toktalk_node.face.arkit import BLENDSHAPES, INDEX
from toktalk_node.face.livelink import COLUMNS, columns
from toktalk_node.face.rest import REST

peer = pytest.importorskip("pylivelinkface", reason="needs PyLiveLinkFace: pip install .[dev]")


def decoded(raw: bytes) -> "peer.PyLiveLinkFace":
    known, face = peer.PyLiveLinkFace.decode(raw)
    assert known
    return face


def values(raw: bytes) -> np.ndarray:
    return np.array([decoded(raw).get_blendshape(shape) for shape in peer.FaceBlendShape], np.float32)


def is_rest(raw: bytes) -> bool:
    return np.allclose(values(raw)[: len(BLENDSHAPES)], REST[: len(BLENDSHAPES)], atol=1e-6)


@pytest.fixture
def bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        bridge.announce(fps=FPS)
        yield bridge


def sender(bridge: Bridge, receiver: Receiver, **options: object) -> UdpSender:
    """A sender that follows the bridge by now: its first packet, the resting face, has come."""
    subject = options.pop("subject", "{stream}")
    made = UdpSender(bridge.control_endpoint, Address.parse(receiver.address, 1), LiveLink(subject), **options)
    assert receiver.listen(5.0, until=lambda raw: True), "the resting face never came"
    return made


def test_a_packet_is_version_6_byte_for_byte():
    numbers = np.arange(len(COLUMNS), dtype=np.float32) / 64
    noon_utc = 1_700_000_000 // 86400 * 86400 + 43200
    offset = time.localtime(noon_utc).tm_gmtoff
    raw = packet("Ada", numbers, 50, (noon_utc - offset) * 1_000_000_000 + 25_000_000)
    expected = b"\x06" + b"\0\0\0\x24" + device_id("Ada").encode() + b"\0\0\0\x03Ada"
    expected += struct.pack(">i", 43200 * 50 + 1) + struct.pack(">f", 0.25) + b"\0\0\0\x32" + b"\0\0\0\x01" + b"\x3d"
    assert raw == expected + b"".join(struct.pack(">f", k / 64) for k in range(61))
    assert len(raw) == 1 + 4 + 36 + 4 + 3 + 16 + 1 + 61 * 4


def test_the_independent_decoder_has_the_same_order_and_values():
    assert [shape.name for shape in peer.FaceBlendShape] == list(COLUMNS)
    motion = np.concatenate([ramp(1).weights, ramp(1).head], axis=1)
    (raw,) = LiveLink().packets("Müller", motion[0], 60, time.time_ns())
    assert b"\0\0\0\x07M\xc3\xbcller" in raw
    (raw,) = LiveLink().packets("Ada", motion[0], 60, time.time_ns())
    face = decoded(raw)
    np.testing.assert_allclose(values(raw), columns(motion)[0])
    assert (face.name, face.fps, face._version) == ("Ada", 60, 6)
    assert face.uuid == "$" + device_id("Ada")  # it takes the length, 36, for a letter


def test_the_time_code_runs_through_midnight_and_never_rounds_up_to_the_next_frame():
    midnight = 1_700_000_000 // 86400 * 86400
    offset = time.localtime(midnight).tm_gmtoff
    start = (midnight - offset) * 1_000_000_000
    assert time_of_day(start, 50) == (0, 0.0)
    frame, subframe = time_of_day(start - 1, 50)
    assert frame == 86400 * 50 - 1 and 0.9999 < subframe < 1 and np.float32(subframe) < 1
    steps = [time_of_day(start + k * 1_000_000_000 // 60 + 5_000_000, 60)[0] for k in range(600)]
    assert np.diff(steps).tolist() == [1] * 599


def test_every_frame_leaves_at_its_time_with_a_true_time_code(bridge):
    with Receiver() as receiver, sender(bridge, receiver) as udp:
        chunk = ramp(50)
        clock = publish(bridge, chunk)
        arrived = [(at, raw) for at, raw in receiver.listen(1.6) if decoded(raw)._frames]
        motion = np.concatenate([chunk.weights, chunk.head], axis=1)
        wanted = {row.tobytes(): k for k, row in enumerate(columns(motion))}
        shown = [(at, wanted[values(raw).tobytes()], raw) for at, raw in arrived if values(raw).tobytes() in wanted]
        indices = [index for _, index, _ in shown]
        assert indices == sorted(indices) and len(indices) >= 25
        late = [at - clock.pts_ns(index, FPS) / 1e9 for at, index, _ in shown]
        assert min(late) > -0.003 and np.median(late) < 0.03
        for _, index, raw in shown:
            frame, subframe = time_of_day(clock.pts_ns(index, FPS), FPS)
            face = decoded(raw)
            assert face.fps == FPS and face._denominator == 1
            assert face._frames + face._sub_frame == pytest.approx(frame + subframe, abs=0.25)  # clock offset: 5 ms
        assert udp.stats.frames == len(shown) and udp.stats.send_errors == 0
        assert udp.stats.frames + udp.stats.late_frames == 50


def test_a_stream_that_stops_in_a_word_comes_to_rest_and_the_subject_stays_alive(bridge):
    with Receiver() as receiver, sender(bridge, receiver):
        publish(bridge, open_mouth(10))
        receiver.listen(3.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)
        settling = receiver.listen(3.0, until=is_rest)
        jaw = [values(raw)[INDEX["jawOpen"]] for _, raw in settling]
        assert np.diff(jaw).max() <= 0 and len({round(float(j), 3) for j in jaw}) > 5, "a jump, not a settling"
        assert settling[-1][0] - settling[0][0] < 1.5
        still = receiver.listen(1.2)
        assert all(is_rest(raw) for _, raw in still)
        assert np.diff([at for at, _ in still]).max() < 0.45, "Unreal would lose the subject"
        assert len(still) < 20
        publish(bridge, open_mouth(10, start=500))
        assert receiver.listen(2.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)


def test_the_rest_of_a_style_is_kept_but_no_open_mouth(bridge):
    """A stream that ends in its smile keeps it; one that says that it ended with an open mouth does not."""
    smiling = open_mouth(10)
    smiling.weights[:] = REST[:52]
    smiling.weights[:, INDEX["mouthSmileLeft"]] = 0.5
    with Receiver() as receiver, sender(bridge, receiver):
        for chunk, smile in ((smiling, 0.5), (open_mouth(10), 0.0)):
            bridge.publish_event("start", time.time_ns())
            clock = publish(bridge, chunk)
            bridge.publish_event("end", clock.pts_ns(10, FPS))
            last = values(receiver.listen(1.2)[-1][1])
            assert last[INDEX["mouthSmileLeft"]] == smile and last[INDEX["jawOpen"]] == REST[INDEX["jawOpen"]]


def test_a_sender_that_joins_late_shows_the_rest_of_the_style(bridge):
    smiling = open_mouth(1)
    smiling.weights[:] = REST[:52]
    smiling.weights[:, INDEX["mouthSmileLeft"]] = 0.5
    bridge.publish_event("start", time.time_ns())
    clock = publish(bridge, smiling)
    bridge.publish_event("end", clock.pts_ns(1, FPS))
    with Receiver() as receiver, sender(bridge, receiver):
        assert values(receiver.listen(0.3)[-1][1])[INDEX["mouthSmileLeft"]] == 0.5


def test_many_streams_are_many_subjects(bridge):
    with Receiver() as receiver, sender(bridge, receiver, subject="toktalk {stream}") as udp:
        for stream in ("ada", "bob"):
            publish(bridge, open_mouth(20), stream)
        names = {decoded(raw).name for _, raw in receiver.listen(0.8)}
        assert names == {"toktalk default", "toktalk ada", "toktalk bob"}
        assert udp.subjects == {"toktalk default": "default", "toktalk ada": "ada", "toktalk bob": "bob"}


def test_two_streams_never_fight_for_one_subject(bridge, caplog):
    with Receiver() as receiver, sender(bridge, receiver, subject="Ada") as udp:
        publish(bridge, open_mouth(20), "other")
        assert all(is_rest(raw) for _, raw in receiver.listen(0.7))
        assert udp.stats.unsent_frames >= 5 and udp.subjects == {"Ada": "default"}
    assert caplog.text.count("stream 'other' is not sent") == 1


def test_the_stream_that_is_asked_for_is_the_only_one(bridge):
    bridge.announce("ada")
    with Receiver() as receiver, sender(bridge, receiver, subject="Ada", stream="ada"):
        publish(bridge, open_mouth(20))
        publish(bridge, ramp(20), "ada")
        received = receiver.listen(0.8)
        assert {decoded(raw).name for _, raw in received} == {"Ada"}
        assert not any((values(raw)[:52] == 0.5).all() for _, raw in received)


@pytest.mark.parametrize("delay", [0.2, -0.1])
def test_a_delay_moves_packets_and_their_time_code(bridge, delay: float):
    with Receiver() as receiver, sender(bridge, receiver, delay=delay):
        clock = publish(bridge, open_mouth(10), lead=0.3)
        at, raw = receiver.listen(3.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)[-1]
        assert -0.003 < at - clock.epoch_ns / 1e9 - delay < 0.06
        frame, subframe = time_of_day(clock.epoch_ns + round(delay * 1e9), FPS)
        assert decoded(raw)._frames + decoded(raw)._sub_frame == pytest.approx(frame + subframe, abs=1.25)


def test_a_receiver_that_dies_and_comes_back_goes_on(bridge, caplog):
    receiver = Receiver()
    with sender(bridge, receiver) as udp:
        receiver.close()
        deadline = time.monotonic() + 5
        while not udp.stats.send_errors and time.monotonic() < deadline:
            time.sleep(0.05)
        assert udp.stats.send_errors
        publish(bridge, open_mouth(100))
        time.sleep(0.4)
        with Receiver(receiver.port) as again:
            assert again.listen(3.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)
    assert caplog.text.count("no program listens there; sending goes on") == 1


def test_a_bridge_that_dies_mid_word_and_comes_back_goes_on():
    first = Bridge(pub_port=0, control_port=0)
    first.announce(fps=FPS)
    ports = {"pub_port": first.pub_port, "control_port": first.control_port}
    with Receiver() as receiver, sender(first, receiver):
        publish(first, open_mouth(100))
        assert receiver.listen(3.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)
        first.close()
        assert is_rest(receiver.listen(6.0, until=is_rest)[-1][1])
        with Bridge(**ports) as second:
            jaw, deadline = 0.0, time.monotonic() + 15
            while jaw < 0.4 and time.monotonic() < deadline:
                publish(second, open_mouth(5))
                jaw = max(values(raw)[INDEX["jawOpen"]] for _, raw in receiver.listen(0.5))
            assert jaw == 0.5


def test_a_sender_may_be_started_before_its_bridge():
    with Bridge(pub_port=0, control_port=0) as bridge:
        ports = {"pub_port": bridge.pub_port, "control_port": bridge.control_port}
    with Receiver() as receiver:
        to = Address.parse(receiver.address, 1)
        with UdpSender(f"tcp://127.0.0.1:{ports['control_port']}", to, LiveLink()) as udp:
            time.sleep(0.1)
            with Bridge(**ports) as bridge:
                bridge.announce()
                assert receiver.listen(10.0, until=is_rest)
            assert udp.connected


def test_bad_addresses_name_the_option_and_what_is_wrong():
    assert Address.parse("127.0.0.1", 11111) == Address("127.0.0.1", 11111)
    assert Address.parse("localhost", 1).host == "127.0.0.1", "who listens on localhost listens on IPv4"
    assert Address.parse("[::1]:5", 1).port == 5 and str(Address.parse("[::1]:5", 1)) == "[::1]:5"
    for text, reason in (
        ("127.0.0.1:0", "the port is '0', use a number from 1 to 65535"),
        ("127.0.0.1:65536", "the port is '65536'"),
        ("127.0.0.1:http", "the port is 'http'"),
        ("127.0.0.1:", "missing after the colon"),
        (":11111", "use HOST or HOST:PORT"),
        ("", "use HOST or HOST:PORT"),
        ("no-such-host.invalid:11111", "no host 'no-such-host.invalid'"),
        ("a" * 300, "no host"),
    ):
        with pytest.raises(ValueError, match="livelink_to is") as error:
            Address.parse(text, 11111, "livelink_to")
        assert reason in str(error.value)
    for name in ("", "  ", "x" * 65, "a\nb"):
        with pytest.raises(ValueError, match="subject"):
            LiveLink(name)


def test_numbers_that_no_face_has_are_put_right(bridge):
    with Receiver() as receiver, sender(bridge, receiver):
        chunk = open_mouth(30)
        chunk.weights[:, INDEX["jawOpen"]] = np.nan
        chunk.weights[:, INDEX["mouthPucker"]] = 7.0
        chunk.weights[:, INDEX["tongueOut"]] = -3.0
        chunk.head[:] = (np.inf, 1e30, np.nan)
        publish(bridge, chunk)
        raw = receiver.listen(3.0, until=lambda raw: values(raw)[INDEX["mouthPucker"]] == 1.0)[-1][1]
        assert values(raw)[INDEX["tongueOut"]] == 0.0 and values(raw)[INDEX["jawOpen"]] == 0.0
        np.testing.assert_allclose(values(raw)[52:55], [0, np.pi, 0], rtol=1e-6)


def test_a_bridge_with_other_shapes_gives_those_that_are_known(caplog):
    names = ("mouthPucker", "wings", "jawOpen")
    weights, head = np.array([0.2, 0.9, 0.4], np.float32), np.zeros(3, np.float32)
    motion = _motion(names, weights, head)
    assert motion[INDEX["mouthPucker"]] == np.float32(0.2) and motion[INDEX["jawOpen"]] == np.float32(0.4)
    assert np.count_nonzero(motion) == 2
    _motion(names, weights, head)
    assert caplog.text.count("the bridge has no eyeBlinkLeft") == 1


def test_a_bridge_that_encrypts_is_followed_with_keys(tmp_path):
    create_bridge(tmp_path / "bridge.json")
    add_client(tmp_path / "bridge.json", "unreal", tmp_path / "unreal.json")
    with Bridge(pub_port=0, control_port=0, keys=tmp_path / "bridge.json") as bridge, Receiver() as receiver:
        bridge.announce(fps=FPS)
        with sender(bridge, receiver, keys=tmp_path / "unreal.json"):
            publish(bridge, open_mouth(10))
            assert receiver.listen(3.0, until=lambda raw: values(raw)[INDEX["jawOpen"]] == 0.5)
    with pytest.raises(ValueError, match="no keys in"):
        UdpSender("tcp://127.0.0.1:1", Address("127.0.0.1", 1), LiveLink(), keys=tmp_path / "none.json")


def test_a_network_that_cannot_be_reached_is_counted_and_survived(bridge, caplog):
    nowhere = Address("fe80::1", 11111, socket.AF_INET6)  # link-local without an interface
    with UdpSender(bridge.control_endpoint, nowhere, LiveLink()) as udp:
        deadline = time.monotonic() + 5
        while udp.stats.send_errors < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        publish(bridge, open_mouth(10))
        time.sleep(0.5)
        assert udp.stats.send_errors > 10 and udp.stats.frames >= 5 and udp.stats.packets == 0
    assert caplog.text.count("sending goes on") == 1


def test_the_subject_of_a_stream_that_is_gone_is_let_go(bridge, monkeypatch):
    monkeypatch.setattr(udp_module, "FORGET", 0.3)
    bridge.announce("ada")
    with Receiver() as receiver, sender(bridge, receiver) as udp:
        assert set(udp.subjects) == {"default", "ada"}
        bridge.remove("ada")
        deadline = time.monotonic() + 5
        while "ada" in udp.subjects and time.monotonic() < deadline:
            time.sleep(0.05)
        assert set(udp.subjects) == {"default"}
