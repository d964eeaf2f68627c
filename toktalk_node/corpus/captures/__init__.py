"""Captured performances of people: readers of the formats they come in, one file each, and where they are kept.

    reader = open_captures("livelink", Path("MY_RECORDINGS"))
    for id in reader.ids:
        capture = reader.read(id)          # sound at 16 kHz, face at 50 fps, both of the same length
"""

from pathlib import Path

from toktalk_node.corpus.captures.base import Capture, CaptureError, LeftOut, Reader

FORMATS: tuple[str, ...] = ("livelink", "beat2", "diffposetalk", "ravdess")
"""Formats that are read."""

__all__ = ["FORMATS", "Capture", "CaptureError", "LeftOut", "Reader", "open_captures"]


def open_captures(format: str, folder: Path, *, flame_map: Path | None = None) -> Reader:
    """The captures in `folder`; `flame_map` (mat_final.npy) turns FLAME faces into ARKit weights where it is given.

    Raises CaptureError where the folder holds none, ValueError for an unknown format.
    """
    if format not in FORMATS:
        raise ValueError(f"no format {format!r}; there are {', '.join(FORMATS)}")
    if not folder.is_dir():
        raise CaptureError(f"{folder}: no such folder")
    reader: Reader
    if format == "livelink":
        from toktalk_node.corpus.captures.livelink import Takes

        reader = Takes(folder)
    elif format == "beat2":
        from toktalk_node.corpus.captures.beat2 import Beat2

        reader = Beat2(folder, flame_map)
    elif format == "diffposetalk":
        from toktalk_node.corpus.captures.diffposetalk import DiffPoseTalk

        reader = DiffPoseTalk(folder, flame_map)
    else:
        from toktalk_node.corpus.captures.ravdess import Ravdess

        reader = Ravdess(folder)
    if not reader.ids:
        why = f": {reader.left_out[0].name}: {reader.left_out[0].reason}" if reader.left_out else ""
        raise CaptureError(f"{folder} holds no captures in the format {format}{why}")
    return reader
