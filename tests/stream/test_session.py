"""The session: streaming equals offline bit for bit, whatever comes in."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from toktalk_node.face.arkit import INDEX
from toktalk_node.motion.style import DEFAULT_STYLE
from toktalk_node.signals import FaceChunk, TokenChunk
from toktalk_node.speech import espeak
from toktalk_node.stream import Session, SessionStats


@pytest.fixture(scope="module")
def session() -> Session:
    return Session.load()


@pytest.fixture(scope="module")
def speech() -> tuple[np.ndarray, int]:
    samples, rate, _ = espeak.synthesize("Maybe Bob may buy five puppies.", "en-us")
    return samples, rate


def motion(chunks: list[FaceChunk]) -> np.ndarray:
    """Frames [n, 55] of chunks that must follow each other without a gap."""
    at = 0
    for chunk in chunks:
        assert chunk.start == at
        at = chunk.end
    return np.concatenate([np.concatenate([c.weights, c.head], axis=1) for c in chunks])


def offline(session: Session, pcm: np.ndarray, rate: int) -> np.ndarray:
    session.reset()
    return motion([session.push_audio(pcm, rate), session.finish()])


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 30_000), max_size=60), st.sampled_from([16_000, 22_050, 48_000]))
def test_packets_of_any_size_give_the_same_frames(session, speech, cuts, rate):
    pcm = speech[0][: int(1.2 * rate)]
    whole = offline(session, pcm, rate)
    parts = np.split(pcm, sorted(cut % (len(pcm) + 1) for cut in cuts))
    session.reset()
    streamed = motion([*(session.push_audio(part, rate) for part in parts), session.finish()])
    assert np.array_equal(streamed, whole)


def test_a_session_that_was_used_before_gives_the_same_frames(session, speech):
    pcm, rate = speech
    first = offline(session, pcm, rate)
    session.push_audio(np.random.default_rng(0).normal(0, 0.1, rate), rate)
    session.interrupt(10**8)
    assert np.array_equal(offline(session, pcm, rate), first)


def test_frames_cover_the_sound_and_end_at_rest(session, speech):
    pcm, rate = speech
    frames = offline(session, pcm, rate)
    owed = int(np.ceil(len(pcm) / rate * session.fps))
    assert owed <= len(frames) <= owed + session.fps // 2
    assert np.isfinite(frames).all() and frames[:, :52].min() >= 0 and frames[:, :52].max() <= 1
    aperture = frames[:, 17] - frames[:, 18]
    assert aperture.max() > 0.15, "the mouth opens on vowels"
    assert aperture[-1] < 0.05, "and ends shut"


def test_a_frame_waits_no_longer_than_the_look_ahead(session, speech):
    pcm, rate = speech
    session.reset()
    step, longest = rate // 100, 0.0
    for i in range(0, len(pcm), step):
        chunk = session.push_audio(pcm[i : i + step], rate)
        if len(chunk):
            longest = max(longest, min(i + step, len(pcm)) / rate - chunk.start / session.fps)
    assert longest <= session.look_ahead + step / rate + 1e-6, "one packet comes on top"
    assert session.look_ahead <= 0.2, "the resampler's wait is in it"
    session.reset()


def test_tokens_give_the_face_of_their_sound(session, speech):
    pcm, rate = speech
    samples = np.interp(np.arange(0, len(pcm), rate / 16_000), np.arange(len(pcm)), pcm).astype(np.float32)
    stream = session.tokenizer.stream()
    ids = np.concatenate([stream.push(samples), stream.finish()])
    session.reset()
    space = session.tokenizer.space.name
    chunks = [session.push_tokens(TokenChunk(space, ids[i : i + 7], i)) for i in range(0, len(ids), 7)]
    from_tokens = motion([*chunks, session.finish()])
    from_sound = offline(session, samples, 16_000)
    assert len(from_tokens) == len(from_sound)
    open_by_tokens, open_by_sound = (m[:, 17] - m[:, 18] for m in (from_tokens, from_sound))
    assert np.corrcoef(open_by_tokens, open_by_sound)[0, 1] > 0.95


def test_an_interruption_says_what_was_played_and_comes_to_rest(session, speech):
    pcm, rate = speech
    session.reset()
    chunk = session.push_audio(pcm, rate)
    answer = session.interrupt(500_000_000)
    assert answer.played_frames == 25 and answer.dropped_frames == len(chunk) - 25
    assert answer.rest.start == 25
    assert np.abs(answer.rest.weights[0] - chunk.weights[24]).max() < 0.2, "rest begins where the face was"
    rest = session.styles[DEFAULT_STYLE].rest.numpy()[:52]
    assert np.abs(answer.rest.weights[-1] - rest).max() < 0.05 and rest[INDEX["jawOpen"]] < 0.05
    again = session.interrupt(600_000_000)
    assert (again.played_frames, again.dropped_frames) == (30, 5), "the way to rest can be interrupted as well"
    assert np.abs(again.rest.weights[0] - answer.rest.weights[4]).max() < 0.1
    session.reset()
    nothing = session.interrupt(0)
    assert nothing.played_frames == nothing.dropped_frames == 0, "an idle session has nothing to interrupt"


def test_what_was_decoded_to_its_end_is_interrupted_where_it_was_played(session, speech):
    pcm, rate = speech
    session.reset()
    frames = motion([session.push_audio(pcm, rate), session.finish()])
    assert len(session.interrupt().rest) == 0, "all was played: the face rests already"
    answer = session.interrupt(500_000_000)
    assert (answer.played_frames, answer.dropped_frames) == (25, len(frames) - 25)
    assert np.abs(answer.rest.weights[0] - frames[24, :52]).max() < 0.2, "rest begins where the face was"
    assert np.array_equal(offline(session, pcm, rate), frames), "the next stream begins anew"


def test_computing_time_is_counted_by_the_wall_and_by_the_thread(session, speech):
    pcm, rate = speech
    session.stats = SessionStats()
    frames = offline(session, pcm, rate)
    stats = session.stats
    assert stats.frames == len(frames) and stats.seconds == pytest.approx(len(pcm) / rate)
    assert 0 < stats.thread_factor <= stats.real_time_factor * 1.01
    assert sum(stats.chunk_seconds) == pytest.approx(stats.compute_seconds, rel=0.2)


@pytest.mark.parametrize("kind", ["silence", "white noise", "hum"])
def test_what_is_not_speech_leaves_the_mouth_at_rest(session, kind):
    t = np.arange(3 * 16_000) / 16_000
    pcm = {
        "silence": np.zeros(len(t)),
        "white noise": np.random.default_rng(0).normal(0, 0.1, len(t)),
        "hum": 0.2 * np.sin(2 * np.pi * 50 * t),
    }[kind]
    frames = offline(session, pcm, 16_000)
    assert (frames[50:, 17] - frames[50:, 18]).max() < 0.06


def test_bad_sound_is_refused_or_cleaned(session, speech):
    pcm, rate = speech
    session.reset()
    broken = pcm.copy()
    broken[1000:1100] = np.nan
    before = session.stats.bad_values
    assert np.isfinite(motion([session.push_audio(broken, rate), session.finish()])).all()
    assert session.stats.bad_values == before + 100
    assert len(session.push_audio(np.zeros(0), rate)) == 0
    with pytest.raises(ValueError, match="rate is 22050 Hz, not 16000"):
        session.push_audio(pcm, 16_000)
    session.reset()
    with pytest.raises(ValueError, match="sample rate"):
        session.push_audio(pcm, 0)
    with pytest.raises(ValueError, match="not \\[2, 3, 4\\]"):
        session.push_audio(np.zeros((2, 3, 4)), rate)


def test_bad_tokens_are_refused(session):
    session.reset()
    space = session.tokenizer.space
    with pytest.raises(ValueError, match="outside space 'phonetic'"):
        session.push_tokens(TokenChunk(space.name, np.array([[space.vocabulary]])))
    with pytest.raises(ValueError, match="tokens of space 'mimi'"):
        session.push_tokens(TokenChunk("mimi", np.array([[1]])))
    with pytest.raises(ValueError, match="tokens are missing"):
        session.push_tokens(TokenChunk(space.name, np.array([[1]]), start=5))
    session.push_tokens(TokenChunk(space.name, np.array([[1], [2]])))
    with pytest.raises(ValueError, match="takes tokens"):
        session.push_audio(np.zeros(100), 16_000)
    session.reset()


def test_missing_weights_name_the_command_that_makes_them(tmp_path):
    with pytest.raises(Exception, match="toktalk train tokens"):
        Session.load(weights=tmp_path)
