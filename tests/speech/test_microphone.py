"""The microphone through a real sound server, and what happens when there is none."""

import json
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest

from tests.speech.pulse import PulseServer, available
from toktalk_node.speech.resample import resample

ROOT = Path(__file__).resolve().parents[2]
needs_pulse = pytest.mark.skipif(not available(), reason="needs pulseaudio, pulseaudio-utils and libasound2-plugins")


@pytest.fixture
def pulse(tmp_path):
    with PulseServer(tmp_path) as server:
        yield server


def recorder(seconds: float, pulse: PulseServer) -> subprocess.Popen:
    """A process that records for that long, saves what it heard and when each sample arrived, and prints its counts."""
    code = f"""
    import json, time, numpy as np
    from toktalk_node.speech.microphone import MicrophoneSource
    source = MicrophoneSource()
    print(source.rate, flush=True)
    chunks, arrived = [], []
    for chunk in source:
        assert chunk.start == sum(map(len, chunks))
        chunks.append(chunk.samples)
        arrived.append(np.full(len(chunk.samples), time.monotonic()))
        if chunk.end > {seconds} * source.rate:
            break
    np.save({str(pulse.folder / "heard.npy")!r}, np.concatenate(chunks))
    np.save({str(pulse.folder / "arrived.npy")!r}, np.concatenate(arrived))
    print(json.dumps([source.rate, source.lost, source.silence, source.dropped, source.connected]))
    source.close()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    return subprocess.Popen(command, env=pulse.env, cwd=ROOT, stdout=subprocess.PIPE, text=True)


@pytest.mark.peer
@needs_pulse
def test_the_microphone_hears_what_is_played_and_its_lag_is_small(pulse):
    """A second process plays noise and tells when it handed over the first sample."""
    player = """
    import sys, time, numpy as np, sounddevice
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32)
    times = []
    def give(out, frames, clock, status, at=[0]):
        times.append(time.monotonic())
        piece = noise[at[0] : at[0] + frames]
        out[:, 0] = np.pad(piece, (0, frames - len(piece)))
        at[0] += frames
    stream = sounddevice.OutputStream(48_000, blocksize=480, channels=1, latency="low", callback=give)
    with stream:
        time.sleep(1.4)
    print(times[0])
    """
    process = recorder(3, pulse)
    assert process.stdout is not None and process.stdout.readline()
    time.sleep(0.5)
    played = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(player)], env=pulse.env, capture_output=True, text=True, check=True
    )
    rate, lost, silence, dropped, _ = json.loads(process.communicate(timeout=20)[0])
    heard, arrived = np.load(pulse.folder / "heard.npy"), np.load(pulse.folder / "arrived.npy")
    assert lost == silence == dropped == 0
    noise = resample(np.random.default_rng(0).uniform(-0.5, 0.5, 48_000).astype(np.float32), 48_000, rate)
    size = 1 << 19
    correlation = np.fft.irfft(np.fft.rfft(heard, size) * np.fft.rfft(noise, size).conj(), size)[: len(heard)]
    begin = int(correlation.argmax())
    # the sound server may begin between two samples: what is below 4 kHz hardly sees that
    found, expected = (resample(x, rate, 8000) for x in (heard[begin : begin + len(noise)], noise))
    assert np.corrcoef(found, expected[: len(found)])[0, 1] > 0.95
    lag = arrived[begin] - float(played.stdout)
    print(f"from the player to the program: {1000 * lag:.0f} ms")
    assert 0 < lag < 0.25


@pytest.mark.peer
@needs_pulse
def test_a_microphone_that_vanishes_leaves_silence_and_comes_back(pulse, tmp_path):
    process = recorder(6, pulse)
    assert process.stdout is not None and process.stdout.readline()
    time.sleep(0.7)
    pulse.stop()
    time.sleep(1.5)
    pulse.start()
    rate, lost, silence, dropped, connected = json.loads(process.communicate(timeout=20)[0])
    assert lost >= 1 and connected
    assert 1.0 < silence / rate < 4.5
    assert len(np.load(tmp_path / "heard.npy")) >= 6 * rate


@pytest.mark.peer
@needs_pulse
def test_a_microphone_that_is_not_there_is_named(pulse):
    code = "from toktalk_node.speech.microphone import MicrophoneSource; MicrophoneSource('nowhere')"
    done = subprocess.run([sys.executable, "-c", code], env=pulse.env, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert "MicrophoneError" in done.stderr and "'nowhere'" in done.stderr and "Microphones here" in done.stderr
