"""What receivers of the bridge get of a graph with words, and of one with several faces."""

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("rclpy")
from rclpy.action import ActionClient  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import String  # noqa: E402
from toktalk_msgs.action import Speak  # noqa: E402
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent  # noqa: E402

from tests.nodes.graph import Graph  # noqa: E402
from tests.nodes.test_graph import voiced  # noqa: E402
from toktalk_node.bridge.client import BridgeError, Client  # noqa: E402
from toktalk_node.bridge.protocol import MAX_CONTROL, Audio, Event, Face  # noqa: E402
from toktalk_node.nodes import conversions  # noqa: E402
from toktalk_node.nodes.bridge import BridgeNode  # noqa: E402
from toktalk_node.nodes.parameters import LATCHED_QOS, STREAM_QOS  # noqa: E402
from toktalk_node.nodes.speech_source import SpeechSourceNode  # noqa: E402
from toktalk_node.nodes.toktalk import ToktalkNode  # noqa: E402
from toktalk_node.signals import AudioChunk  # noqa: E402

PORTS = {"pub_port": 0, "control_port": 0, "viewer": False}
TOLD = "Hello, papa."


@pytest.fixture
def graph() -> Iterator[Graph]:
    made = Graph()
    yield made
    made.close()


def started(client: Client) -> Event:
    """The next event `start`."""
    messages = client.messages(timeout=30.0)
    return next(message for _, message in messages if isinstance(message, Event) and message.kind == "start")


def test_receivers_are_told_what_is_said(graph: Graph, styled: Path) -> None:
    pytest.importorskip("espeakng_loader")
    bridge = graph.up(BridgeNode, **PORTS)
    graph.up(ToktalkNode, preset=str(styled))
    with Client(bridge.endpoint) as client:
        graph.up(SpeechSourceNode, source="text", text=TOLD)
        assert started(client).data["text"] == TOLD
        asked = ActionClient(graph.listener, Speak, "speak")
        assert asked.wait_for_server(10)
        asked.send_goal_async(Speak.Goal(text="Mama!"))
        assert started(client).data["text"] == "Mama!"
    texts = [event.text for event in graph.listener.events if event.type == FaceEvent.STREAM_STARTED]
    assert texts == [TOLD, "Mama!"]


def test_words_that_nobody_told_are_absent_and_long_ones_are_cut(graph: Graph) -> None:
    bridge = graph.up(BridgeNode, **PORTS)
    publisher = graph.listener.create_publisher(FaceEvent, "face/events", STREAM_QOS)
    graph.wait(lambda: publisher.get_subscription_count() >= 2)
    with Client(bridge.endpoint) as client:
        for text in ("", "ah " * MAX_CONTROL):
            publisher.publish(FaceEvent(type=FaceEvent.STREAM_STARTED, text=text))
        assert "text" not in started(client).data
        assert len(started(client).data["text"]) == MAX_CONTROL


def test_two_faces_speak_through_one_bridge_and_each_is_asked_for_itself(graph: Graph, styled: Path) -> None:
    bridge = graph.up(BridgeNode, streams=["/ada", "bob"], **PORTS)
    decoders, voices = {}, {}
    for name in ("ada", "bob"):
        patient = {"input_timeout": 60.0, "playout_delay": 4.0}  # the machine may have other work
        decoders[name] = graph.up(ToktalkNode, namespace=f"/{name}", preset=str(styled), **patient)
        voices[name] = graph.listener.create_publisher(AudioFrame, f"/{name}/audio", STREAM_QOS)
        graph.wait(voices[name].get_subscription_count)
    with Client(bridge.endpoint) as client:
        assert set(client.streams) == {"ada", "bob"}
        for name, rate in (("ada", 16000), ("bob", 24000)):
            sound = AudioChunk(voiced(30.0, rate), rate)
            voices[name].publish(conversions.audio_message(sound, 0, text=f"I am {name}."))
        came: list[tuple[str, Face | Audio | Event]] = []

        def listen(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                if (got := client.receive(0.05)) is not None:
                    came.append(got)

        deadline = time.monotonic() + 20
        while min(Counter(s for s, m in came if isinstance(m, Face)).get(s, 0) for s in voices) < 30:
            assert time.monotonic() < deadline, "not both faces speak"
            listen(0.1)
        assert {(s, m.data["text"]) for s, m in came if isinstance(m, Event) and m.kind == "start"} == {
            ("ada", "I am ada."), ("bob", "I am bob.")
        }  # fmt: skip
        assert {(s, m.rate) for s, m in came if isinstance(m, Audio)} == {("ada", 16000), ("bob", 24000)}

        came.clear()
        client.set_style("warm", stream="bob")
        assert decoders["bob"].get_parameter("style").value == "warm"
        assert decoders["ada"].get_parameter("style").value == ""
        assert client.interrupt(stream="ada").played_frames > 20
        interrupted_ns = time.time_ns()

        def after() -> Counter[str]:
            return Counter(s for s, m in came if isinstance(m, Audio) and m.pts_ns > interrupted_ns + 300_000_000)

        def events() -> set[tuple[str, str]]:
            return {(s, m.kind) for s, m in came if isinstance(m, Event) and m.kind != "underrun"}

        deadline = time.monotonic() + 20
        while after()["bob"] < 20 or len(events()) < 3:
            assert time.monotonic() < deadline, "the other one does not go on speaking"
            listen(0.1)
        assert events() == {("bob", "style"), ("ada", "interrupted"), ("ada", "end")}
        assert not after()["ada"], "who was interrupted is silent"


def offered(bridge: BridgeNode) -> tuple[str, ...]:
    """The styles that a receiver learns of now."""
    with Client(bridge.endpoint) as client:
        return client.styles


def test_receivers_learn_the_styles_that_the_decoders_know(graph: Graph, styled: Path) -> None:
    """Of a decoder that was there before the bridge, and of one that comes later; and each can be asked for."""
    graph.up(ToktalkNode, namespace="/ada", preset=str(styled))
    bridge = graph.up(BridgeNode, streams=["/ada", "bob"], **PORTS)
    graph.wait(lambda: offered(bridge) == ("happiness", "warm"), what="no styles of the decoder")
    with Client(bridge.endpoint) as client:
        for name in client.styles:
            client.set_style(name, stream="ada")
        with pytest.raises(BridgeError, match="grim"):
            client.set_style("grim", stream="ada")
    other = graph.listener.create_publisher(String, "/bob/toktalk/styles", LATCHED_QOS)
    with Client(bridge.endpoint) as client:
        other.publish(String(data="warm, über"))
        kinds = (message.kind for _, message in client.messages(timeout=20.0) if isinstance(message, Event))
        assert "styles" in kinds, "nobody says that there are others"
        graph.wait(lambda: client.receive(0.05) or client.styles == ("happiness", "warm", "über"))
    assert offered(bridge) == ("happiness", "warm", "über")


def test_messages_that_cannot_be_sent_are_counted_and_said_in_diagnostics(graph: Graph) -> None:
    graph.up(BridgeNode, **PORTS)
    faces = graph.listener.create_publisher(BlendShapes, "face/blendshapes", STREAM_QOS)
    sounds = graph.listener.create_publisher(AudioFrame, "face/audio", STREAM_QOS)
    for publisher in (faces, sounds):
        graph.wait(lambda publisher=publisher: publisher.get_subscription_count() >= 2)
    for rate in (0.0, float("nan"), 50_000.0):
        faces.publish(BlendShapes(rate=rate))
    sounds.publish(AudioFrame(rate=1, samples=[0.0]))
    graph.wait(lambda: graph.listener.status.get("bridge", (0, "", {}))[2].get("refused_messages") == "4")
    level, text, values = graph.listener.status["bridge"]
    assert level == 1 and "4 messages were refused: default: " in text and "Hz" in text
    assert values["errors"] == values["face_frames"] == "0"
    faces.publish(BlendShapes(rate=50.0))
    graph.wait(lambda: graph.listener.status["bridge"][2]["face_frames"] == "1", what="the bridge does not go on")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"streams": ["/ada", "ada/"]}, "'/ada' and 'ada/' would both be the stream 'ada'"),
        ({"streams": ["", "/default"]}, "would both be the stream 'default'"),
        ({"streams": ["a da"]}, "characters without spaces"),
        ({"streams": ["/9lives"]}, "9lives"),
    ],
)
def test_names_that_cannot_be_refuse_to_configure(graph: Graph, parameters: dict, words: str, capfd) -> None:
    node = graph.add(BridgeNode, **PORTS, **parameters)
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert words in capfd.readouterr().err
    node.set_parameters([Parameter("streams", value=[""])])
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS
    with Client(node.endpoint) as client:
        assert list(client.streams) == ["default"]
