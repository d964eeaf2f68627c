"""What others would do, on the same sound: baselines for the lip figures.

PocketSphinx recognises phones without knowing the text (`allphone`, its own phone language model); its phones become a
face by the corpus' performance model, as do the true phone times. `loudness` is a jaw that follows the level.
"""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from toktalk_node.face.arkit import INDEX, MOTION_WIDTH
from toktalk_node.speech.phones import Phone

from .align import FRAME, FRAME_SHIFT, RATE, covering, pcm16

FPS = 50
_PACKET = 3200


def allphone(samples: np.ndarray, *, running: bool) -> list[Phone]:
    """PocketSphinx' phones of `samples` float [n] at 16 kHz, covering them with SIL.

    `running` normalises the cepstra by their running mean, from the model's own start, as a live system must; otherwise
    by the mean of the whole recording. The search itself sees the whole recording in both.
    Raises RuntimeError without PocketSphinx.
    """
    try:
        from pocketsphinx import Decoder, get_model_path
    except ImportError as error:
        raise RuntimeError("this peer needs PocketSphinx: pip install pocketsphinx") from error
    model = str(Path(get_model_path()) / "en-us" / "en-us-phone.lm.bin")
    decoder = Decoder(
        allphone=model, lm=None, lw=2.0, beam=1e-20, pbeam=1e-20, cmn="live" if running else "batch", loglevel="FATAL"
    )
    pcm = pcm16(samples)
    decoder.start_utt()
    step = _PACKET if running else max(len(pcm), 1)
    for start in range(0, len(pcm), step):
        decoder.process_raw(pcm[start : start + step], full_utt=not running)
    decoder.end_utt()
    segments = [
        (s.word, FRAME * s.start_frame + FRAME_SHIFT, FRAME * (s.end_frame + 1) + FRAME_SHIFT)
        for s in decoder.seg() or ()
    ]
    return covering(segments, len(samples) / RATE)


def loudness_jaw(samples: np.ndarray) -> np.ndarray:
    """Motion [frames, 55] at 50 fps whose jaw follows the level of `samples` at 16 kHz, 40 dB from shut to open."""
    frames = math.ceil(len(samples) / RATE * FPS)
    hop = RATE // FPS
    padded = np.pad(np.asarray(samples, np.float64), (0, frames * hop - len(samples)))
    level = 10 * np.log10((padded.reshape(frames, hop) ** 2).mean(axis=1) + 1e-10)
    motion = np.zeros((frames, MOTION_WIDTH), np.float32)
    motion[:, INDEX["jawOpen"]] = np.clip((level - (level.max(initial=-100.0) - 40)) / 40, 0, 1)
    return motion


Phoner = Callable[[np.ndarray], list[Phone]]

PHONE_PEERS: dict[str, Phoner] = {
    "pocketsphinx-running": lambda samples: allphone(samples, running=True),
    "pocketsphinx-offline": lambda samples: allphone(samples, running=False),
}
"""Systems whose answer is phones."""
