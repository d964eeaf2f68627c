"""Reads the acoustic model of CMU PocketSphinx into ours, and counts the phone trigrams of its dictionary.

File formats (all little-endian) are those of SphinxTrain: Gaussian means and variances behind an `endhdr` line, the
binary model definition `BMDF`, and mixture weights quantised to bytes, weight = exp(−0.1024 · byte).
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from toktalk_node.speech.phones import INDEX, PHONES, SILENCE
from toktalk_node.tokens.acoustic import FILLERS, GAUSSIANS, STATES, STREAMS, AcousticModel
from toktalk_node.tokens.frontend import CEPSTRA
from toktalk_node.tokens.phone_loop import PhoneLoop

_FILLER_NAMES = ("+NSN+", "+SPN+")
_VARIANCE_FLOOR = 1e-4
_SENDUMP_HEADER = 640
_WORD_END, _BASE, _LEFT = 0, 1, 2


@dataclass(frozen=True)
class _Definition:
    """The model definition: names of the base phones, senones of each base phone, and the triphones."""

    names: list[str]
    base_senones: np.ndarray
    triphones: np.ndarray
    sequences: np.ndarray


def _floats(path: Path, integers: int, count: int) -> np.ndarray:
    """The `count` float32 values of a Gaussian or transition file, behind the magic number and `integers` more."""
    data = path.read_bytes()
    begin = data.index(b"endhdr\n") + 7
    if struct.unpack_from("<I", data, begin)[0] != 0x11223344:
        raise ValueError(f"{path} is not a little-endian Sphinx parameter file")
    return np.frombuffer(data, "<f4", count, begin + 4 * (1 + integers))


def _definition(path: Path) -> _Definition:
    data = path.read_bytes()
    if data[:4] != b"BMDF":
        raise ValueError(f"{path} is not a binary model definition")
    at = 12 + struct.unpack_from("<i", data, 8)[0]
    bases, phones, states, _, _, _, sequences, _, tree, _ = struct.unpack_from("<10i", data, at)
    at += 40
    names = data[at:].split(b"\0", bases)[:bases]
    at += -(-sum(len(name) + 1 for name in names) // 4) * 4 + 8 * tree
    record = np.dtype([("sequence", "<i4"), ("transition", "<i4"), ("context", "u1", 4)])
    table = np.frombuffer(data, record, phones, at)
    at += 12 * phones + 4
    senones = np.frombuffer(data, "<u2", sequences * states, at).reshape(sequences, states)
    return _Definition(
        [n.decode() for n in names], senones[table["sequence"][:bases]], table[bases:], senones.astype(np.int64)
    )


def read_pocketsphinx(folder: Path) -> tuple[AcousticModel, torch.Tensor]:
    """The acoustic model in `folder` (en-us of the PocketSphinx wheel), and its self-loops [phone, state]."""
    definition = _definition(folder / "mdef")
    order = [definition.names.index(name) for name in (*PHONES, *_FILLER_NAMES)]
    shape = (len(definition.names), STREAMS, GAUSSIANS, CEPSTRA)
    mean, variance = (
        _floats(folder / name, 4 + STREAMS, int(np.prod(shape))).reshape(shape)[order].astype(np.float64)
        for name in ("means", "variances")
    )
    variance = np.maximum(variance, _VARIANCE_FLOOR)
    constant = -0.5 * (mean**2 / variance + np.log(2 * np.pi * variance)).sum(axis=-1)
    quadratic = np.concatenate([-0.5 / variance, mean / variance], axis=-1)

    data = (folder / "sendump").read_bytes()
    senones = int(definition.sequences.max()) + 1
    mixtures = np.frombuffer(data, np.uint8, STREAMS * GAUSSIANS * senones, _SENDUMP_HEADER)
    mixtures = np.exp(-0.1024 * mixtures.reshape(STREAMS, GAUSSIANS, senones).astype(np.float32))

    model = AcousticModel()
    model.quadratic.copy_(torch.from_numpy(quadratic.transpose(1, 3, 0, 2).reshape(STREAMS, 2 * CEPSTRA, -1)))
    model.constant.copy_(torch.from_numpy(constant.transpose(1, 0, 2).reshape(STREAMS, -1)))
    model.weights.copy_(torch.from_numpy(_left_context_weights(definition, mixtures, order[:-FILLERS], order)))

    shape = (len(definition.names), STATES, STATES + 1)
    matrices = _floats(folder / "transition_matrices", 4, int(np.prod(shape))).reshape(shape)[order[:-FILLERS]]
    matrices = matrices / matrices.sum(axis=-1, keepdims=True)
    stay = torch.from_numpy(np.stack([matrices[:, s, s] for s in range(STATES)], axis=1).astype(np.float32))
    return model, stay


def _left_context_weights(
    definition: _Definition, mixtures: np.ndarray, phones: list[int], books: list[int]
) -> np.ndarray:
    """Mixture weights [stream, book, Gaussian, left phone × state], averaged over right contexts."""
    context = definition.triphones["context"]
    out = np.empty((STREAMS, len(books), GAUSSIANS, len(phones), STATES), np.float32)
    for row, book in enumerate(books):
        out[:, row] = mixtures[:, :, definition.base_senones[book]][:, :, None]
        if definition.names[book] == SILENCE or row >= len(phones):
            continue
        mine = context[:, _BASE] == book
        for column, left in enumerate(phones):
            sequences, count = np.unique(
                definition.triphones["sequence"][mine & (context[:, _LEFT] == left)], return_counts=True
            )
            if len(sequences):
                senones = definition.sequences[sequences]
                weighted = mixtures[:, :, senones] * (count / count.sum())[:, None]
                out[:, row, :, column] = weighted.sum(axis=2)
    return out.reshape(STREAMS, len(books), GAUSSIANS, -1)


def read_phone_loop(model_folder: Path, stay: torch.Tensor, words: int = 400_000, seed: int = 0) -> PhoneLoop:
    """The loop over phones: self-loops `stay`, and trigrams of words drawn as often as English uses them.

    The dictionary and the word frequencies are those of the PocketSphinx wheel; silence stands between some words.
    """
    import pocketsphinx

    pronunciations: dict[str, list[str]] = {}
    for line in (model_folder / "cmudict-en-us.dict").read_text().splitlines():
        word, *phones = line.split()
        pronunciations.setdefault(re.sub(r"\(\d+\)$", "", word), phones)
    decoder = pocketsphinx.Decoder(loglevel="FATAL")
    unigrams, logmath = decoder.get_lm("_default"), decoder.get_logmath()
    vocabulary = list(pronunciations)
    probability = np.array([logmath.exp(int(unigrams.prob([word]))) for word in vocabulary], float)
    probability[probability <= probability.min() * 1.01] = 0
    rng = np.random.default_rng(seed)
    spoken: list[int] = []
    for index in rng.choice(len(vocabulary), words, p=probability / probability.sum()):
        spoken += [INDEX[phone] for phone in pronunciations[vocabulary[index]]]
        if rng.random() < 0.12:
            spoken.append(INDEX[SILENCE])
    sequence, size = np.array(spoken), len(PHONES)
    single = np.bincount(sequence, minlength=size) / len(sequence)
    double, triple = np.zeros((size, size)), np.zeros((size, size, size))
    np.add.at(double, (sequence[:-1], sequence[1:]), 1)
    np.add.at(triple, (sequence[1:-1], sequence[:-2], sequence[2:]), 1)
    double = (double + 200 * single) / (double.sum(axis=1, keepdims=True) + 200)
    triple = (triple + 100 * double[:, None]) / (triple.sum(axis=2, keepdims=True) + 100)
    loop = PhoneLoop()
    loop.stay.copy_(stay)
    loop.follow.copy_(torch.from_numpy(triple))
    return loop
