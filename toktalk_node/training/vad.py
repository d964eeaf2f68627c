"""Train the voice-activity gate of speech/vad.py: the corpus in noise and over music, against other sounds."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from scipy.signal import lfilter

from toktalk_node.corpus.augment import augment, equalise, reverberate
from toktalk_node.corpus.dataset import RATE, Utterance, load_audio, read_manifest, readable
from toktalk_node.speech.files import read_audio
from toktalk_node.speech.phones import SILENCE, Phone
from toktalk_node.speech.resample import resample
from toktalk_node.speech.vad import BANDS, DELAY, FEATURES, HOP, LONG, VERSION, WINDOW, Past, spectrum_features
from toktalk_node.training import music
from toktalk_node.training.disturbance import MAKERS, STEADY, beats, coloured, groove, unit
from toktalk_node.training.prepare import Say

SECONDS = 6
HOPS = SECONDS * RATE // HOP
HIDDEN = 64
BATCH, CROP = 96, 400
"""Examples in a step, and the hops of each that it sees."""
MISSED = 1.5
"""What a missed moment of speech weighs against a false one: a still mouth in speech is seen sooner."""
SCORES, BANDS_PLAYED, DRUMS = 80, 140, 12
PIECE = 14.0
"""Pieces of music by kind, and their seconds; besides, every instrument plays one alone."""


def features(samples: np.ndarray) -> np.ndarray:
    """Features [n / 160, FEATURES] of whole sound float [n] at 16 kHz, as the stream computes them."""
    count = len(samples) // HOP
    padded = np.concatenate([np.zeros(LONG - (WINDOW + HOP) // 2), samples, np.zeros(WINDOW)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, LONG)[: count * HOP : HOP]
    own, bands, fine = spectrum_features(frames)
    past = Past()
    compared = [past.compare(own[hop, BANDS], bands[hop], fine[hop]) for hop in range(count)]
    return np.concatenate([own, np.reshape(compared, (count, FEATURES - own.shape[1]))], axis=1)


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
    rng = np.random.default_rng(seed)
    scores = [music.score(rng, PIECE) for _ in range(SCORES)]
    scores += [music.band(rng, PIECE) for _ in range(BANDS_PLAYED)]
    scores += [music.solo(rng, PIECE, program) for program in music.PROGRAMS]
    scores += [music.drums(rng, PIECE) for _ in range(DRUMS)]
    played = music.play(scores)
    partial = path.with_suffix(".partial.flac")
    soundfile.write(partial, played / max(1.0, np.abs(played).max()), RATE)
    os.replace(partial, path)
    return played


def example(
    rng: np.random.Generator, utterances: Sequence[Utterance], corpus: Path, pool: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Features and activity of six seconds: speech with pauses, in quiet, in noise or over music, or other sounds."""
    count = SECONDS * RATE
    sound, phones = np.zeros(count), []
    kind = rng.random()
    if kind < 0.57:
        sound, phones = _speech(rng, utterances, corpus, count)
        loud = np.abs(sound) > 0.05 * np.abs(sound).max(initial=0)
        level = np.sqrt((sound[loud] ** 2).mean()) if loud.any() else 0.0
        if level > 0:
            sound *= 10 ** (rng.uniform(-42, -6) / 20) / level
            level, behind = np.sqrt((sound[loud] ** 2).mean()), rng.random()
            if behind < 0.4:
                sound += STEADY[rng.integers(len(STEADY))](rng, count) * level * 10 ** (-rng.uniform(4, 40) / 20)
            elif behind < 0.8:
                begin, end = sorted(rng.integers(0, count, 2)) if rng.random() < 0.4 else (0, count)
                sound[begin:end] += _unspoken(rng, pool, count)[begin:end] * level * 10 ** (-rng.uniform(-3, 25) / 20)
    elif kind < 0.98:
        begin = rng.choice([0, rng.integers(0, 3 * RATE)])
        sound[begin:] = _unspoken(rng, pool, count - begin) * 10 ** (rng.uniform(-60, -3) / 20)
        if rng.random() < 0.25:
            begin = rng.integers(RATE, count - RATE)
            sound[begin:] = _unspoken(rng, pool, count)[begin:] * 10 ** (rng.uniform(-60, -3) / 20)
        if rng.random() < 0.3:
            sound += STEADY[rng.integers(len(STEADY))](rng, count) * 10 ** (rng.uniform(-75, -20) / 20)
    if rng.random() < 0.8:
        sound += rng.standard_normal(count) * 10 ** (rng.uniform(-95, -60) / 20)
    sound = np.clip(sound, -1, 1)
    return features(sound), activity(phones, HOPS)


def _speech(
    rng: np.random.Generator, utterances: Sequence[Utterance], corpus: Path, count: int
) -> tuple[np.ndarray, list[Phone]]:
    """Augmented utterances one after the other, with pauses: samples [count] and their phones."""
    sound, phones = np.zeros(count), []
    at = rng.integers(0, 2 * RATE) if rng.random() < 0.7 else 0
    while at < count:
        utterance = utterances[rng.integers(len(utterances))]
        samples, said = augment(load_audio(utterance, corpus), utterance.phones, rng)
        if rng.random() < 0.35:  # the corpus is short of high voices
            faster = int(RATE * rng.uniform(1.05, 1.4)) // 100 * 100
            samples = resample(samples, faster)
            said = [Phone(p.label, p.start * RATE / faster, p.end * RATE / faster) for p in said]
        samples = samples[: count - at]
        sound[at : at + len(samples)] += samples
        phones += [Phone(p.label, p.start + at / RATE, p.end + at / RATE) for p in said]
        at += len(samples) + rng.integers(0, 2 * RATE)
    return sound, phones


def _unspoken(rng: np.random.Generator, pool: np.ndarray, count: int) -> np.ndarray:
    """A sound at unit RMS without speech: played music in half of the cases, else a made sound of any kind."""
    kind = rng.random()
    if len(pool) > 2 * count and kind < 0.5:
        sound = _layered(rng, pool, count)
        if rng.random() < 0.4:
            rhythm = beats if rng.random() < 0.5 else groove
            sound = unit(sound) + rhythm(rng, count) * 10 ** (rng.uniform(-12, 6) / 20)
        if rng.random() < 0.5:
            sound = _mastered(rng, sound)
    else:
        makers = MAKERS if kind < 0.85 else STEADY
        sound = makers[rng.integers(len(makers))](rng, count)
    if rng.random() < 0.3:
        sound = reverberate(sound, rng)
    if rng.random() < 0.5:
        sound = equalise(sound, rng)
    return unit(sound)


def _layered(rng: np.random.Generator, pool: np.ndarray, count: int) -> np.ndarray:
    """One to three parts of the pool at once, each at its own speed, with a little noise."""
    sound = rng.uniform(0, 0.1) * coloured(rng, count)
    for _ in range(rng.choice([1, 1, 2, 3])):
        speed = rng.uniform(0.75, 1.3)
        need = int(count * speed) + 1
        start = rng.integers(0, len(pool) - need)
        part = np.interp(np.arange(count) * speed, np.arange(need), pool[start : start + need])
        sound += unit(part) * 10 ** (-rng.uniform(0, 12) / 20)
    return sound


def _mastered(rng: np.random.Generator, sound: np.ndarray) -> np.ndarray:
    """Loudness as records have it: levels evened out over 10 to 300 ms, and soft clipping."""
    smooth = np.exp(-1 / (RATE * np.exp(rng.uniform(np.log(0.01), np.log(0.3)))))
    envelope = lfilter([1 - smooth], [1, -smooth], np.abs(sound)) + 0.02 * np.abs(sound).max()
    even = unit(sound * envelope ** -rng.uniform(0.2, 0.9))
    drive = rng.uniform(0.2, 2)
    return np.tanh(drive * even)


def train(
    corpus: Path,
    out: Path,
    *,
    examples: int = 4000,
    steps: int = 3500,
    seed: int = 0,
    say: Say,
) -> float:
    """Train on the corpus' train split and write the weights to `out`; answers the mean loss of the last 50 steps.

    Utterances without readable sound are named and left out. Raises FileNotFoundError where there is no corpus, and
    ValueError where it is empty.
    """
    from safetensors.numpy import save_file

    utterances = list(readable(read_manifest(corpus, ("train",)), corpus))
    if not utterances:
        raise ValueError(f"the corpus in {corpus} has no utterances to train on")
    pool = music_pool(corpus / f"music-{VERSION}.flac", seed)
    rng = np.random.default_rng(seed)
    inputs, targets = np.empty((examples, HOPS, FEATURES), np.float32), np.empty((examples, HOPS), np.float32)
    for k in range(examples):
        inputs[k], targets[k] = example(rng, utterances, corpus, pool)
        say("examples", (k + 1) / examples, math.nan)
    state, loss = fit(inputs, targets, steps, seed, say)
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = out.with_suffix(".partial")
    about = {"version": VERSION, "examples": examples, "steps": steps, "seed": seed, "music": len(pool) / RATE}
    save_file(state, partial, {"vad": json.dumps(about)})
    partial.chmod(0o644)  # safetensors makes files that only their owner reads
    os.replace(partial, out)
    return loss


def fit(
    inputs: np.ndarray, targets: np.ndarray, steps: int, seed: int, say: Say
) -> tuple[dict[str, np.ndarray], float]:
    """Weights by name, and the mean loss of the last 50 steps: inputs [n, HOPS, FEATURES], targets [n, HOPS]."""
    import torch

    mean, scale = inputs.mean(axis=(0, 1)), inputs.std(axis=(0, 1)) + 1e-3
    x, y = torch.from_numpy((inputs - mean) / scale), torch.from_numpy(targets)
    rng = np.random.default_rng([seed, 1])
    torch.manual_seed(seed)
    gru, output = torch.nn.GRU(FEATURES, HIDDEN, batch_first=True), torch.nn.Linear(HIDDEN, 1)
    model = torch.nn.ModuleDict({"gru": gru, "output": output})
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 5e-3, total_steps=steps)
    settled, missed = torch.ones(CROP), torch.tensor(MISSED)
    settled[: 2 * DELAY] = 0
    recent: list[float] = []
    for step in range(steps):
        batch, begin = torch.from_numpy(rng.integers(0, len(x), BATCH)), rng.integers(0, HOPS - CROP + 1)
        hops = slice(begin, begin + CROP)
        logits = output(gru(x[batch, hops])[0])[..., 0]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(
            logits, y[batch, hops], reduction="none", pos_weight=missed
        )
        loss = (loss * settled).mean()
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        recent = [*recent[-49:], loss.item()]
        say("gate", (step + 1) / steps, float(np.mean(recent)))
    state = {name: value.numpy() for name, value in model.state_dict().items()}
    state["output.weight"] = state["output.weight"][0].copy()
    return state | {"mean": mean, "scale": scale}, float(np.mean(recent))
