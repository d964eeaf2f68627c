"""From captured performances to shards of the trainer: cut at pauses, tokenised, with their actors and resting faces.

    prepare_recordings(Path("MY_RECORDINGS"), Path("data/mine"), None, say)

A long take is cut where it is quietest, because a batch, a reference clip and the validation share are made of whole
utterances.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from toktalk_node.corpus.captures import Capture, LeftOut, Reader, open_captures
from toktalk_node.corpus.captures.base import FPS, SAMPLES
from toktalk_node.corpus.captures.store import MANIFEST, Stored
from toktalk_node.motion.checkpoint import write_atomically
from toktalk_node.tokens import phonetic
from toktalk_node.training.posteriors import embeddings
from toktalk_node.training.shards import DataError, Utterance, write_shard

SHORTEST, LONGEST = 6.0, 14.0
"""Bounds in seconds on where a long take is cut; the rest of it may be shorter."""
VALID_SHARE = 10
"""Where nothing is marked for validation, every so many-th piece is."""
SHARD = 300
"""Pieces per shard."""
PAUSE_DB = 25.0
"""How far under loud frames a pause lies, in decibels."""
PAUSE_FRAMES = 25
"""Frames of pause from which a resting face is read."""
RECORDED = "captures-*.safetensors"
"""Shards of recordings in a folder of shards."""
_DONE = "recordings.json"

Say = Callable[[str, float, float], None]
"""Called with the stage, its share done in [0, 1], and the loss or NaN."""


@dataclass(frozen=True)
class Notes:
    """What there is to tell of a folder of recordings, each by name and reason."""

    left_out: list[LeftOut]
    """What could not be used."""
    used: list[LeftOut]
    """What was used all the same: cut, repaired, or without some columns."""


def prepare_recordings(folder: Path, out: Path, tokenizer: Path | None, say: Say) -> Notes:
    """Shards in `out` of the recordings in `folder`: Live Link Face takes with sound, or imported captures.

    `tokenizer` is the folder of the phonetic tokenizer, None the shipped one. Nothing is done where `out` was made of
    the same files before. The notes are also in `out`/recordings.json.
    Raises CaptureError or DataError where nothing can be used, TokenizerError without a tokenizer.
    """
    from toktalk_node.stream.session import WEIGHTS

    tokenizer = tokenizer or WEIGHTS / "phonetic"
    reader: Reader = Stored(folder) if (folder / MANIFEST).exists() else open_captures("livelink", folder)
    files = _fingerprint(folder, tokenizer)
    try:
        before = json.loads((out / _DONE).read_text())
    except (OSError, ValueError):
        before = {}
    if before.get("files") == files:
        return Notes(*([LeftOut(*pair) for pair in before[kind]] for kind in ("left_out", "used")))
    (out / _DONE).unlink(missing_ok=True)
    for old in (*out.glob(RECORDED), *out.glob("captures-*.json")):
        old.unlink()
    notes = write_captures(reader, phonetic.load(tokenizer).model, out, say)
    text = json.dumps({"files": files, **asdict(notes)}, indent=2, ensure_ascii=False)
    write_atomically(out / _DONE, lambda path: path.write_text(text + "\n", "utf-8"))
    return notes


def write_captures(reader: Reader, model: phonetic.PhoneticModel, out: Path, say: Say) -> Notes:
    """Shards `out`/captures-NNN of every capture that has a face.

    Who shows another emotion is another actor there, so that styles are of a person in a mood.

    Raises DataError where no capture has a face that can be used.
    """
    notes = Notes(list(reader.left_out), [])
    pieces: list[tuple[Capture, int, int]] = []
    rests: dict[str, list[np.ndarray]] = {}
    space, shard, seen = "", 0, 0
    marked = not isinstance(reader, Stored) or all(line["split"] == "train" for line in reader.lines.values())

    def flush() -> None:
        nonlocal shard, pieces
        if pieces:
            resting = {actor: torch.from_numpy(np.median(found, axis=0)) for actor, found in rests.items()}
            made = list(_utterances(model, pieces, seen - len(pieces), divide=marked))
            path = out / f"captures-{shard:03d}.safetensors"
            write_shard(path, made, space=phonetic.SPACE, fps=FPS, face=space, rests=resting)
            shard, pieces = shard + 1, []

    for done, id in enumerate(reader.ids, 1):
        try:
            capture = reader.read(id)
            if capture.motion is None:
                raise DataError(f"{id}: a sound without a face")
            if space and capture.space != space:
                raise DataError(f"{id}: its face is in {capture.space}, the others in {space}")
        except (ValueError, OSError, DataError) as error:
            notes.left_out.append(LeftOut(id, str(error)))
        else:
            space = capture.space
            notes.used.extend(LeftOut(id, note) for note in capture.notes)
            if (rest := resting_face(capture)) is not None:
                rests.setdefault(style_name(capture), []).append(rest)
            cut = [(capture, start, stop) for start, stop in cut_at_pauses(capture.samples)]
            pieces, seen = pieces + cut, seen + len(cut)
        if len(pieces) >= SHARD:
            flush()
        say("recordings", done / len(reader.ids), float("nan"))
    flush()
    if not shard:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in notes.left_out[:3]))
        raise DataError(f"none of the {len(reader.ids)} recordings can be used: {reasons}")
    return notes


def style_name(capture: Capture) -> str:
    """Who speaks, and in which mood: `anna`, `anna anger`."""
    return capture.actor if capture.emotion == "neutral" else f"{capture.actor} {capture.emotion}"


def cut_at_pauses(samples: np.ndarray) -> list[tuple[int, int]]:
    """Frames [start, stop) of the pieces of a take: none longer than LONGEST, cut in the middle of the quietest 0.3 s.

    >>> cut_at_pauses(np.zeros(320 * 50 * 5))
    [(0, 250)]
    """
    frames = len(samples) // SAMPLES
    level = np.convolve(_level(samples), np.ones(15) / 15, "same")
    cuts = [0]
    while frames - cuts[-1] > LONGEST * FPS:
        first = cuts[-1] + int(SHORTEST * FPS)
        cuts.append(first + int(np.argmin(level[first : cuts[-1] + int(LONGEST * FPS)])))
    return list(zip(cuts, [*cuts[1:], frames], strict=True))


def resting_face(capture: Capture) -> np.ndarray | None:
    """The face [M] in the pauses of a capture: the median of frames that are far quieter than speech, if any."""
    level = _level(capture.samples)
    quiet = level < np.percentile(level, 95) - PAUSE_DB
    if capture.motion is None or quiet.sum() < PAUSE_FRAMES:
        return None
    return np.median(capture.motion[quiet], axis=0)


def _level(samples: np.ndarray) -> np.ndarray:
    """Level of each frame of sound in decibels of full scale [frames]."""
    rows = samples[: len(samples) // SAMPLES * SAMPLES].reshape(-1, SAMPLES)
    return 10 * np.log10((rows.astype(np.float64) ** 2).mean(axis=1) + 1e-10)


def _utterances(
    model: phonetic.PhoneticModel, pieces: list[tuple[Capture, int, int]], first: int, *, divide: bool
) -> Iterator[Utterance]:
    """The pieces as the trainer takes them; with `divide`, every VALID_SHARE-th of all pieces is for validation."""
    conditions = embeddings(model, [capture.samples[a * SAMPLES : b * SAMPLES] for capture, a, b in pieces])
    for row, ((capture, start, stop), condition) in enumerate(zip(pieces, conditions, strict=True), first):
        split = capture.split
        if divide:
            split = "valid" if row % VALID_SHARE == VALID_SHARE // 2 else "train"
        motion = torch.from_numpy(capture.motion[start:stop])
        yield Utterance(f"{capture.id}@{start}", split, condition, motion, style_name(capture))


def _fingerprint(folder: Path, tokenizer: Path) -> str:
    """Changes when a file of the recordings or of the tokenizer does: names, sizes and times, not contents."""
    files = sorted(p for root in (folder, tokenizer) for p in root.rglob("*") if p.is_file())
    stamps = [f"{p.resolve()}\0{p.stat().st_size}\0{p.stat().st_mtime_ns}" for p in files]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()
