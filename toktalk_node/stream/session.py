"""A session: one speaker's stream of sound or tokens, turned into face frames as it comes.

    session = Session.load()
    face = session.push_audio(pcm, 48_000)      # frames that are ready, perhaps none
    face = session.finish()                     # the rest; the face comes to rest

The frames do not depend on how the input was cut into packets: sound is resampled, tokenized and decoded in steps of
fixed size, and the noise that motion starts from is a function of the seed and of the frame's index.
"""

import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from toktalk_node.face.arkit import BLENDSHAPES, MOTION_WIDTH
from toktalk_node.face.rest import REST, clamp, gate, to_rest
from toktalk_node.face.smooth import Smoother
from toktalk_node.signals import NANOSECONDS, FaceChunk, TokenChunk
from toktalk_node.speech.resample import Resampler
from toktalk_node.speech.source import check_rate, clean
from toktalk_node.speech.vad import VoiceGate

if TYPE_CHECKING:
    from toktalk_node.motion.decoder import MotionDecoder
    from toktalk_node.tokens.base import Tokenizer

WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""Where the weights that ship with the package lie: `phonetic` and one folder per motion preset."""
REST_SECONDS = 0.2
"""Time that the face takes to come to rest after the speech, or after an interruption."""
_POSES = 60
"""Seconds of frames that are remembered, for an interruption to go on from the frame that was shown."""


@dataclass
class SessionStats:
    """What a session did since it was made."""

    seconds: float = 0.0
    """Seconds of sound or tokens taken in."""
    frames: int = 0
    chunks: int = 0
    """Chunks of motion that were decoded."""
    compute_seconds: float = 0.0
    chunk_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """Computing time of each of the latest chunks, tokens and motion."""
    bad_values: int = 0
    """Samples that were not finite; they became silence."""

    @property
    def real_time_factor(self) -> float:
        """Computing time per second of input."""
        return self.compute_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Interruption:
    """Answer to an interruption: what was played, what was dropped, and the way to rest."""

    played_frames: int
    """Frames shown before the interruption."""
    dropped_frames: int
    """Frames that had been given out and will not be shown."""
    rest: FaceChunk
    """Frames that bring the face to rest; the first takes the place of frame `played_frames`."""


class Session:
    """One stream. Sessions may share a decoder and a tokenizer, which hold no stream's state.

    A stream takes either sound at one rate or tokens of the model's space; `finish`, `interrupt` and `reset` bring the
    session back to its beginning.
    """

    def __init__(self, decoder: "MotionDecoder", tokenizer: "Tokenizer", *, seed: int = 0) -> None:
        from toktalk_node.motion.decoder import MotionStream

        config = decoder.model.config
        space = tokenizer.space
        if (config.token_space, config.condition_width) != (space.name, space.width):
            raise ValueError(
                f"the motion model was trained on tokens of space {config.token_space!r}, width "
                f"{config.condition_width}; the tokenizer makes {space.name!r}, width {space.width}"
            )
        if config.fps != space.rate:
            raise ValueError(f"the motion model runs at {config.fps} Hz, its tokens come at {space.rate} Hz")
        self.decoder, self.tokenizer = decoder, tokenizer
        self.stats = SessionStats()
        self._motion = MotionStream(decoder, seed)
        self._smoother = Smoother(config.fps)
        self._poses: deque[np.ndarray] = deque(maxlen=_POSES * config.fps)
        self.reset()

    @classmethod
    def load(
        cls,
        preset: str = "mini",
        *,
        seed: int = 0,
        chunk: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        device: str = "cpu",
        weights: Path | str | None = None,
    ) -> "Session":
        """A session on the weights that ship with the package, or on those in the folder `weights`.

        chunk: seconds per chunk C; steps: Euler steps n; guidance: weight w; None takes the model's own default.
        Raises CheckpointError or TokenizerError, naming the command that makes the weights, where they are missing.
        """
        from dataclasses import replace

        from toktalk_node.motion import checkpoint
        from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder
        from toktalk_node.tokens import phonetic

        folder = Path(weights) if weights else WEIGHTS
        tokenizer = phonetic.load(folder / phonetic.SPACE)
        model = checkpoint.load(folder / preset, device)
        changes: dict[str, float] = {}
        if chunk is not None:
            changes["chunk"] = 2 * round(chunk * model.config.fps / 2)
        if steps is not None:
            changes["steps"] = steps
        if guidance is not None:
            changes["guidance"] = guidance
        return cls(MotionDecoder(model, replace(DecodeSettings.of(model.config), **changes)), tokenizer, seed=seed)

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.decoder.model.config.fps

    @property
    def look_ahead(self) -> float:
        """Seconds from a sample to the moment when its frame can be computed, at most: the algorithmic wait.

        Sound at another rate than the tokenizer's waits for the resampler as well: 3 ms, or 6 ms from 8 kHz.
        """
        motion = (self.decoder.settings.chunk + self.decoder.model.config.look_ahead) / self.fps
        return self.tokenizer.look_ahead + motion

    def reset(self) -> None:
        """Forget the stream; the next input begins another."""
        self._motion.reset()
        self._smoother.reset()
        self._tokens = None
        self._resampler: Resampler | None = None
        self._gate = VoiceGate()
        self._open = np.zeros(0, np.float32)
        self._rate = 0
        self._received = 0
        self._token = 0
        self._frame = 0
        self._poses.clear()

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk:
        """Take sound [n] or [n, channels] at `rate` Hz, any n; return the frames that are ready.

        Samples that are not finite count as silence. Raises ValueError for another shape or type, a rate that changes
        within the stream, or sound after tokens.
        """
        if self._token and self._tokens is None:
            raise ValueError("this stream takes tokens; call finish() or reset() before pushing sound")
        if self._rate and rate != self._rate:
            raise ValueError(f"the stream's rate is {self._rate} Hz, not {rate}; call finish() before another rate")
        samples, bad = clean(pcm)
        if not self._rate:
            self._rate = check_rate(rate)
            self._resampler = Resampler(self._rate, self.tokenizer.sample_rate)
            self._tokens = self.tokenizer.stream()
        self.stats.bad_values += bad
        self.stats.seconds += len(samples) / self._rate
        begun = time.perf_counter()
        heard = self._resampler.push(samples)
        self._received += len(heard)
        self._open = np.concatenate([self._open, self._gate.push(heard)])
        return self._give(self._decode(self._tokens.push(heard)), begun)

    def push_tokens(self, chunk: TokenChunk) -> FaceChunk:
        """Take tokens of the model's space, following each other without a gap; return the frames that are ready.

        Raises ValueError for another space, ids out of range, a gap, or tokens after sound.
        """
        if self._tokens is not None:
            raise ValueError("this stream takes sound; call finish() or reset() before pushing tokens")
        if chunk.space != self.tokenizer.space.name:
            raise ValueError(f"tokens of space {chunk.space!r}, but the model takes {self.tokenizer.space.name!r}")
        if chunk.start != self._token:
            raise ValueError(f"tokens are missing: the stream stands at {self._token}, these begin at {chunk.start}")
        ids = self.tokenizer.space.check(chunk.ids)
        self.stats.seconds += len(ids) / self.tokenizer.space.rate
        self._open = np.concatenate([self._open, np.ones(len(ids), np.float32)])
        begun = time.perf_counter()
        return self._give(self._decode(ids), begun)

    def finish(self) -> FaceChunk:
        """The frames still owed, and those that bring the face to rest; then the session is at its beginning."""
        begun = time.perf_counter()
        motion = [self._empty()]
        if self._tokens is not None:
            heard = self._resampler.finish()
            self._open = np.concatenate([self._open, self._gate.push(heard), self._gate.finish()])
            motion.append(self._decode(self._tokens.push(heard)))
            motion.append(self._decode(self._tokens.finish()))
        missing = self._token - self._frame - sum(len(part) for part in motion) - len(self._open)
        self._open = np.concatenate([self._open, np.zeros(max(missing, 0), np.float32)])
        motion.append(self._motion.finish().numpy())
        start = self._frame
        spoken = self._shown(np.concatenate(motion))
        last = spoken[-1] if len(spoken) else (self._poses[-1] if self._poses else None)
        if last is not None:
            spoken = np.concatenate([spoken, to_rest(last, round(REST_SECONDS * self.fps), self.fps, REST_SECONDS)])
        self._count(len(spoken), begun)
        self.reset()
        return self._chunk(spoken, start)

    def interrupt(self, played_ns: int) -> Interruption:
        """Drop what was not played by media time `played_ns`, in nanoseconds; the session is at its beginning again."""
        if played_ns < 0:
            raise ValueError(f"played_ns must not be negative, but is {played_ns}")
        given = self._frame
        played = min(played_ns * self.fps // NANOSECONDS, given)
        back = given - played
        pose = self._poses[-1 - back] if back < len(self._poses) else REST
        rest = to_rest(pose, round(REST_SECONDS * self.fps), self.fps, REST_SECONDS)
        self.reset()
        return Interruption(played, back, self._chunk(rest, played))

    def _decode(self, ids: np.ndarray) -> np.ndarray:
        """Motion [m, 55] of the chunks that tokens [n, codebooks] complete."""
        self._token += len(ids)
        if not len(ids):
            return self._empty()
        return self._motion.push(torch.from_numpy(self.tokenizer.embed(ids))).numpy()

    def _give(self, motion: np.ndarray, begun: float) -> FaceChunk:
        start = self._frame
        shown = self._shown(motion)
        self._count(len(shown), begun)
        return self._chunk(shown, start)

    def _shown(self, motion: np.ndarray) -> np.ndarray:
        """The motion as it is given out: valid, steady, and its mouth at rest where nobody speaks."""
        motion = self._smoother.push(clamp(gate(motion, self._open[: len(motion)])))
        self._open = self._open[len(motion) :]
        self._frame += len(motion)
        self._poses.extend(motion)
        return motion

    def _count(self, frames: int, begun: float) -> None:
        spent = time.perf_counter() - begun
        chunks = -(-frames // self.decoder.settings.chunk)
        self.stats.compute_seconds += spent
        self.stats.frames += frames
        self.stats.chunks += chunks
        self.stats.chunk_seconds.extend([spent / chunks] * chunks if chunks else [])

    def _chunk(self, motion: np.ndarray, start: int) -> FaceChunk:
        split = len(BLENDSHAPES)
        return FaceChunk(motion[:, :split], motion[:, split:], self.fps, start)

    @staticmethod
    def _empty() -> np.ndarray:
        return np.empty((0, MOTION_WIDTH), np.float32)
