"""The nodes in a real ROS graph with the shipped weights, as a user runs them."""

import threading
import time
from array import array
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("rclpy")
import soundfile  # noqa: E402
from lifecycle_msgs.srv import ChangeState, GetState  # noqa: E402
from rcl_interfaces.srv import SetParameters  # noqa: E402
from rclpy.action import ActionClient  # noqa: E402
from rclpy.lifecycle import TransitionCallbackReturn  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from std_msgs.msg import Int16MultiArray  # noqa: E402
from toktalk_msgs.action import Speak  # noqa: E402
from toktalk_msgs.msg import AudioFrame, BlendShapes, FaceEvent  # noqa: E402
from toktalk_msgs.srv import Interrupt, SetStyle  # noqa: E402

from tests.nodes.graph import ACTIVATE, CLEANUP, CONFIGURE, DEACTIVATE, Graph  # noqa: E402
from toktalk_node.bridge.client import BridgeError, Client  # noqa: E402
from toktalk_node.bridge.protocol import Event  # noqa: E402
from toktalk_node.face import livelink  # noqa: E402
from toktalk_node.nodes import conversions  # noqa: E402
from toktalk_node.nodes.bridge import BridgeNode  # noqa: E402
from toktalk_node.nodes.parameters import STREAM_QOS  # noqa: E402
from toktalk_node.nodes.speech_source import SpeechSourceNode  # noqa: E402
from toktalk_node.nodes.toktalk import ToktalkNode  # noqa: E402
from toktalk_node.signals import AudioChunk  # noqa: E402
from toktalk_node.speech import espeak  # noqa: E402
from toktalk_node.speech.resample import resample  # noqa: E402

SECOND = 1_000_000_000


@pytest.fixture
def graph():
    made = Graph()
    yield made
    made.close()


def voiced(seconds: float, rate: int) -> np.ndarray:
    """Speech float32 [n], the same sentence again and again."""
    sound, spoken_rate, _ = espeak.synthesize("Papa had a large armchair in the back of his car.", "en-us")
    return np.resize(resample(sound, spoken_rate, rate), round(seconds * rate))


def epochs(graph: Graph) -> tuple[set[int], set[int]]:
    """Epochs in ns that the stamps of face and of sound say: one each, and the same, for one stream."""
    faces = {conversions.from_time(m.header.stamp) - m.frame * SECOND // round(m.rate) for _, m in graph.listener.faces}
    sounds = {conversions.from_time(m.header.stamp) - m.start * SECOND // m.rate for m in graph.listener.sounds}
    return faces, sounds


def test_lifecycle_walk_over_services(graph: Graph) -> None:
    graph.add(ToktalkNode)
    walk = ((CONFIGURE, "inactive"), (ACTIVATE, "active"), (DEACTIVATE, "inactive"), (CLEANUP, "unconfigured"))
    for transition, state in (*walk, *walk):
        request = ChangeState.Request()
        request.transition.id = transition
        assert graph.call(ChangeState, "toktalk/change_state", request, 60).success
        assert graph.call(GetState, "toktalk/get_state", GetState.Request()).current_state.label == state


def test_a_recording_is_spoken_in_time_and_on_one_clock(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "speech.wav"
    soundfile.write(path, voiced(2.0, 44100), 44100)
    graph.up(ToktalkNode)
    graph.up(SpeechSourceNode, source="wav", wav=str(path))
    listener = graph.listener
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED), what="the stream does not end")
    frames = [message.frame for _, message in listener.faces]
    assert frames == list(range(len(frames))) and len(frames) >= 100
    assert sum(len(message.samples) for message in listener.sounds) == 88200
    faces, sounds = epochs(graph)
    assert len(faces) == len(sounds) == 1 and abs(faces.pop() - sounds.pop()) <= 1_000_000
    early = np.array([conversions.from_time(m.header.stamp) - arrived for arrived, m in listener.faces])
    assert early.max() < 0.2 * SECOND, "frames came long before publish_ahead"
    jaw = [message.weights[BlendShapes.JAW_OPEN] for _, message in listener.faces]
    assert max(jaw[20:90]) > 0.1 and jaw[-1] < 0.05, "the mouth opens for vowels and rests after them"
    graph.wait(lambda: listener.status.get("toktalk", (0, "", {}))[2].get("frames") == str(len(frames)))
    _, _, values = listener.status["toktalk"]
    assert int(values["late_frames"]) <= np.sum(early <= 0) and values["faults"] == "0"
    if float(values["rtf"]) < 0.7:  # else the machine has other work, and no face can be in time
        assert np.mean(early > 0) > 0.95, "frames came after their presentation time"


def test_interruption_stops_voice_and_face(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, voiced(20.0, 16000), 16000)
    listener = graph.listener
    listener.hear_input()
    graph.up(ToktalkNode)
    graph.up(SpeechSourceNode, source="wav", wav=str(path))
    graph.wait(lambda: len(listener.faces) > 40, what="the face does not move")
    response = graph.call(Interrupt, "toktalk/interrupt", Interrupt.Request())
    assert response.success and response.played_frames > 5
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED), 5, "the stream goes on after an interruption")
    kinds = [event.type for event in listener.events]
    assert kinds.index(FaceEvent.INTERRUPTED) < kinds.index(FaceEvent.STREAM_ENDED)
    time.sleep(0.3)
    heard = len(listener.inputs)
    assert listener.inputs[-1].last and listener.faces[-1][1].weights[BlendShapes.JAW_OPEN] < 0.05
    time.sleep(0.5)
    assert len(listener.inputs) == heard, "the source goes on speaking"


def test_speak_says_a_text_with_feedback(graph: Graph) -> None:
    pytest.importorskip("espeakng_loader")
    graph.up(ToktalkNode)
    graph.up(SpeechSourceNode)
    listener = graph.listener
    client = ActionClient(listener, Speak, "speak")
    assert client.wait_for_server(10)
    heard: list[float] = []
    sent = client.send_goal_async(
        Speak.Goal(text="Hello, papa."), feedback_callback=lambda message: heard.append(message.feedback.progress)
    )
    graph.wait(sent.done)
    result = sent.result().get_result_async()
    graph.wait(result.done)
    outcome = result.result().result
    assert outcome.success and conversions.from_time(outcome.duration) > SECOND // 2
    assert len(heard) >= 3 and heard == sorted(heard) and 0 <= heard[0] < heard[-1] <= 1
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED))
    assert len(listener.faces) * SECOND // 50 >= conversions.from_time(outcome.duration)


def test_speak_with_an_unknown_voice_is_aborted_and_says_why(graph: Graph) -> None:
    pytest.importorskip("espeakng_loader")
    graph.up(SpeechSourceNode)
    client = ActionClient(graph.listener, Speak, "speak")
    assert client.wait_for_server(10)
    sent = client.send_goal_async(Speak.Goal(text="Hello", voice="klingon-9"))
    graph.wait(sent.done)
    result = sent.result().get_result_async()
    graph.wait(result.done)
    assert not result.result().result.success and "klingon-9" in result.result().result.message


def test_other_peoples_sound_and_bad_sound_leave_a_node_that_goes_on(graph: Graph) -> None:
    graph.up(ToktalkNode, audio_type="std_msgs/msg/Int16MultiArray", audio_rate=16000, audio_channels=2)
    listener = graph.listener
    publisher = listener.create_publisher(Int16MultiArray, "audio", STREAM_QOS)
    graph.wait(publisher.get_subscription_count)
    publisher.publish(Int16MultiArray(data=array("h", [1, 2, 3])))
    graph.wait(lambda: listener.status.get("toktalk", (0, "", {}))[0] == 2, what="no error in diagnostics")
    assert "2 channels" in listener.status["toktalk"][1]
    assert listener.status["toktalk"][2]["refused_messages"] == "1"
    pcm = (np.repeat(voiced(0.8, 16000), 2) * 32767).astype(np.int16)
    for i in range(0, len(pcm), 3200):
        publisher.publish(Int16MultiArray(data=array("h", pcm[i : i + 3200].tolist())))
        time.sleep(0.1)
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED), what="sound that stops does not end the stream")
    assert len(listener.faces) >= 40 and sum(len(m.samples) for m in listener.sounds) == 12800


def test_samples_that_are_no_numbers_are_silence_and_a_warning(graph: Graph) -> None:
    graph.up(ToktalkNode)
    listener = graph.listener
    publisher = listener.create_publisher(AudioFrame, "audio", STREAM_QOS)
    graph.wait(publisher.get_subscription_count)
    nothing = AudioChunk(np.full(8000, np.nan, np.float32), 16000)
    publisher.publish(conversions.audio_message(nothing, 0, last=True))
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED))
    graph.wait(lambda: listener.status.get("toktalk", (0, "", {}))[2].get("bad_values") == "8000")
    assert max(message.weights[BlendShapes.JAW_OPEN] for _, message in listener.faces) < 0.1
    assert not np.any([message.samples for message in listener.sounds if len(message.samples)])


def test_a_microphone_that_is_not_there_is_said_and_the_node_lives(graph: Graph) -> None:
    graph.up(SpeechSourceNode, source="microphone", device="no such device", wait_for_listener=0.0)
    graph.wait(lambda: graph.listener.status.get("speech_source", (0, "", {}))[0] == 2, what="no error")
    assert "icrophone" in graph.listener.status["speech_source"][1]


def test_a_wav_that_is_missing_refuses_to_configure(graph: Graph) -> None:
    graph.add(SpeechSourceNode, source="wav", wav="/no/such/file.wav")
    request = ChangeState.Request()
    request.transition.id = CONFIGURE
    assert not graph.call(ChangeState, "speech_source/change_state", request).success
    state = graph.call(GetState, "speech_source/get_state", GetState.Request()).current_state.label
    assert state == "unconfigured"


def test_frames_that_cannot_be_in_time_are_counted_and_said_once(graph: Graph) -> None:
    graph.up(ToktalkNode, playout_delay=0.05)  # less than the model's own wait
    listener = graph.listener
    publisher = listener.create_publisher(AudioFrame, "audio", STREAM_QOS)
    graph.wait(publisher.get_subscription_count)
    publisher.publish(conversions.audio_message(AudioChunk(voiced(0.5, 16000), 16000), 0, last=True))
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED))
    graph.wait(lambda: int(listener.status.get("toktalk", (0, "", {}))[2].get("frames", 0)) == len(listener.faces))
    level, text, values = listener.status["toktalk"]
    late = int(values["late_frames"])
    assert 0 < late <= int(values["frames"]) and f"{late} frames were late" in text and level == 1
    assert float(values["lateness_max_ms"]) > 0
    underruns = [event for event in listener.events if event.type == FaceEvent.UNDERRUN]
    assert len(underruns) == int(values["underruns"]) and underruns[0].frame == 0


def test_the_style_changes_while_the_face_speaks(graph: Graph, styled: Path) -> None:
    bridge = graph.up(BridgeNode, pub_port=0, control_port=0, viewer_port=0)
    node = graph.up(ToktalkNode, preset=str(styled), style="warm", input_timeout=60.0)
    listener = graph.listener
    publisher = listener.create_publisher(AudioFrame, "audio", STREAM_QOS)
    graph.wait(publisher.get_subscription_count)
    publisher.publish(conversions.audio_message(AudioChunk(voiced(20.0, 16000), 16000), 0))

    def smile() -> float:
        return listener.faces[-1][1].weights[BlendShapes.MOUTH_SMILE_LEFT]

    graph.wait(lambda: len(listener.faces) > 20, what="the face does not move")
    with Client(bridge.endpoint) as client:
        reader = client.messages(timeout=20.0)
        client.set_style("warm=0.5, happiness=0.5")
        told = next(message for _, message in reader if isinstance(message, Event) and message.kind == "style")
        assert told.data["detail"] == "warm=0.5, happiness=0.5" and told.data["frame"] > 0
        for wrong, reason in (("grumpy", "there are happiness, warm"), ("/etc/clip.csv", "takes clips")):
            with pytest.raises(BridgeError, match=reason):
                client.set_style(wrong)
    (event,) = [event for event in listener.events if event.type == FaceEvent.STYLE_CHANGED]
    graph.wait(lambda: listener.faces[-1][1].frame >= event.frame)
    stamps = {message.frame: message.header.stamp for _, message in listener.faces}
    assert stamps[event.frame] == event.header.stamp, "the event carries the time of its frame"
    assert node.get_parameter("style").value == "warm=0.5, happiness=0.5"

    graph.call(Interrupt, "toktalk/interrupt", Interrupt.Request())
    graph.wait(lambda: listener.seen(FaceEvent.STREAM_ENDED))
    assert smile() == pytest.approx(0.55, abs=0.1), "the face rests in its style"


def test_style_and_strengths_are_parameters_of_the_running_node(graph: Graph, styled: Path, tmp_path: Path) -> None:
    clip = np.zeros((120, 55), np.float32)
    clip[:, BlendShapes.MOUTH_SMILE_LEFT] = 0.5
    livelink.write(tmp_path / "clip.csv", clip, 60)
    node = graph.up(ToktalkNode, preset=str(styled))

    def set_to(name: str, value: object) -> SetParameters.Response:
        request = SetParameters.Request(parameters=[Parameter(name, value=value).to_parameter_msg()])
        return graph.call(SetParameters, "toktalk/set_parameters", request).results[0]

    assert set_to("style", str(tmp_path / "clip.csv")).successful
    refused = set_to("style", str(tmp_path / "no.csv"))
    assert not refused.successful and "no.csv cannot be read" in refused.reason
    assert node.get_parameter("style").value == str(tmp_path / "clip.csv"), "what is refused changes nothing"
    assert set_to("strength_lower", 0.5).successful and not set_to("strength_upper", -1.0).successful
    assert node.get_parameter("strength_lower").value == 0.5
    graph.wait(lambda: graph.listener.seen(FaceEvent.STYLE_CHANGED))
    node.trigger_deactivate()
    node.trigger_cleanup()
    answer = graph.call(SetStyle, "toktalk/set_style", SetStyle.Request(name="warm"))
    assert not answer.success and "not configured" in answer.message


def test_a_style_that_is_not_known_refuses_to_configure(graph: Graph, styled: Path) -> None:
    node = graph.add(ToktalkNode, preset=str(styled), style="grumpy")
    assert node.trigger_configure() == TransitionCallbackReturn.FAILURE
    assert node.set_parameters([Parameter("style", value="warm")])[0].successful
    assert node.trigger_configure() == TransitionCallbackReturn.SUCCESS


def test_receivers_of_the_bridge_get_the_stream_and_can_interrupt_it(graph: Graph, tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    soundfile.write(path, voiced(20.0, 16000), 16000)
    bridge = graph.up(BridgeNode, pub_port=0, control_port=0, viewer_port=0)
    graph.up(ToktalkNode)
    with Client(bridge.endpoint) as client:
        graph.up(SpeechSourceNode, source="wav", wav=str(path))
        frames = []
        reader = threading.Thread(target=lambda: frames.extend(next(iter(client)) for _ in range(30)), daemon=True)
        reader.start()
        reader.join(20)
        assert len(frames) == 30 and [f.index for f in frames] == sorted({f.index for f in frames})
        graph.wait(lambda: graph.listener.faces[-1][1].frame >= frames[-1].index)
        stamps = {m.frame: conversions.from_time(m.header.stamp) for _, m in graph.listener.faces}
        assert all(frame.pts_ns == stamps[frame.index] for frame in frames)
        assert client.interrupt().played_frames > 10
    graph.wait(lambda: graph.listener.seen(FaceEvent.INTERRUPTED))
