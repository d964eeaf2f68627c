"""Speaking styles of a session: what ships is told apart, a change is no jump, and lips shut in all of them."""

import numpy as np
import pytest

from tests.stream.test_session import motion, offline
from toktalk_node.corpus.emotion import EMOTIONS
from toktalk_node.corpus.styles import NAMED
from toktalk_node.face.arkit import INDEX
from toktalk_node.speech import espeak
from toktalk_node.stream import Session
from toktalk_node.training.named import clip

OPENING = INDEX["jawOpen"], INDEX["mouthClose"]


@pytest.fixture(scope="module", params=["mini", "mini-live"])
def session(request) -> Session:
    return Session.load(request.param)


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int, list]:
    return espeak.synthesize("Maybe Bob may buy five puppies.", "en-us")


def in_style(session: Session, style: str, speech: tuple) -> np.ndarray:
    session.set_style(style)
    session.reset()
    frames = offline(session, *speech[:2])
    session.set_style("")
    session.reset()
    return frames


def smile(frames: np.ndarray) -> float:
    return float(frames[10:-10, INDEX["mouthSmileLeft"]].mean())


def test_the_named_styles_ship_and_look_as_they_are_called(session, speech):
    assert set(session.styles) == set(NAMED)
    faces = {
        name: in_style(session, name, speech)
        for name in ("neutral", "happiness", "sadness", "over-articulated", "mumbling")
    }
    assert smile(faces["happiness"]) > smile(faces["neutral"]) + 0.2 > smile(faces["sadness"]) + 0.1
    opened = {name: np.percentile(frames[:, OPENING[0]], 95) for name, frames in faces.items()}
    assert opened["over-articulated"] > 1.2 * opened["neutral"] > 1.2 * opened["mumbling"]
    assert np.array_equal(in_style(session, "", speech), faces["neutral"]), "neutral is the default"


@pytest.mark.parametrize("style", ["neutral", "happiness", "surprise", "mumbling", "tired=0.5, warm=0.5"])
def test_lips_shut_on_bilabials_in_every_style(session, speech, style):
    frames = in_style(session, style, speech)
    gap = frames[:, OPENING[0]] - frames[:, OPENING[1]]
    spoken = [phone for phone in speech[2] if phone.label in ("P", "B", "M")]
    least = [gap[max(int(p.start * 50) - 2, 0) : int(p.end * 50) + 3].min() for p in spoken]
    assert np.mean(np.array(least) < np.percentile(gap, 25)) > 0.7, least


def test_half_a_style_is_between(session, speech):
    half = smile(in_style(session, "happiness=0.5", speech))
    assert smile(in_style(session, "neutral", speech)) < half < smile(in_style(session, "happiness", speech))


def test_a_change_of_style_while_speaking_is_no_jump_and_ends_at_the_new_rest(session, speech):
    pcm, rate, _ = speech
    steps = np.abs(np.diff(in_style(session, "sadness", speech), axis=0)).max(axis=0)
    session.set_style("sadness")
    session.reset()
    middle = len(pcm) // 2
    first = session.push_audio(pcm[:middle], rate)
    session.set_style("happiness")
    frames = motion([first, session.push_audio(pcm[middle:], rate), session.finish()])
    session.set_style("")
    corner = INDEX["mouthSmileLeft"]
    assert np.abs(np.diff(frames[:, corner])).max() < steps[corner] + 0.08
    assert np.abs(frames[-1] - session.styles["happiness"].rest.numpy()).max() < 0.05


def test_a_change_of_style_between_two_utterances_is_no_jump(session, speech):
    session.set_style("sadness")
    first = offline(session, *speech[:2])
    session.set_style("happiness")
    second = motion([session.push_audio(*speech[:2]), session.finish()])
    session.set_style("")
    session.reset()
    step, within = np.abs(second[0] - first[-1]), np.abs(np.diff(first, axis=0)).max()
    assert step.max() < 0.1 < within
    assert np.abs(second[-1] - session.styles["happiness"].rest.numpy()).max() < 0.05
    assert np.abs(np.diff(second[:20], axis=0)).max() < within


def test_a_style_that_is_set_before_the_first_sound_is_there_from_the_first_frame(session, speech):
    session.reset()
    session.set_style("happiness")
    first = offline(session, *speech[:2])[0]
    session.set_style("")
    session.reset()
    assert np.abs(first - session.styles["happiness"].rest.numpy()).max() < 0.15


@pytest.mark.parametrize("emotion", [emotion for emotion in EMOTIONS if emotion != "neutral"])
def test_every_emotion_grows_with_its_intensity(session, emotion):
    neutral = session.styles["neutral"].rest.numpy()
    full = session.styles[emotion].rest.numpy()
    channel = int(np.abs(full - neutral).argmax())
    assert abs(full[channel] - neutral[channel]) > 0.15
    rests = []
    for intensity in (0.3, 0.6, 0.9):
        vector = session._blend({emotion: intensity}).vector
        rests.append(abs(float(session.decoder.rests(vector[None])[0, channel]) - neutral[channel]))
    assert rests[0] < rests[1] < rests[2]


def test_a_long_clip_gives_the_style_of_its_parts(session):
    rows = clip(NAMED["tired"], seed=98, fps=50)
    vectors = [session.style_of(part, 50).vector for part in (rows, np.tile(rows, (3, 1)))]
    assert (vectors[0] - vectors[1]).square().mean().sqrt() < 0.1
    other = session.styles["neutral"].vector
    assert (vectors[1] - session.styles["tired"].vector).square().mean() < (vectors[1] - other).square().mean() / 4


def test_a_clip_gives_its_style(session, speech):
    found = session.style_of(clip(NAMED["happiness"], seed=99, fps=60), fps=60)
    session.set_style(found)
    likely = smile(offline(session, *speech[:2]))
    session.set_style("")
    assert likely > smile(in_style(session, "neutral", speech)) + 0.1
    with pytest.raises(ValueError, match="0.60 s is too short"):
        session.style_of(np.zeros((36, 55), np.float32), fps=60)
    with pytest.raises(ValueError, match="not finite"):
        session.style_of(np.full((100, 55), np.nan, np.float32), fps=60)


def test_an_unknown_style_is_refused_with_the_known_ones(session):
    with pytest.raises(ValueError, match="no style is called 'angry'; there are anger, contempt"):
        session.set_style("angry")


def test_strengths_scale_upper_and_lower_face_apart_from_each_other(session, speech):
    plain = in_style(session, "", speech)
    session.strength = (0.0, 0.5)
    session.reset()
    weaker = offline(session, *speech[:2])
    session.strength = (1.0, 1.0)
    assert np.ptp(weaker[:, INDEX["browInnerUp"]]) < 1e-3 and np.ptp(weaker[:, 52]) < 1e-3
    assert np.ptp(weaker[:, INDEX["jawOpen"]]) == pytest.approx(np.ptp(plain[:, INDEX["jawOpen"]]) / 2, rel=0.2)
    assert np.array_equal(weaker[:-15, INDEX["eyeBlinkLeft"]], plain[:-15, INDEX["eyeBlinkLeft"]])
