"""Train the voice-activity gate of speech/vad.py: speech of the corpus in noise, against sounds that are not speech."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from toktalk_node.corpus.augment import augment
from toktalk_node.corpus.dataset import RATE
from toktalk_node.speech.files import read_audio
from toktalk_node.speech.phones import SILENCE, Phone
from toktalk_node.speech.resample import resample
from toktalk_node.speech.vad import BANDS, DELAY, FEATURES, HOP, VERSION, WINDOW, above_floor, spectrum_features
from toktalk_node.training import music
from toktalk_node.training.disturbance import MAKERS, STEADY, coloured, unit

SECONDS = 6
HOPS = SECONDS * RATE // HOP
HIDDEN = 40
MISSED = 1.5
"""What a missed moment of speech weighs against a false one: a still mouth in speech is seen sooner."""
SCORES, SCORE_SECONDS = 120, 20.0


def features(samples: np.ndarray) -> np.ndarray:
    """Features [n / 160, 23] of whole sound float [n] at 16 kHz, as the stream computes them."""
    count = len(samples) // HOP
    side = (WINDOW - HOP) // 2
    padded = np.concatenate([np.zeros(side), samples, np.zeros(WINDOW)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[: count * HOP : HOP]
    out = np.empty((count, FEATURES))
    out[:, :-1] = spectrum_features(frames)
    floor = np.inf
    for hop in range(count):
        out[hop, -1], floor = above_floor(out[hop, BANDS], floor)
    return out


def activity(phones: list[Phone], count: int) -> np.ndarray:
    """Whether speech sounds at the time that each hop of the network answers for, float64 [count]."""
    time = (np.arange(count) + 0.5 - DELAY - 0.5) * HOP / RATE
    out = np.zeros(count)
    for phone in phones:
        if phone.label != SILENCE:
            out[(time >= phone.start) & (time < phone.end)] = 1
    return out


def music_pool(path: Path, seed: int) -> np.ndarray:
    """Played music float32 [n] at 16 kHz, kept at `path`; empty where FluidSynth is missing."""
    if path.is_file():
        return read_audio(path)[0]
    if not music.available():
        return np.zeros(0, np.float32)
    played = music.play([music.score(np.random.default_rng([seed, k]), SCORE_SECONDS) for k in range(SCORES)])
    partial = path.with_suffix(".partial.flac")
    soundfile.write(partial, played / max(1.0, np.abs(played).max()), RATE)
    os.replace(partial, path)
    return played


def example(
    rng: np.random.Generator, utterances: list[dict], corpus: Path, pool: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features and activity of six seconds: speech with pauses, in quiet or in noise, or another sound alone."""
    count = SECONDS * RATE
    sound, phones = np.zeros(count), []
    if rng.random() < 0.6:
        at = rng.integers(0, 2 * RATE) if rng.random() < 0.7 else 0
        while at < count:
            row = utterances[rng.integers(len(utterances))]
            samples, _ = read_audio(corpus / row["audio"])
            samples, said = augment(samples, [Phone(*phone) for phone in row["phones"]], rng)
            if rng.random() < 0.35:  # the corpus is short of high voices
                faster = int(RATE * rng.uniform(1.05, 1.4)) // 100 * 100
                samples = resample(samples, faster)
                said = [Phone(p.label, p.start * RATE / faster, p.end * RATE / faster) for p in said]
            samples = samples[: count - at]
            sound[at : at + len(samples)] += samples
            phones += [Phone(p.label, p.start + at / RATE, p.end + at / RATE) for p in said]
            at += len(samples) + rng.integers(0, 2 * RATE)
        loud = np.abs(sound) > 0.05 * np.abs(sound).max(initial=0)
        level = np.sqrt((sound[loud] ** 2).mean()) if loud.any() else 0.0
        if level > 0:
            sound *= 10 ** (rng.uniform(-42, -6) / 20) / level
            if rng.random() < 0.6:
                maker = STEADY[rng.integers(len(STEADY))]
                noise = maker(rng, count) * 10 ** (-rng.uniform(5, 40) / 20)
                sound += noise * np.sqrt((sound[loud] ** 2).mean())
    elif rng.random() < 0.95:
        begin = rng.choice([0, rng.integers(0, 3 * RATE)])
        if len(pool) > count and rng.random() < 0.5:
            made = _coloured_music(rng, pool, count - begin)
        else:
            made = MAKERS[rng.integers(len(MAKERS))](rng, count - begin)
        sound[begin:] = made * 10 ** (rng.uniform(-60, -3) / 20)
        if rng.random() < 0.3:
            sound += STEADY[rng.integers(len(STEADY))](rng, count) * 10 ** (rng.uniform(-75, -20) / 20)
    if rng.random() < 0.8:
        sound += rng.standard_normal(count) * 10 ** (rng.uniform(-95, -60) / 20)
    sound = np.clip(sound, -1, 1)
    return features(sound), activity(phones, HOPS)


def _coloured_music(rng: np.random.Generator, pool: np.ndarray, count: int) -> np.ndarray:
    """A part of the pool at unit RMS, its spectrum tilted and its speed changed by chance."""
    speed = rng.uniform(0.8, 1.25)
    need = int(count * speed) + 1
    start = rng.integers(0, len(pool) - need)
    part = np.interp(np.arange(count) * speed, np.arange(need), pool[start : start + need])
    frequency = np.maximum(np.fft.rfftfreq(count, 1 / RATE), 50)
    tilted = np.fft.irfft(np.fft.rfft(part) * (frequency / 1000) ** rng.uniform(-0.7, 0.7), count)
    return unit(unit(tilted) + rng.uniform(0, 0.1) * coloured(rng, count))


@dataclass(frozen=True)
class Progress:
    """How far training is: examples made or steps done, of how many, and the newest loss."""

    stage: str
    done: int
    total: int
    loss: float = float("nan")


def train(
    corpus: Path,
    out: Path,
    *,
    examples: int = 2500,
    steps: int = 1500,
    seed: int = 0,
    report: Callable[[Progress], None] = lambda progress: None,
) -> float:
    """Train on the corpus' train split and write the weights to `out`; answers the mean loss of the last 50 steps.

    Raises ValueError where the corpus is missing or empty.
    """
    import torch
    from safetensors.torch import save_file

    manifest = corpus / "manifest.jsonl"
    if not manifest.is_file():
        raise ValueError(f"{corpus} holds no corpus (no manifest.jsonl): make one with `toktalk corpus build`")
    rows = [row for row in map(json.loads, _lines(manifest)) if row["split"] == "train"]
    if not rows:
        raise ValueError(f"the corpus in {corpus} has no utterances to train on")
    rng = np.random.default_rng(seed)
    inputs, targets = np.empty((examples, HOPS, FEATURES), np.float32), np.empty((examples, HOPS), np.float32)
    pool = music_pool(corpus / "music.flac", seed)
    for k in range(examples):
        inputs[k], targets[k] = example(rng, rows, corpus, pool)
        report(Progress("examples", k + 1, examples))
    mean, scale = inputs.mean(axis=(0, 1)), inputs.std(axis=(0, 1)) + 1e-3
    x, y = torch.from_numpy((inputs - mean) / scale), torch.from_numpy(targets)

    torch.manual_seed(seed)
    gru, output = torch.nn.GRU(FEATURES, HIDDEN, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    model = torch.nn.ModuleDict({"gru": gru, "output": output})
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    settled, missed = torch.ones(HOPS), torch.tensor(MISSED)
    settled[: 2 * DELAY] = 0
    recent: list[float] = []
    for step in range(steps):
        batch = torch.from_numpy(rng.integers(0, examples, 64))
        logits = output(gru(x[batch])[0])[..., 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, y[batch], reduction="none", pos_weight=missed
        )
        loss = (loss * settled).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent = [*recent[-49:], loss.item()]
        report(Progress("steps", step + 1, steps, float(np.mean(recent))))
    state = dict(model.state_dict())
    state["output.weight"] = state["output.weight"][0].contiguous()
    state |= {"mean": torch.from_numpy(mean), "scale": torch.from_numpy(scale)}
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    about = {"version": VERSION, "examples": examples, "steps": steps, "seed": seed, "music": len(pool) / RATE}
    save_file(state, partial, {"vad": json.dumps(about)})
    partial.chmod(0o644)  # safetensors makes files that only their owner reads
    os.replace(partial, out)
    return float(np.mean(recent))


def _lines(path: Path) -> Iterator[str]:
    with path.open() as lines:
        yield from (line for line in lines if line.strip())
