"""Other people's sound, as they send it: their message definitions built for real, and a face that hears them.

    python -m tests.nodes.audio_common audio_common_msgs/msg/AudioData      # in the environment of `built`

Two projects call their messages audio_common_msgs, so each is built into a prefix of its own.
"""

import json
import sys
import time
from array import array
from pathlib import Path

from tests.nodes import other_messages

MESSAGES = {
    "ros-drivers": {
        "AudioData": "uint8[] data",
        "AudioDataStamped": "std_msgs/Header header\naudio_common_msgs/AudioData audio",
    },
    "mgonzs13": {
        "AudioData": "float32[] float32_data\nint32[] int32_data\nint16[] int16_data\n"
        "int8[] int8_data\nuint8[] uint8_data",
        "AudioInfo": "int32 format\nint32 channels\nint32 rate\nint32 chunk",
        "Audio": "audio_common_msgs/AudioData audio_data\naudio_common_msgs/AudioInfo info",
        "AudioStamped": "std_msgs/Header header\naudio_common_msgs/Audio audio",
    },
}
"""Owner on GitHub -> message -> fields, as the repositories called audio_common define them."""
RATE, BLOCK = 16_000, 1_600


def built(project: str, folder: Path) -> dict[str, str]:
    """Build the messages of `project` in `folder` with colcon; the environment in which Python finds them."""
    return other_messages.built("audio_common_msgs", MESSAGES[project], folder)


def message(name: str, samples: "object"):
    """`samples` int16 [n] as a message of type `name`, filled as its senders fill it."""
    from toktalk_node.nodes.conversions import message_type

    made = message_type(name)()
    if name.endswith("AudioData"):
        made.data = array("B", samples.tobytes())
    elif name.endswith("AudioDataStamped"):
        made.audio.data = array("B", samples.tobytes())
    else:
        made.audio.audio_data.int16_data = array("h", samples.tobytes())
        made.audio.info.format, made.audio.info.channels, made.audio.info.rate = 8, 1, RATE
        made.audio.info.chunk = len(samples)
    return made


def main() -> None:
    """Speak a second in messages of the type named, and print what the face did as one line of JSON."""
    import numpy as np
    from toktalk_msgs.msg import BlendShapes, FaceEvent

    from tests.nodes.graph import Graph
    from toktalk_node.nodes.parameters import STREAM_QOS
    from toktalk_node.nodes.toktalk import ToktalkNode
    from toktalk_node.speech import espeak
    from toktalk_node.speech.resample import resample

    name = sys.argv[1]
    spoken, rate, _ = espeak.synthesize("Papa had a large car.", "en-us")
    pcm = (resample(spoken, rate, RATE)[:RATE] * 32767).astype("<i2")
    graph = Graph()
    try:
        graph.up(ToktalkNode, audio_type=name, audio_rate=RATE, audio_encoding="S16LE", steps=1, guidance=0.0)
        listener = graph.listener
        publisher = listener.create_publisher(type(message(name, pcm[:1])), "audio", STREAM_QOS)
        graph.wait(publisher.get_subscription_count)
        for start in range(0, len(pcm), BLOCK):
            made = message(name, pcm[start : start + BLOCK])
            if hasattr(made, "header"):
                made.header.stamp = listener.get_clock().now().to_msg()
            publisher.publish(made)
            time.sleep(BLOCK / RATE)
        graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED), 60)
        heard = np.concatenate([np.asarray(message.samples) for message in listener.sounds])
        jaw = max(float(message.weights[BlendShapes.JAW_OPEN]) for _, message in listener.faces)
        faults = [event.detail for event in listener.events if event.type == FaceEvent.FAULT]
        same = len(heard) == len(pcm) and bool(np.allclose(heard, pcm / 32768, atol=1e-6))
        print(json.dumps({"faces": len(listener.faces), "same_sound": same, "jaw": jaw, "faults": faults}), flush=True)
    finally:
        graph.close()


if __name__ == "__main__":
    main()
