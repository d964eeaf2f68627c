"""A session: one speaker's stream of sound or tokens, turned into face frames as it comes.

    session = Session.load()
    face = session.push_audio(pcm, 48_000)      # frames that are ready, perhaps none
    face = session.finish()                     # the rest; the face comes to rest

The frames do not depend on how the input was cut into packets: sound is resampled, tokenized and decoded in steps of
fixed size, and the noise that motion starts from is a function of the seed and of the frame's index.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from toktalk_node.face import retarget
from toktalk_node.face.arkit import BLENDSHAPES, MOTION_WIDTH
from toktalk_node.face.rest import clamp, gate, strengthen, to_rest
from toktalk_node.face.smooth import Smoother
from toktalk_node.face.space import ARKIT
from toktalk_node.signals import NANOSECONDS, FaceChunk, TokenChunk
from toktalk_node.speech.resample import Resampler
from toktalk_node.speech.source import check_rate, clean
from toktalk_node.speech.vad import VoiceGate
from toktalk_node.stream.adapted import condition_space, condition_stream

if TYPE_CHECKING:
    from toktalk_node.motion.decoder import MotionDecoder
    from toktalk_node.motion.solver import Schedule
    from toktalk_node.motion.style import Style
    from toktalk_node.tokens.base import Tokenizer

LIVE_PRESET = "mini-live"
"""The motion model for a stream that must keep up on one CPU core: no guidance, so one pass per step."""
WEIGHTS = Path(__file__).resolve().parent.parent / "weights"
"""Where the weights that ship with the package lie: `phonetic` and one folder per motion preset."""
REST_SECONDS = 0.2
"""Time that the face takes to come to rest after the speech, or after an interruption."""
MAX_CLIP = 60
"""Seconds of a style clip that are read."""
REST_TIME = 0.1
"""Time constant in seconds with which the face at rest follows a change of style."""
JOIN_SECONDS = 0.4
"""Time in which a stream comes from where the last one left the face to its own style."""
_POSES = 60
"""Seconds of frames that are remembered, for an interruption to go on from the frame that was shown."""


@dataclass
class SessionStats:
    """What a session did since it was made, or since its owner gave it new ones."""

    seconds: float = 0.0
    """Seconds of sound or tokens taken in."""
    frames: int = 0
    chunks: int = 0
    """Chunks of motion that were decoded."""
    compute_seconds: float = 0.0
    """Time that passed while it computed, other programs' turns on the same core included."""
    thread_seconds: float = 0.0
    """Processor time of the computing thread alone; torch's further threads and a GPU do not show in it."""
    chunk_seconds: deque[float] = field(default_factory=lambda: deque(maxlen=2000))
    """Computing time of each of the latest chunks, tokens and motion."""
    bad_values: int = 0
    """Samples that were not finite; they became silence."""

    @property
    def real_time_factor(self) -> float:
        """Time that computing takes per second of input, by the clock on the wall: it must stay below 1."""
        return self.compute_seconds / self.seconds if self.seconds else 0.0

    @property
    def thread_factor(self) -> float:
        """Processor time per second of input: the same however busy the machine is."""
        return self.thread_seconds / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Interruption:
    """Answer to an interruption: what was played, what was dropped, and the way to rest."""

    played_frames: int
    """Frames shown before the interruption."""
    dropped_frames: int
    """Frames that had been given out and will not be shown."""
    rest: FaceChunk
    """Frames that bring the face to rest; the first takes the place of frame `played_frames`. None where the stream
    had come to rest by itself."""


def load_model(
    preset: str,
    *,
    chunk: float | None = None,
    steps: int | None = None,
    guidance: float | None = None,
    schedule: "Schedule | None" = None,
    device: str = "cpu",
    adapter: Path | str | None = None,
    weights: Path | str | None = None,
) -> "tuple[MotionDecoder, Tokenizer, dict[str, Style]]":
    """The decoder of a motion model of any face, the tokenizer before it, and its named styles: see `Session.load`."""
    from dataclasses import replace

    from toktalk_node.motion import checkpoint
    from toktalk_node.motion.decoder import DecodeSettings, MotionDecoder
    from toktalk_node.stream import adapted
    from toktalk_node.tokens import phonetic

    folder = Path(weights) if weights else WEIGHTS
    tokenizer = adapted.load(adapter, shipped=folder) if adapter else phonetic.load(folder / phonetic.SPACE)
    trained = folder / preset
    if not trained.is_dir() and Path(preset).is_dir():
        trained = Path(preset)
    model = checkpoint.load(trained, device)
    frames = None if chunk is None else 2 * round(chunk * model.config.fps / 2)
    wanted = {"chunk": frames, "steps": steps, "guidance": guidance, "schedule": schedule}
    changes = {name: value for name, value in wanted.items() if value is not None}
    decoder = MotionDecoder(model, replace(DecodeSettings.of(model.config), **changes))
    return decoder, tokenizer, checkpoint.load_styles(trained, model.config, device)


def check_spaces(decoder: "MotionDecoder", tokenizer: "Tokenizer") -> None:
    """Raise ValueError unless the motion model was trained on what the tokenizer gives."""
    config, space = decoder.model.config, condition_space(tokenizer)
    if (config.token_space, config.condition_width) != (space.name, space.width):
        raise ValueError(
            f"the motion model was trained on tokens of space {config.token_space!r}, width "
            f"{config.condition_width}; the tokenizer makes {space.name!r}, width {space.width}"
        )
    if config.fps != space.rate:
        raise ValueError(f"the motion model runs at {config.fps} Hz, its conditions come at {space.rate} Hz")


class Session:
    """One stream. Sessions may share a decoder and a tokenizer, which hold no stream's state.

    A stream takes either sound at one rate or tokens of the model's space. After `finish` or `interrupt` it is over,
    and the next input begins another; until then it can still be interrupted, as its frames may not all be played.
    """

    strength: tuple[float, float] = (1.0, 1.0)
    """How far upper face with head, and lower face, go from the style's rest: 1 as the model has it, 0 not at all."""
    smoothing: float = 0.0
    """How much head, brows and gaze are smoothed: 0 not at all, 1 with the cut-offs of `face/smooth.py`, more is
    slower; from the next stream on."""

    def __init__(
        self,
        decoder: "MotionDecoder",
        tokenizer: "Tokenizer",
        *,
        seed: int = 0,
        styles: "Mapping[str, Style] | None" = None,
    ) -> None:
        from toktalk_node.motion.decoder import MotionStream

        config = decoder.model.config
        if config.space is not ARKIT:
            raise ValueError(
                f"live faces are ARKit's, but this motion model makes {config.face}: `toktalk render SOUND -o FACE.npz "
                "--preset FOLDER` writes its coefficients"
            )
        check_spaces(decoder, tokenizer)
        self.decoder, self.tokenizer = decoder, tokenizer
        self.stats = SessionStats()
        self.styles: Mapping[str, Style] = styles or {}
        self._motion = MotionStream(decoder, seed, self._blend({}))
        self._poses: deque[np.ndarray] = deque(maxlen=_POSES * config.fps)
        self.reset()

    @classmethod
    def load(
        cls,
        preset: str = LIVE_PRESET,
        *,
        seed: int = 0,
        chunk: float | None = None,
        steps: int | None = None,
        guidance: float | None = None,
        schedule: "Schedule | None" = None,
        style: str = "",
        device: str = "cpu",
        adapter: Path | str | None = None,
        weights: Path | str | None = None,
    ) -> "Session":
        """A session on the weights that ship with the package, or on those in the folder `weights`.

        preset: name of a motion model there, or the folder of another, as `toktalk train motion --out` makes it.
        chunk: seconds per chunk C; steps: Euler steps n; guidance: weight w; schedule: spacing of the steps, cosine or
        uniform; None takes the model's own default. style: see `set_style`; or the file of a clip, whose style is
        taken. adapter: folder of an adaptation layer, as `toktalk train adapter --out` makes it; the stream then takes
        sound or the tokens of the space that it adapts. Raises CheckpointError or TokenizerError, naming the command
        that makes the weights, where they are missing; ValueError for an unknown style or another setting.
        """
        from toktalk_node.stream.clips import chosen_style

        decoder, tokenizer, styles = load_model(
            preset,
            chunk=chunk,
            steps=steps,
            guidance=guidance,
            schedule=schedule,
            device=device,
            adapter=adapter,
            weights=weights,
        )
        session = cls(decoder, tokenizer, seed=seed, styles=styles)
        session.set_style(chosen_style(session, style))
        return session

    @property
    def fps(self) -> int:
        """Frames per second."""
        return self.decoder.model.config.fps

    @property
    def look_ahead(self) -> float:
        """Seconds from a sample to the moment when its frame can be computed, at most: the algorithmic wait.

        The resampler's share, 3 ms or 6 ms from 8 kHz, is in it once sound of another rate than the tokenizer's came.
        """
        motion = (self.decoder.settings.chunk + self.decoder.model.config.look_ahead) / self.fps
        return self.tokenizer.look_ahead + motion + (self._resampler.delay if self._resampler else 0.0)

    def reset(self) -> None:
        """Forget the stream, and where the face stood; the next input begins another."""
        self._next_stream()
        self._stood: np.ndarray | None = None

    def _next_stream(self) -> None:
        self._motion.reset()
        self._rest = self._style_rest()
        self._away = np.zeros_like(self._rest)
        self._smoother: Smoother | None = None
        self._tokens = None
        self._resampler: Resampler | None = None
        self._gate = VoiceGate()
        self._open = np.zeros(0, np.float32)
        self._rate = 0
        self._conditions = condition_stream(self.tokenizer)
        self._token = 0
        self._frame = 0
        self._poses.clear()
        self._over = False

    def set_style(self, style: "str | Style", seconds: float = 0.4) -> None:
        """Speak in `style` from the next chunk on, the change spread over `seconds`; it holds until the next call.

        style: one of `styles` by name, several with weights (`warm=0.6, happiness=0.4`; what is missing to 1 is the
        default's), "" for the default, or what `style_of` made of a clip. Raises ValueError for an unknown name or
        weights that do not make sense.
        """
        from toktalk_node.motion.style import parse_blend

        chosen = self._blend(parse_blend(style)) if isinstance(style, str) else style
        self._motion.set_style(chosen, round(seconds * self.fps))

    def style_of(self, motion: np.ndarray, fps: int) -> "Style":
        """The style of a clip of motion [frames, 55] at `fps`: a second at least, better ten; a minute at most is read.

        Raises ValueError for a model without styles, another shape, numbers that are not finite or a shorter clip.
        """
        motion = np.asarray(motion, np.float32)
        if not np.isfinite(motion).all():
            raise ValueError("the style clip holds values that are not finite")
        clip = retarget.resample(motion[: MAX_CLIP * fps], fps, self.fps)
        return self.decoder.style_of(torch.from_numpy(clip))

    def _blend(self, parts: Mapping[str, float]) -> "Style":
        from toktalk_node.motion.style import DEFAULT_STYLE, Style

        default = self.styles.get(DEFAULT_STYLE, self.decoder.open_style)
        return Style.blended(parts, self.styles, default)

    def push_audio(self, pcm: np.ndarray, rate: int) -> FaceChunk:
        """Take sound [n] or [n, channels] at `rate` Hz, any n; return the frames that are ready.

        Samples that are not finite count as silence. Raises ValueError for another shape or type, a rate that changes
        within the stream, or sound after tokens.
        """
        self._begin()
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
        with self._timed():
            heard = self._resampler.push(samples)
            self._open = np.concatenate([self._open, self._gate.push(heard)])
            return self._give(self._shown(self._decode(self._tokens.push(heard))))

    def push_tokens(self, chunk: TokenChunk) -> FaceChunk:
        """Take tokens of the model's space, following each other without a gap; return the frames that are ready.

        Raises ValueError for another space, ids out of range, a gap, or tokens after sound.
        """
        self._begin()
        if self._tokens is not None:
            raise ValueError("this stream takes sound; call finish() or reset() before pushing tokens")
        if chunk.space != self.tokenizer.space.name:
            raise ValueError(f"tokens of space {chunk.space!r}, but the model takes {self.tokenizer.space.name!r}")
        if chunk.start != self._token:
            raise ValueError(f"tokens are missing: the stream stands at {self._token}, these begin at {chunk.start}")
        ids = self.tokenizer.space.check(chunk.ids)
        self.stats.seconds += len(ids) / self.tokenizer.space.rate
        self._open = np.concatenate([self._open, np.ones(self._frames(len(ids)), np.float32)])
        with self._timed():
            return self._give(self._shown(self._decode(ids)))

    def finish(self) -> FaceChunk:
        """The frames still owed, and those that bring the face to rest; then the stream is over."""
        self._begin()
        with self._timed():
            motion = [self._empty()]
            if self._tokens is not None:
                heard = self._resampler.finish()
                self._open = np.concatenate([self._open, self._gate.push(heard), self._gate.finish()])
                motion.append(self._decode(self._tokens.push(heard)))
                motion.append(self._decode(self._tokens.finish()))
            motion.append(self._move(self._conditions.finish()))
            missing = self._frames(self._token) - self._frame - len(self._open)
            self._open = np.concatenate([self._open, np.zeros(max(missing, 0), np.float32)])
            motion.append(self._motion.finish().cpu().numpy())
            spoken = self._shown(np.concatenate(motion))
            if len(spoken) or self._poses:
                last = spoken[-1] if len(spoken) else self._poses[-1]
                spoken = np.concatenate([spoken, self._to_rest(last)])
            chunk = self._give(spoken)
        self._over = True
        return chunk

    def interrupt(self, played_ns: int | None = None) -> Interruption:
        """Drop what was not played by media time `played_ns`, in nanoseconds; None: all was. The stream is over."""
        if played_ns is not None and played_ns < 0:
            raise ValueError(f"played_ns must not be negative, but is {played_ns}")
        given = self._frame
        played = given if played_ns is None else min(played_ns * self.fps // NANOSECONDS, given)
        for _ in range(min(given - played, len(self._poses))):
            self._poses.pop()
        self._frame = played
        resting = self._over and played == given
        rest = self._empty() if resting else self._to_rest(self._poses[-1] if self._poses else self._rest)
        self._over = True
        return Interruption(played, given - played, self._give(rest))

    def _begin(self) -> None:
        """Another stream, where the one before is over: from where that one left the face, whose style may since have
        changed."""
        if self._over:
            self._stood = self._rest
            self._next_stream()
        if not self._smoother:
            self._rest = self._style_rest()
            self._smoother = Smoother(self.fps, self._rest, self.smoothing)
            if self._stood is not None:
                self._away = self._stood - self._rest

    def _decode(self, ids: np.ndarray) -> np.ndarray:
        """Motion [m, 55] of the chunks that tokens [n, codebooks] complete."""
        self._token += len(ids)
        return self._move(self._conditions.push(ids)) if len(ids) else self._empty()

    def _move(self, conditions: np.ndarray) -> np.ndarray:
        """Motion [m, 55] of the chunks that conditions [n, E] complete."""
        return self._motion.push(torch.from_numpy(conditions)).cpu().numpy() if len(conditions) else self._empty()

    def _frames(self, tokens: int) -> int:
        """Face frames that last as long as `tokens`."""
        return round(tokens * self.fps / self.tokenizer.space.rate)

    def _shown(self, motion: np.ndarray) -> np.ndarray:
        """The motion as it is given out: valid, steady, and its mouth at rest where nobody speaks."""
        opened, self._open = self._open[: len(motion)], self._open[len(motion) :]
        rest = self._rests(len(motion))
        steady = self._smoother.push(clamp(gate(motion, opened, rest)))
        if self.strength != (1, 1):
            steady = clamp(strengthen(steady, rest, *self.strength))
        way = (self._frame + np.arange(1, len(steady) + 1, dtype=np.float32)) / (JOIN_SECONDS * self.fps)
        left = 0.5 + 0.5 * np.cos(np.pi * way.clip(0, 1))
        return clamp(steady + left[:, None] * self._away) if left.any() and self._away.any() else steady

    def _style_rest(self) -> np.ndarray:
        return self._motion.style.rest.cpu().numpy()

    def _rests(self, frames: int) -> np.ndarray:
        """The face at rest of the next frames [frames, 55]: it follows a change of style within half a second."""
        target, share = self._style_rest(), 1 - np.exp(-1 / (REST_TIME * self.fps))
        rests = np.empty((frames, MOTION_WIDTH), np.float32)
        for i in range(frames):
            self._rest = self._rest + share * (target - self._rest)
            rests[i] = self._rest
        return rests

    def _to_rest(self, pose: np.ndarray) -> np.ndarray:
        """The way to rest [n, 55] from `pose` [55]."""
        return to_rest(pose, round(REST_SECONDS * self.fps), self.fps, REST_SECONDS, self._rest.astype(np.float32))

    def _give(self, motion: np.ndarray) -> FaceChunk:
        """`motion` [n, 55] as the stream's next frames, which are remembered."""
        start, split = self._frame, len(BLENDSHAPES)
        self._frame += len(motion)
        self._poses.extend(motion)
        return FaceChunk(motion[:, :split], motion[:, split:], self.fps, start)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        """Counts what is given out meanwhile, and the time that it takes."""
        stats, before = self.stats, self._frame
        begun, thread_begun = time.perf_counter(), time.thread_time()
        yield
        spent = time.perf_counter() - begun
        frames = self._frame - before
        chunks = -(-frames // self.decoder.settings.chunk)
        stats.compute_seconds += spent
        stats.thread_seconds += time.thread_time() - thread_begun
        stats.frames += frames
        stats.chunks += chunks
        stats.chunk_seconds.extend([spent / max(chunks, 1)] * chunks)

    @staticmethod
    def _empty() -> np.ndarray:
        return np.empty((0, MOTION_WIDTH), np.float32)
