from array import array
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy")
from std_msgs.msg import ByteMultiArray, Int16MultiArray, UInt8MultiArray  # noqa: E402
from toktalk_msgs.msg import AudioFrame, AudioTokens, BlendShapes  # noqa: E402

from toktalk_node.face.arkit import BLENDSHAPES  # noqa: E402
from toktalk_node.nodes import conversions  # noqa: E402
from toktalk_node.signals import AudioChunk  # noqa: E402
from toktalk_node.speech.source import clean  # noqa: E402

RAW = conversions.RawFormat(rate=16000, channels=1, encoding="S16LE")
PCM = (np.sin(np.arange(320) / 9) * 20000).astype("<i2")


def read(name: str, message: object, raw: conversions.RawFormat = RAW) -> np.ndarray:
    sound = conversions.converter(name)(message, raw)
    assert sound.rate == 16000
    return clean(sound.samples)[0]


def stamped(**fields: object) -> SimpleNamespace:
    return SimpleNamespace(header=SimpleNamespace(stamp=conversions.to_time(5_000_000_001)), **fields)


def test_every_way_to_send_the_same_pcm_gives_the_same_sound() -> None:
    expected = PCM / np.float32(32768)
    data = array("B", PCM.tobytes())
    assert np.allclose(read("audio_common_msgs/msg/AudioData", SimpleNamespace(data=data)), expected)
    assert np.allclose(read("std_msgs/msg/UInt8MultiArray", UInt8MultiArray(data=data)), expected)
    assert np.allclose(read("std_msgs/msg/Int16MultiArray", Int16MultiArray(data=array("h", PCM))), expected)
    octets = ByteMultiArray(data=[bytes([value]) for value in PCM.tobytes()])
    assert np.allclose(read("std_msgs/msg/ByteMultiArray", octets), expected)
    chunk = AudioChunk(expected.astype(np.float32), 16000)
    assert np.array_equal(read("toktalk_msgs/msg/AudioFrame", conversions.audio_message(chunk, 7)), expected)


@pytest.mark.parametrize(
    ("number", "name", "type_code", "scale"),
    [(1, "float32_data", "f", 1.0), (2, "int32_data", "i", 2**31), (8, "int16_data", "h", 2**15)],
)
def test_audio_stamped_of_mgonzs13_in_stereo(number: int, name: str, type_code: str, scale: float) -> None:
    left = np.linspace(-0.5, 0.5, 160)
    values = np.stack([left, left + 0.25], axis=1).ravel() * scale
    fields = {f: array("f") for f in ("float32_data", "int32_data", "int16_data", "int8_data", "uint8_data")}
    fields[name] = array(type_code, [float(v) if type_code == "f" else int(v) for v in values])
    info = SimpleNamespace(format=number, channels=2, rate=16000, chunk=160)
    message = stamped(audio=SimpleNamespace(audio_data=SimpleNamespace(**fields), info=info))
    assert np.allclose(read("audio_common_msgs/msg/AudioStamped", message), left + 0.125, atol=1e-4)
    sound = conversions.converter("audio_common_msgs/msg/AudioStamped")(message, RAW)
    assert sound.stamp_ns == 5_000_000_001


def test_what_cannot_be_sound_is_refused_with_a_reason() -> None:
    convert = conversions.converter("audio_common_msgs/msg/AudioDataStamped")
    with pytest.raises(ValueError, match="[Cc]ompressed"):
        convert(stamped(audio=SimpleNamespace(data=array("B", b"ID3"))), RAW)
    with pytest.raises(ValueError, match="at most 60 s"):
        conversions.converter("toktalk_msgs/msg/AudioFrame")(
            AudioFrame(rate=4000, samples=array("f", bytes(4 * 4000 * 61))), RAW
        )
    with pytest.raises(ValueError, match="known are"):
        conversions.converter("sensor_msgs/msg/Image")
    with pytest.raises(ValueError, match="install ros-"):
        conversions.message_type("no_such_msgs/msg/Audio")
    with pytest.raises(ValueError, match="codebooks"):
        conversions.token_chunk(AudioTokens(codebooks=8, ids=[1, 2, 3]))


def test_blendshape_constants_are_the_arkit_order() -> None:
    for index, name in enumerate(BLENDSHAPES):
        constant = "".join(f"_{letter}" if letter.isupper() else letter for letter in name).upper()
        assert getattr(BlendShapes, constant) == index


def test_head_turns_as_rep_103_says_and_comes_back_unchanged() -> None:
    weights, head = np.linspace(0, 1, 52, dtype=np.float32), np.array([0.1, 0.2, 0.3], np.float32)
    message = conversions.face_message(weights, head, 7, 50, 123_456_789_012, "head")
    assert (message.head_yaw, message.head_pitch, message.head_roll) == pytest.approx((0.1, -0.2, -0.3))
    assert conversions.from_time(message.header.stamp) == 123_456_789_012
    back_weights, back_head = conversions.face_arrays(message)
    assert np.array_equal(back_weights, weights) and np.array_equal(back_head, head)
