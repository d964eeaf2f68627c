"""From the corpus to what is trained on: the tokenizer's own training, and the motion model's shards."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file

from toktalk_node.corpus import styles
from toktalk_node.corpus.dataset import Utterance, read_manifest, readable
from toktalk_node.corpus.performance import perform
from toktalk_node.motion.checkpoint import write_atomically
from toktalk_node.tokens import phonetic
from toktalk_node.tokens.networks import FRAMES_PER_TOKEN
from toktalk_node.training.acoustic import read_phone_loop, read_pocketsphinx
from toktalk_node.training.posteriors import BATCH, LEAD, embedded, in_batches, posteriors
from toktalk_node.training.recordings import Recording, corpus_means, recordings
from toktalk_node.training.shards import Utterance as Prepared
from toktalk_node.training.shards import write_shard
from toktalk_node.training.tokens import FrameData, autoencoder_loss, frame_labels, optimise, phone_network_loss

FPS = 50
LONGEST = 16.0
"""Longer recordings, in seconds, are left out: they would fill up their batch."""
_HALF = ("acoustic.weights", "loop.", "network.")
_ENGINE_WEIGHT = {"espeak": 0.5, "ru-human": 1.5}

Say = Callable[[str, float, float], None]
"""Called with the stage, its share done in [0, 1], and the loss or NaN."""


def chosen(root: Path, hours: float | None, seed: int) -> list[Utterance]:
    """Utterances of train and valid in random order, up to `hours`; those without readable sound are named instead."""
    utterances = read_manifest(root, ("train", "valid"))
    order = np.random.default_rng(seed).permutation(len(utterances))
    total, out = 0.0, []
    for utterance in readable((utterances[i] for i in order if utterances[i].duration <= LONGEST), root):
        out.append(utterance)
        total += utterance.duration
        if hours is not None and total >= 3600 * hours:
            break
    if not out:
        raise ValueError(f"the corpus in {root} has no utterances to train on: run `toktalk corpus build --out {root}`")
    return out


def train_tokens(
    root: Path, out: Path, *, hours: float | None, minutes: float, jobs: int, levels: Sequence[int], seed: int, say: Say
) -> None:
    """Train the tokenizer on the corpus in `root` and write it to `out`: three quarters of the time on phones."""
    import pocketsphinx

    torch.manual_seed(seed)
    utterances = chosen(root, hours, seed)
    model = phonetic.PhoneticModel(phonetic.PhoneticConfig(levels=tuple(levels)))
    folder = Path(pocketsphinx.get_model_path()) / "en-us"
    acoustic, stay = read_pocketsphinx(folder / "en-us")
    model.acoustic.load_state_dict(acoustic.state_dict())
    model.loop.load_state_dict(read_phone_loop(folder, stay, seed=seed).state_dict())
    means = corpus_means(root, [u for u in utterances if u.split == "train"])
    for name, value in (("cepstra", means.cepstra), ("mel", means.mel), ("offset", means.offset_cepstra)):
        getattr(model, f"mean_{name}").copy_(torch.from_numpy(value))

    heard = list(_counted(recordings(root, utterances, means, jobs=jobs), len(utterances), "features", say))
    train = [r for r in heard if r.split == "train"]
    steps = optimise(
        model.network,
        phone_network_loss(model.network, _frames(train)),
        0.75 * minutes,
        seed=seed,
        report=lambda step, share, loss: say("phone network", share, loss),
    )
    model.eval()
    kept = train[: max(1, len(train) // 2)]
    found = _counted(_posteriors(model, kept), len(kept), "posteriors", say)
    rows = [(p, r.heard.prosody, _token_labels(r)) for r, p in found]
    tensors = [torch.from_numpy(np.concatenate(column)) for column in zip(*rows, strict=True)]
    more = optimise(
        model.autoencoder,
        autoencoder_loss(model.autoencoder, *tensors),
        0.25 * minutes,
        seed=seed,
        report=lambda step, share, loss: say("tokens", share, loss),
    )
    about = {
        "hours": round(sum(r.duration for r in train) / 3600, 2),
        "utterances": len(train),
        "minutes": minutes,
        "phone_network_steps": steps,
        "autoencoder_steps": more,
        "seed": seed,
    }
    save_tokenizer(model, out, about)


def save_tokenizer(model: phonetic.PhoneticModel, out: Path, about: dict[str, Any]) -> None:
    """Write the tokenizer to the folder `out`; large tables in 16 bits."""
    tensors = {
        name: (value.half() if name.startswith(_HALF) else value).contiguous()
        for name, value in model.state_dict().items()
    }
    write_atomically(out / phonetic.WEIGHTS_FILE, lambda path: save_file(tensors, path))
    text = phonetic.config_json(model.config, about)
    write_atomically(out / phonetic.CONFIG_FILE, lambda path: path.write_text(text))


def prepare_motion(
    root: Path,
    tokenizer: Path,
    out: Path,
    *,
    hours: float | None,
    jobs: int,
    rounds: int,
    actors: int,
    seed: int,
    say: Say,
) -> float:
    """Write shards of token embeddings and performances to `out`; returns hours of motion.

    Every one of `rounds` is another augmentation of each utterance; each is performed by as many `actors`.
    """
    model = phonetic.load(tokenizer).model
    utterances, frames = chosen(root, hours, seed), 0
    rests = {actor: resting_face(actor) for split in ("train", "valid") for actor in styles.actors(split)}
    for number in range(rounds):
        made = recordings(root, utterances, model.means(), jobs=jobs, round=number)
        pairs = _posteriors(model, made)
        pairs = _counted(pairs, len(utterances), f"round {number + 1} of {rounds}", say)
        items = (item for r, p in pairs for item in _prepared(model, r, p, number, actors))
        for part, group in enumerate(_groups(items, 400)):
            path = out / f"{number:02d}-{part:03d}.safetensors"
            frames += write_shard(path, group, space=phonetic.SPACE, fps=FPS, rests=rests)
    return frames / FPS / 3600


def resting_face(actor: str) -> torch.Tensor:
    """The face of an actor who says nothing [55]: the median over ten seconds of silence."""
    still = perform([], 10.0, 0, style=styles.actor_style(actor), fps=FPS)
    return torch.from_numpy(np.median(still, axis=0))


@torch.no_grad()
def _prepared(
    model: phonetic.PhoneticModel, recording: Recording, posterior: np.ndarray, number: int, count: int
) -> Iterator[Prepared]:
    """The utterance with one augmentation, performed by `count` actors of its split."""
    pitch, voicing, energy = recording.heard.prosody[::FRAMES_PER_TOKEN].T
    condition = embedded(model, recording.heard, posterior)
    rng = np.random.default_rng([recording.seed % 2**31, 23, number])
    for part, actor in enumerate(rng.permutation(styles.actors(recording.split))[:count].tolist()):
        motion = perform(
            recording.phones,
            len(condition) / FPS,
            recording.seed + number + part,
            style=styles.actor_style(actor),
            fps=FPS,
            pitch=np.where(voicing > 0.6, 100 * 2.0**pitch, 0),  # only its changes count
            energy=np.exp(energy),
        )
        yield Prepared(f"{recording.id}-{number}-{part}", recording.split, condition, torch.from_numpy(motion), actor)


def _posteriors(model: phonetic.PhoneticModel, heard: Iterable[Recording]) -> Iterator[tuple[Recording, np.ndarray]]:
    """Each recording with its posteriors; recordings of like length are computed together."""
    for group in _groups(heard, 400):
        for batch in in_batches([len(r.heard.cepstra) for r in group], BATCH):
            members = [group[i] for i in batch]
            yield from zip(members, posteriors(model, [r.heard for r in members]), strict=True)


def _token_labels(recording: Recording) -> np.ndarray:
    rows = FRAMES_PER_TOKEN * recording.heard.tokens
    labels = frame_labels(recording.phones, rows)
    return np.concatenate([labels[:1], labels])[:rows]


def _frames(heard: Sequence[Recording]) -> FrameData:
    features, labels, spans, at = [], [], [], 0
    for r in heard:
        rows = r.heard.features[LEAD : LEAD + FRAMES_PER_TOKEN * r.heard.tokens]
        features.append(rows)
        labels.append(frame_labels(r.phones, len(rows)))
        spans.append((at, at + len(rows)))
        at += len(rows)
    weight = np.array([_ENGINE_WEIGHT.get(r.engine, 1.0) for r in heard])
    return FrameData(
        torch.from_numpy(np.concatenate(features)), torch.from_numpy(np.concatenate(labels)), np.array(spans), weight
    )


def _groups(items: Iterable, size: int) -> Iterator[list]:
    group: list = []
    for item in items:
        group.append(item)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group


def _counted(items: Iterable, total: int, stage: str, say: Say) -> Iterator:
    for done, item in enumerate(items, 1):
        yield item
        if done % 10 == 0 or done == total:
            say(stage, done / total, float("nan"))
