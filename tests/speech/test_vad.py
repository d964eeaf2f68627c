"""The voice-activity gate: open for speech, shut for everything else, the same for packets of any size."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from toktalk_node.commands.train import train
from toktalk_node.corpus.dataset import Utterance
from toktalk_node.evaluation.alarms import SIGNALS
from toktalk_node.speech import vad
from toktalk_node.speech.phones import SILENCE, Phone
from toktalk_node.speech.resample import resample
from toktalk_node.speech.vad import FPS, RATE, VoiceGate, voice_activity
from toktalk_node.stream.session import WEIGHTS
from toktalk_node.tokens import phonetic
from toktalk_node.training import disturbance, music
from toktalk_node.training.vad import features

VOICES = ["en-us", "en-us+f2", "en-us+m3", "en-us+f5"]


@pytest.fixture(scope="module")
def spoken() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Speech at an RMS of 1 of several voices at 16 kHz, one second of silence around it, and where it sounds."""
    pytest.importorskip("espeakng_loader")
    from toktalk_node.speech.espeak import synthesize

    out = {}
    for voice in VOICES:
        samples, rate, phones = synthesize("My friend put the big blue map on the table before noon.", voice)
        samples = np.pad(resample(samples, rate), RATE)
        time = (np.arange(-(-len(samples) * FPS // RATE)) + 0.5) / FPS - 1
        said = np.zeros(len(time), bool)
        for phone in phones:
            said |= (time >= phone.start) & (time < phone.end) & (phone.label != SILENCE)
        out[voice] = samples / np.sqrt((samples[RATE:-RATE] ** 2).mean()), said
    return out


@settings(max_examples=10, deadline=None)
@given(st.lists(st.integers(0, 3000), min_size=1, max_size=8), st.integers(0, 99))
def test_packets_change_no_bit(sizes: list[int], seed: int):
    samples = disturbance.chords(np.random.default_rng(seed), sum(sizes) or 1)[: sum(sizes)] * 0.1
    gate = VoiceGate()
    pieces = [gate.push(piece) for piece in np.split(samples, np.cumsum(sizes)[:-1])]
    out = np.concatenate([*pieces, gate.finish()])
    assert len(out) == -(-len(samples) // 320)
    np.testing.assert_array_equal(out, voice_activity(samples))


def test_a_frame_is_ready_when_its_look_ahead_has_come_and_before_its_token():
    gate = VoiceGate()
    assert vad.LOOK_AHEAD <= phonetic.load(WEIGHTS / phonetic.SPACE).look_ahead
    need = round((1 / FPS + vad.LOOK_AHEAD) * RATE)
    assert len(gate.push(np.zeros(need - 1))) == 0 and len(gate.push(np.zeros(1))) == 1


@pytest.mark.parametrize("voice", VOICES)
@pytest.mark.parametrize("level", [-40, -20, -8])
def test_speech_opens_the_gate_and_silence_after_it_shuts_it(spoken, voice: str, level: int):
    samples, said = spoken[voice]
    gate = voice_activity(np.clip(samples * 10 ** (level / 20), -1, 1))
    assert (gate[said] >= 0.5).mean() > 0.95
    assert gate[: FPS // 2].max() == 0 and gate[-FPS // 3 :].max() == 0


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_speech_in_noise_opens_the_gate(spoken, slope: float):
    samples, said = spoken["en-us+f2"]
    noise = disturbance.coloured(np.random.default_rng(0), len(samples), slope) * 10 ** (-10 / 20)
    gate = voice_activity((samples + noise) * 0.1)
    assert (gate[said] >= 0.5).mean() > 0.9


def test_speech_over_music_opens_the_gate(spoken):
    opened = []
    for number, (samples, said) in enumerate(spoken.values()):
        behind = disturbance.chords(np.random.default_rng(number), len(samples)) * 10 ** (-10 / 20)
        opened.append((voice_activity((samples + behind) * 0.05)[said] >= 0.5).mean())
    assert np.mean(opened) > 0.9


@pytest.mark.parametrize(
    "maker",
    [
        *(disturbance.coloured, disturbance.hum, disturbance.engine, disturbance.sweep, disturbance.tones),
        *(disturbance.alarm, disturbance.melody, disturbance.chords),
    ],
    ids=lambda maker: maker.__name__,
)
@pytest.mark.parametrize("level", [-50, -10])
def test_sounds_that_are_not_speech_leave_the_gate_shut(maker, level: int):
    opened = []
    for seed in range(4):
        sound = maker(np.random.default_rng([7, seed]), 8 * RATE) * 10 ** (level / 20)
        opened.append(voice_activity(np.clip(sound, -1, 1))[2 * FPS :].mean())
    assert np.mean(opened) < 0.08


@pytest.mark.parametrize("kind", SIGNALS)
def test_alarms_leave_the_gate_shut(kind: str):
    time = np.arange(6 * RATE) / RATE
    gates = [voice_activity(disturbance.unit(signal(time)) * 0.1)[FPS:] for signal in SIGNALS[kind]]
    assert np.mean([(gate >= 0.5).mean() for gate in gates]) < 0.06


@pytest.mark.skipif(not music.available(), reason="FluidSynth or its SoundFont is not here")
def test_instruments_that_training_never_heard_leave_the_gate_shut():
    rng = np.random.default_rng(3)
    families = ("organ", "guitar", "strings", "reed", "flute")
    scores = [music.solo(rng, 6.0, music.KEPT_OUT[family]) for family in families]
    played = disturbance.unit(music.play(scores).astype(np.float64)) * 0.05
    assert (voice_activity(played)[FPS:] >= 0.5).mean() < 0.06


def test_training_sees_the_features_that_the_stream_computes(monkeypatch: pytest.MonkeyPatch):
    heard, step = [], vad._gru

    def listen(w: dict[str, np.ndarray], x: np.ndarray, hidden: np.ndarray) -> np.ndarray:
        heard.append(x * w["scale"] + w["mean"])
        return step(w, x, hidden)

    monkeypatch.setattr(vad, "_gru", listen)
    samples = disturbance.melody(np.random.default_rng(0), RATE) * 0.05
    VoiceGate().push(samples)
    np.testing.assert_allclose(heard, features(samples)[: len(heard)], atol=1e-6)


def test_the_first_word_after_a_silence_is_not_clipped(spoken):
    for samples, said in spoken.values():
        hiss = 1e-4 * np.random.default_rng(0).standard_normal(len(samples))
        gate = voice_activity(0.05 * samples + hiss)
        first = np.argmax(said)
        assert gate[first + 2 : first + 20].min() == 1


@pytest.mark.parametrize("slope", [0.0, 0.5])
def test_noise_that_breaks_a_silence_is_denied_before_its_trial_ends(slope: float):
    noise = disturbance.coloured(np.random.default_rng(1), 2 * RATE, slope) * 0.05
    gate = voice_activity(np.concatenate([np.zeros(RATE), noise, np.zeros(RATE)]))
    assert (gate >= 0.5).sum() < vad.TRIAL / 2


def test_a_sound_that_turns_out_no_speech_is_believed_once():
    noise = disturbance.coloured(np.random.default_rng(1), 2 * RATE, 0.0) * 0.05
    gate = voice_activity(np.concatenate([np.zeros(RATE), noise, np.zeros(RATE), noise, np.zeros(RATE)]))
    first, second = gate[FPS : 4 * FPS], gate[4 * FPS :]
    assert 0 < (first > 0).mean() * 3 < 0.9
    assert second.max() == 0


def test_silence_and_the_shortest_sounds():
    assert voice_activity(np.zeros(RATE)).max() == 0
    assert len(voice_activity(np.zeros(0))) == 0 and len(voice_activity(np.zeros(1))) == 1


def test_missing_or_foreign_weights_name_the_command(tmp_path):
    with pytest.raises(vad.VadError, match="toktalk train vad"):
        VoiceGate(tmp_path / "none.safetensors")
    (tmp_path / "bad.safetensors").write_bytes(b"nothing")
    with pytest.raises(vad.VadError, match="cannot be read"):
        VoiceGate(tmp_path / "bad.safetensors")


def test_training_makes_a_gate_and_names_a_recording_that_cannot_be_read(tmp_path, caplog):
    phones = (Phone("SIL", 0.0, 0.2), Phone("AA", 0.2, 2.0))
    for name in ("good", "damaged"):
        soundfile.write(tmp_path / f"{name}.flac", 0.1 * np.sin(np.arange(2 * RATE) * 0.05), RATE)
        line = Utterance(name, "x", "x", "en", "train", "ah", f"{name}.flac", 2.0, phones, 3).to_json()
        with (tmp_path / "manifest.jsonl").open("a") as manifest:
            manifest.write(line + "\n")
    (tmp_path / "damaged.flac").write_bytes(b"no sound")
    soundfile.write(tmp_path / f"music-{vad.VERSION}.flac", np.zeros(15 * RATE), RATE)
    arguments = ["vad", "--corpus", str(tmp_path), "--out", str(tmp_path / "gate"), "--examples", "64", "--steps", "2"]
    made = CliRunner().invoke(train, arguments)
    assert made.exit_code == 0, made.output
    assert "damaged.flac" in caplog.text and "good.flac" not in caplog.text
    assert len(VoiceGate(tmp_path / "gate").push(np.zeros(RATE))) > 40
    nothing = CliRunner().invoke(train, ["vad", "--corpus", str(tmp_path / "none"), "--out", str(tmp_path / "gate")])
    assert nothing.exit_code == 1 and "toktalk corpus build" in nothing.output
