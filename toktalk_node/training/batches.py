"""Training windows of the motion model: what is cut out of an utterance, what is known in it, who sees what."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from toktalk_node.motion.model import MotionModel
from toktalk_node.motion.style import StyleEncoder
from toktalk_node.training.shards import MotionData, Utterance

EASE_SECONDS = 0.4
"""How long a face that rests takes to join the performance, where a window begins before its utterance, and how long
one in another actor's style takes to come to its own."""


@dataclass(frozen=True)
class Windows:
    """How windows are drawn."""

    batch: int = 24
    """Windows per step."""
    frames: int = 64
    """Frames per window; even."""
    chunks: tuple[int, ...] = (4, 6, 6, 6, 8, 12, 20, 40)
    """Chunk lengths C of the attention mask, drawn evenly, so that C stays a knob at run time."""
    full_context: float = 0.1
    """Share of steps without a chunk mask."""
    known: float = 0.85
    """Share of windows whose first frames are given, as they are in every streamed chunk."""
    longest_known: float = 0.8
    """Longest known beginning as a share of the window."""
    restyled: float = 0.25
    """Share of windows in a style whose known frames have another actor's resting face under the motion: so styles may
    change while a face speaks, and what has gone astray finds back."""
    dropped: float = 0.2
    """Share of windows without condition and style, which guidance needs. Known frames stay, unlike in the paper: what
    guidance adds is then what was heard, and not a push away from where the face was, which the next chunk repeats."""
    open_style: float = 0.12
    """Share of the others without a style, so that the model can do without one."""
    reference: tuple[int, ...] = (100, 150, 200, 250)
    """Frames of the clips that styles are read off."""


@dataclass(frozen=True)
class Batch:
    """A batch of windows, standardised, for one step."""

    motion: Tensor
    """[batch, frames, M]."""
    condition: Tensor
    """[batch, frames, E]; zeros where dropped."""
    reference: Tensor
    """Other motion of the same actors [batch, R, M]; R is 0 for a model without styles."""
    styled: Tensor
    """1 where the style is given [batch, 1, 1]."""
    known: Tensor
    """1 where the motion is given [batch, frames, 1]."""
    weight: Tensor
    """1 where the loss counts [batch, frames, 1]: neither known nor behind the utterance's end."""
    t: Tensor
    """Even draws in [0, 1] [batch], one per stratum."""
    noise: Tensor
    """[batch, frames, M]."""
    chunk: int | None
    """Chunk length of the mask; None: full context."""
    offset: int
    """Frames of the first chunk before the window."""

    def style(self, encoder: StyleEncoder | None) -> Tensor:
        """Styles [batch, 1, S] of the references, zeros where they are left open; S is 0 without an encoder."""
        if encoder is None:
            return self.styled[..., :0]
        return encoder(self.reference)[:, None] * self.styled


class Sampler:
    """Draws batches; batch `step` is a function of (seed, step), so that training resumes where it stopped."""

    def __init__(self, data: MotionData, model: MotionModel, windows: Windows, seed: int = 0) -> None:
        self.data, self.windows, self.seed = data, windows, seed
        self.model = model
        self.look_ahead = model.config.look_ahead
        lengths = np.array([len(item) + windows.frames // 2 for item in data.utterances], float)
        self._cumulative = np.cumsum(lengths / lengths.sum())
        self._eased = ~torch.tensor(model.config.space.moved_by_speech())
        self._by_actor: dict[str, list[int]] = {}
        for i, item in enumerate(data.utterances):
            self._by_actor.setdefault(item.actor or item.id, []).append(i)

    def __call__(self, step: int) -> Batch:
        """The batch of step `step`, on the model's device."""
        w, model = self.windows, self.model
        rng = np.random.default_rng([self.seed, step])
        chosen = np.searchsorted(self._cumulative, rng.random(w.batch)).clip(max=len(self._cumulative) - 1)
        cuts = [self._cut(self.data.utterances[i], rng) for i in chosen]
        motion, condition, weight = (torch.stack(column).to(model.silence) for column in zip(*cuts, strict=True))

        chunk = None if rng.random() < w.full_context else int(rng.choice(w.chunks))
        offset = 0 if chunk is None else 2 * int(rng.integers(chunk // 2))
        dropped = rng.random(w.batch) < w.dropped
        styled = ~dropped & (rng.random(w.batch) >= w.open_style)
        known = torch.zeros(w.batch, w.frames, 1)
        ends = np.arange(0, int(w.longest_known * w.frames) + 1, 2)
        if chunk is not None:
            ends = ends[(ends + offset) % chunk == 0]
        if len(ends):
            for row in np.flatnonzero(rng.random(w.batch) < w.known):
                known[row, : int(rng.choice(ends))] = 1
        for row in np.flatnonzero(styled & (rng.random(w.batch) < w.restyled)):
            actor = self.data.utterances[chosen[row]].actor
            motion[row] = self._restyled(motion[row], actor, int(known[row].sum()), rng)
        known = known.to(model.silence)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        noise = torch.randn(motion.shape, generator=generator).to(motion)
        keep = torch.from_numpy(~dropped).to(motion)[:, None, None]
        reference = self._references(chosen, rng)
        t = (torch.from_numpy(rng.permutation(w.batch)) + torch.rand(w.batch, generator=generator)) / w.batch
        return Batch(
            motion=model.standardise_motion(motion),
            condition=model.standardise_condition(condition) * keep,
            reference=model.standardise_motion(reference.to(motion)),
            styled=torch.from_numpy(styled).to(motion)[:, None, None],
            known=known,
            weight=weight * (1 - known),
            t=t.to(motion),
            noise=noise,
            chunk=chunk,
            offset=offset,
        )

    def _references(self, chosen: np.ndarray, rng: np.random.Generator) -> Tensor:
        """Clips [batch, R, M] of the actors of the chosen utterances; R is 0 for a model without styles.

        A clip is other utterances of the actor, end to end; the same one where the actor has no other.
        """
        config = self.model.config
        if not config.style_width:
            return torch.zeros(len(chosen), 0, config.motion_width)
        frames, clips = int(rng.choice(self.windows.reference)), []
        for index in chosen:
            item = self.data.utterances[index]
            mates = self._by_actor[item.actor or item.id]
            clip: list[Tensor] = []
            while sum(map(len, clip)) < frames:
                mate = mates[int(rng.integers(len(mates)))]
                if mate != index or len(mates) == 1:
                    motion = self.data.utterances[mate].motion
                    clip.append(motion[int(rng.integers(max(len(motion) - frames, 0) + 1)) :][:frames])
            clips.append(torch.cat(clip)[:frames].float())
        return torch.stack(clips)

    def _restyled(self, motion: Tensor, actor: str, known: int, rng: np.random.Generator) -> Tensor:
        """`motion` [frames, M], raw, whose first `known` frames lie over another actor's rest, and those after it
        smoothly return to their own."""
        rests, ease = self.data.rests, EASE_SECONDS * self.data.fps
        if not known or actor not in rests:
            return motion
        other = rests[list(rests)[int(rng.integers(len(rests)))]]
        ramp = ((torch.arange(len(motion), device=motion.device) - known + 1) / ease).clamp(0, 1)[:, None]
        moved = motion + (0.5 + 0.5 * torch.cos(ramp * torch.pi)) * (other - rests[actor]).to(motion)
        weights = self.model.config.space.weights
        return torch.cat([moved[:, :weights].clamp(0, 1), moved[:, weights:]], dim=1)

    def _cut(self, item: Utterance, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Motion [frames, M], condition [frames, E] and weight [frames, 1] of a window of an utterance.

        A window may begin before the utterance, where the face rests in silence as it does before a stream; what is
        not speech (head, eyes, brows) then joins the performance smoothly.
        """
        frames, ahead = self.windows.frames, self.look_ahead
        start = int(rng.integers(-(frames // 2), max(len(item) - frames, 0) + 1))
        stop = start + frames
        rest = self.data.rests.get(item.actor, self.model.rest.cpu())
        motion = rest.repeat(frames, 1)
        condition = self.model.silence.cpu().repeat(frames, 1)
        weight = torch.zeros(frames, 1)
        inside = slice(max(-start, 0), max(min(len(item), stop) - start, 0))
        motion[inside] = item.motion[max(start, 0) : stop].float()
        weight[: inside.stop] = 1
        heard = slice(max(-start - ahead, 0), max(min(len(item), stop + ahead) - start - ahead, 0))
        condition[heard] = item.condition[max(start + ahead, 0) : stop + ahead].float()
        if start < 0:
            ramp = (torch.arange(frames) + start + 1) / (EASE_SECONDS * self.data.fps)
            ramp = 0.5 - 0.5 * torch.cos(ramp.clamp(0, 1) * torch.pi)
            motion = torch.where(self._eased, rest + ramp[:, None] * (motion - rest), motion)
        return motion, condition, weight
