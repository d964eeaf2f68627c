"""Recordings of every kind, and files that are not."""

import numpy as np
import pytest
import soundfile

from toktalk_node.speech.files import AudioFileError, FileSource, read_audio

TONE = np.sin(np.arange(24_000) * 0.05).astype(np.float32) * 0.5


@pytest.mark.parametrize(
    ("suffix", "rate", "channels"),
    [
        ("wav", 8_000, 1),
        ("wav", 192_000, 2),
        ("flac", 48_000, 2),
        ("ogg", 44_100, 1),
        ("mp3", 16_000, 1),
        ("aiff", 22_050, 6),
    ],
)
def test_every_format_rate_and_channel_count_reads(tmp_path, suffix: str, rate: int, channels: int):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, np.repeat(TONE[:, None], channels, axis=1), rate)
    source = FileSource(path)
    chunks = list(source)
    assert source.rate == rate and not source.warning
    assert all(b.start == a.end for a, b in zip(chunks, chunks[1:], strict=False))
    samples = np.concatenate([c.samples for c in chunks])
    assert samples.dtype == np.float32 and len(samples) >= len(TONE)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.1)
    if suffix not in ("ogg", "mp3"):
        np.testing.assert_allclose(samples, TONE, atol=1e-4)


def test_files_that_are_no_recordings_name_themselves_and_the_reason(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "empty.wav").touch()
    (tmp_path / "text.wav").write_text("this is no sound")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 16_000)
    for name, reason in [
        ("absent.wav", "no such file"),
        ("empty.wav", "empty"),
        ("text.wav", "not a recording"),
        ("none.wav", "no samples"),
        ("sub", "folder"),
    ]:
        with pytest.raises(AudioFileError, match=reason) as error:
            FileSource(tmp_path / name)
        assert name in str(error.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_a_truncated_file_gives_what_it_has_and_says_so(tmp_path, suffix: str):
    whole, cut = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 64_000).astype(np.float32)
    soundfile.write(whole, noise, 16_000)
    data = whole.read_bytes()
    cut.write_bytes(data[: len(data) // 2])
    samples, rate = read_audio(cut)
    assert rate == 16_000 and 12_000 < len(samples) <= 33_000
    cut.write_bytes(data[:30])
    with pytest.raises(AudioFileError, match="cut"):
        read_audio(cut)


def test_a_recording_of_unknown_length_reads(tmp_path):
    """As recorders leave it that stream: the header of FLAC says 0 samples for unknown."""
    path = tmp_path / "open.flac"
    soundfile.write(path, TONE, 16_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"fLaC") + 8 + 13  # STREAMINFO: 36 bits of total samples end its first 18 bytes
    data[at] &= 0xF0
    data[at + 1 : at + 5] = bytes(4)
    path.write_bytes(data)
    source = FileSource(path)
    assert source.duration == 0
    # libsndfile loses the last, partial block of such a file
    assert len(TONE) - 320 <= sum(len(c.samples) for c in source) <= len(TONE) and not source.warning


def test_values_that_are_not_finite_become_silence(tmp_path):
    samples = TONE.copy()
    samples[100:110] = np.nan
    soundfile.write(tmp_path / "nan.wav", samples, 16_000, subtype="FLOAT")
    source = FileSource(tmp_path / "nan.wav")
    read = np.concatenate([c.samples for c in source])
    assert np.isfinite(read).all() and not read[100:110].any() and "10 values" in source.warning


def test_close_ends_the_iteration(tmp_path):
    soundfile.write(tmp_path / "tone.wav", TONE, 16_000)
    source = FileSource(tmp_path / "tone.wav")
    chunks = iter(source)
    next(chunks)
    source.close()
    assert list(chunks) == []
