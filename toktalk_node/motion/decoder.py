"""Chunk-wise streaming decoding: conditions in, motion out, in chunks of C frames.

Each chunk is decoded behind the last `overlap` frames that were shown, which are inpainted at every solver step.
Noise is a function of the seed and of the absolute frame index alone, and every chunk starts at a multiple of C, so
the motion does not depend on how its input was cut into packets: streaming equals offline, bit for bit.

A stream starts behind a resting, silent face: its history is the face at rest, with a level head, and the condition
of silence, both of which the checkpoint holds; the end of a stream is filled up with the same condition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from torch import Tensor

from toktalk_node.motion.config import MotionConfig, check_even
from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.noise import frame_noise
from toktalk_node.motion.solver import Schedule, euler, guided, solver_times
from toktalk_node.motion.style import Style

SETTLING = 2
"""Seconds of silence that a face is given to come to the rest of its style."""
BLEND_FRAMES = 20
"""Frames over which one style gives way to another."""


@dataclass(frozen=True)
class DecodeSettings:
    """The knobs of decoding; none needs other weights."""

    overlap: int = 24
    """Known frames before the chunk; even."""
    chunk: int = 6
    """New frames per chunk C; even."""
    steps: int = 4
    """Euler steps n."""
    guidance: float = 0.3
    """Weight w of classifier-free guidance; 0 turns it off and halves the work."""
    schedule: Schedule = "cosine"
    """Spacing of the solver's times."""
    temperature: float = 1.0
    """Deviation of the noise in channels that speech does not move."""
    speech_temperature: float = 1.0
    """Deviation of the noise in channels that speech moves."""

    def __post_init__(self) -> None:
        check_even("overlap", self.overlap)
        check_even("chunk", self.chunk)
        solver_times(self.steps, self.schedule)
        for name in ("guidance", "temperature", "speech_temperature"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, but is {getattr(self, name)}")

    @classmethod
    def of(cls, config: MotionConfig) -> "DecodeSettings":
        """The live defaults of a model."""
        shared = {f.name for f in fields(cls)} & {f.name for f in fields(config)}
        return cls(**{name: getattr(config, name) for name in shared})

    def deviation(self, config: MotionConfig) -> np.ndarray:
        """Deviation float32 [M] of the noise in each channel of the model's face."""
        moved = config.space.moved_by_speech()
        return np.float32([self.speech_temperature if speaks else self.temperature for speaks in moved])


@dataclass(frozen=True)
class DecoderState:
    """Where one stream stands: what was shown last, and what comes next. Never changed in place."""

    motion: Tensor
    """Standardised motion of the last frames [overlap, M]."""
    condition: Tensor
    """Standardised condition of the last frames [overlap, E]."""
    style: Tensor
    """Style of the last frames [overlap, S]."""
    noise: Tensor
    """Noise of the last frames [overlap, M]."""
    frame: int
    """Absolute index of the next frame."""
    seed: int
    """Seed of the stream's noise."""


class MotionDecoder:
    """Decodes chunks of any number of streams with one model; holds no stream's state."""

    def __init__(self, model: MotionModel, settings: DecodeSettings | None = None) -> None:
        self.model = model.eval()
        self.settings = settings or DecodeSettings.of(model.config)
        if model.config.look_ahead > self.settings.overlap:
            raise ValueError(
                f"overlap {self.settings.overlap} must be at least the model's look-ahead {model.config.look_ahead}"
            )
        self._deviation = self.settings.deviation(model.config)

    @torch.no_grad()
    def start(self, seed: int = 0, style: Style | None = None) -> DecoderState:
        """The state of a stream that is about to begin, at frame 0, with the face at the style's rest."""
        model, overlap = self.model, self.settings.overlap
        style = style or self.open_style
        rest = model.standardise_motion(style.rest)
        return DecoderState(
            motion=rest.expand(overlap, -1),
            condition=model.standardise_condition(model.silence).expand(overlap, -1),
            style=style.vector.expand(overlap, -1),
            noise=self._noise(seed, -overlap, overlap),
            frame=0,
            seed=seed,
        )

    @torch.no_grad()
    def prime(self, state: DecoderState, condition: Tensor) -> DecoderState:
        """Pair the last frames of history with the first conditions [look_ahead, E]; once, before the first step."""
        known = self.model.standardise_condition(condition.to(self.model.silence))
        return replace(state, condition=torch.cat([state.condition[len(known) :], known]))

    @torch.no_grad()
    def step(
        self, states: Sequence[DecoderState], condition: Tensor, style: Tensor | None = None
    ) -> tuple[Tensor, list[DecoderState]]:
        """Decode the next chunk of every stream in one forward pass per solver step.

        condition: [streams, chunk, E], raw embeddings; row i is of the frames `look_ahead` after the next of
        states[i]. style: [streams, chunk, S]; None goes on in the last frame's. Returns motion [streams, chunk, M],
        weights in [0, 1] and radians, and the states after it.
        Rows may differ in their last bits from those of another number of streams, as matrix products do.
        """
        model, s = self.model, self.settings
        expected = (len(states), s.chunk, model.config.condition_width)
        if tuple(condition.shape) != expected:
            raise ValueError(f"condition must be [streams, chunk, E] = {list(expected)}, not {list(condition.shape)}")
        streams, width = len(states), model.config.motion_width
        new_condition = model.standardise_condition(condition.to(model.silence))
        new_noise = torch.stack([self._noise(state.seed, state.frame, s.chunk) for state in states])
        history = torch.stack([state.motion for state in states])
        window_condition = torch.cat([torch.stack([state.condition for state in states]), new_condition], dim=1)
        styles = torch.stack([state.style for state in states])
        if style is None:
            style = styles[:, -1:].expand(-1, s.chunk, -1)
        styles = torch.cat([styles, style.to(styles)], dim=1)
        noise = torch.cat([torch.stack([state.noise for state in states]), new_noise], dim=1)

        x = self._solve(noise, window_condition, styles, history)
        motion = model.to_motion(x[:, s.overlap :])
        shown = torch.cat([history, model.standardise_motion(motion)], dim=1)[:, s.chunk :]
        after = [
            DecoderState(
                motion=shown[i],
                condition=window_condition[i, s.chunk :],
                style=styles[i, s.chunk :],
                noise=noise[i, s.chunk :],
                frame=state.frame + s.chunk,
                seed=state.seed,
            )
            for i, state in enumerate(states)
        ]
        assert motion.shape == (streams, s.chunk, width)
        return motion, after

    @torch.no_grad()
    def style_of(self, clip: Tensor) -> Style:
        """The style of a clip of motion [frames, M], raw, at the model's rate; its rest is what silence gives in it.

        Raises ValueError for a model without styles, another width, or a clip shorter than a second.
        """
        vector = self.model.encode_style(clip)
        return Style(vector, self.rests(vector[None])[0])

    @torch.no_grad()
    def rests(self, vectors: Tensor) -> Tensor:
        """The faces [styles, M] that say nothing in the styles `vectors` [styles, S]: medians of what silence gives."""
        model, chunk = self.model, self.settings.chunk
        states = [self.start(style=Style(vector, model.rest)) for vector in vectors]
        silence = model.silence.expand(len(vectors), chunk, -1)
        frames = []
        for _ in range(-(-SETTLING * model.config.fps // chunk)):
            motion, states = self.step(states, silence)
            frames.append(motion)
        return torch.cat(frames, dim=1)[:, model.config.fps // 2 :].median(dim=1).values

    @property
    def open_style(self) -> Style:
        """The style of those who ask for none."""
        model = self.model
        return Style(model.rest.new_zeros(model.config.style_width), model.rest)

    def _solve(self, noise: Tensor, condition: Tensor, style: Tensor, history: Tensor) -> Tensor:
        """Integrate the flow over a window [streams, overlap + chunk, M] whose first frames are `history`."""
        s, net = self.settings, self.model.net
        offset = -s.overlap % s.chunk
        known = torch.cat([history, torch.zeros_like(noise[:, s.overlap :])], dim=1)
        mask = torch.zeros_like(noise[..., :1])
        mask[:, : s.overlap] = 1
        if s.guidance:
            condition, style = (torch.cat([v, torch.zeros_like(v)]) for v in (condition, style))
            known, mask = (torch.cat([v, v]) for v in (known, mask))

        def velocity(x: Tensor, t: float, length: float) -> Tensor:
            time, length = (torch.full((len(x),), value, device=x.device) for value in (t, length))
            return net(x, time, condition, style, known, mask, s.chunk, offset, length)

        return euler(
            guided(velocity, s.guidance) if s.guidance else velocity,
            noise,
            solver_times(s.steps, s.schedule),
            history,
        )

    def _noise(self, seed: int, start: int, frames: int) -> Tensor:
        noise = frame_noise(seed, start, frames, self.model.config.motion_width) * self._deviation
        return torch.from_numpy(noise).to(self.model.silence)


class MotionStream:
    """One stream: push conditions in packets of any size, get the frames that are ready.

    Frame i is ready when the condition of its whole chunk, and `look_ahead` frames more, has come.
    """

    def __init__(self, decoder: MotionDecoder, seed: int = 0, style: Style | None = None) -> None:
        self.decoder = decoder
        self.seed = seed
        self.style = style or decoder.open_style
        self.reset()

    def reset(self) -> None:
        """Back to frame 0 and the resting face, in the style that was set last."""
        config = self.decoder.model.config
        self.state = self.decoder.start(self.seed, self.style)
        self._coming = self.state.style[:0]
        self._pending = torch.empty(0, config.condition_width)
        self._unprimed = config.look_ahead
        self._received = 0

    def set_style(self, style: Style | None, frames: int = BLEND_FRAMES) -> None:
        """Speak in `style`, None for the open one, from the next chunk on; the change is spread over `frames`."""
        self.style = style or self.decoder.open_style
        if not self._received:
            self.reset()
            return
        share = torch.arange(1, frames + 1, device=self.style.vector.device)[:, None] / max(frames, 1)
        self._coming = torch.lerp(self.state.style[-1], self.style.vector, share)

    def push(self, condition: Tensor) -> Tensor:
        """Take conditions [n, E], any n; return the motion [m, M] of the chunks they complete."""
        width = self.decoder.model.config.condition_width
        if condition.dim() != 2 or condition.shape[1] != width:
            raise ValueError(f"condition must be [frames, {width}], not {list(condition.shape)}")
        self._received += len(condition)
        self._pending = torch.cat([self._pending, condition.to(self._pending)])
        if self._unprimed:
            if len(self._pending) < self._unprimed:
                return self._empty()
            self.state = self.decoder.prime(self.state, self._pending[: self._unprimed])
            self._pending = self._pending[self._unprimed :]
            self._unprimed = 0
        chunk = self.decoder.settings.chunk
        ready = []
        while len(self._pending) >= chunk:
            style, self._coming = self._coming[:chunk], self._coming[chunk:]
            style = torch.cat([style, self.style.vector.expand(chunk - len(style), -1).to(style)])
            motion, (self.state,) = self.decoder.step([self.state], self._pending[None, :chunk], style[None])
            self._pending = self._pending[chunk:]
            ready.append(motion[0])
        return torch.cat(ready) if ready else self._empty()

    def finish(self) -> Tensor:
        """The motion of the frames still owed, the input continued by silence; then the stream is at its start."""
        owed = self._received - self.state.frame
        whole_chunks = owed + -owed % self.decoder.settings.chunk
        missing = whole_chunks + self._unprimed - len(self._pending)
        motion = self.push(self.decoder.model.silence.cpu().expand(missing, -1)) if owed else self._empty()
        self.reset()
        return motion[:owed]

    def _empty(self) -> Tensor:
        return self.state.motion[:0]


def decode(decoder: MotionDecoder, condition: Tensor, seed: int = 0, style: Style | None = None) -> Tensor:
    """Motion [frames, M] of a whole recording's conditions [frames, E]; equal to streaming it."""
    stream = MotionStream(decoder, seed, style)
    return torch.cat([stream.push(condition), stream.finish()])


def generate(decoder: MotionDecoder, condition: Tensor, reference: Tensor | None = None, seed: int = 0) -> Tensor:
    """Motion [frames, M] of a recording's conditions [frames, E] in the style of a clip of motion [R, M], raw."""
    return decode(decoder, condition, seed, None if reference is None else decoder.style_of(reference))
