"""How far a face motion is from the true one: the tables' figures of the TokTalk paper, and some of our own.

Everything but the two lip closure figures is measured on vertices of our head mesh, in millimetres, without the
head's rotation. The mesh is of human size: its lips are 51 mm long and its face 122 mm high from sellion to menton
(51 and 123 mm in men, 48 and 113 mm in women: Zhuang and Bradtmiller 2005, head-and-face survey of respirator users),
so a metre of the mesh is a metre. Three groups of vertices:

face        skin in front of the ears from hairline to chin, and brows; each vertex counts by its share of the area,
            so that the fine grid around the mouth weighs no more than it is large. Eyelids and eyeballs are left
            out, as good as motionless in the FLAME fits that the papers measure on; blinks have figures of their own
upper face  what of the face lies above the pupils and does not follow the jaw, as the temples do
lips        the red of the lips, seam to outline

Figures, with the mean taken over frames unless said otherwise (n frames of an utterance; utterances weigh by length):

mse         mm, "MSE (mm)" of the TokTalk paper: mean distance of the face's vertices from the truth's. Not squared,
            as its unit says
lve         mm, lip vertex error (Richard et al. 2021): the largest distance of a lip vertex from the truth's
fdd         mm², upper-face dynamics deviation (Xing et al. 2023): of each upper-face vertex the deviation over time of
            its squared distance from the neutral face; truth minus prediction, mean over vertices, then over
            utterances. Positive: the prediction moves less than the truth. 10 mm² are the paper's 10⁻⁵ m (for m²)
fdd_abs     mm², the same with the amount taken per utterance, so that too much and too little do not cancel
mod         mm, mouth opening difference (DiffPoseTalk gives no formula): |opening − true opening|, where opening is the
            height of the gap between the midpoints of the two lips at the seam, at least 0
jitter      mm per frame², mean length of the face's vertices' second difference in time (50 frames a second)
boundary_jitter   the same over the two frames before and the two after each boundary between chunks: the paper's
            jitter. Chunks of C frames begin at multiples of C
head_jitter       mrad per frame², mean length of the second difference of yaw, pitch and roll
bcs         share in [0, 1], bilabial closure score (From Tokens to Faces): 70 % of the true frames within p, b and m
            have an aperture jawOpen − mouthClose up to a threshold; the share of the predicted ones that have
closure     share in [0, 1], figure (a) of `evaluation/lips.py`: p b m that shut, by the system's own range of apertures
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from toktalk_node.evaluation.lips import MARGIN, PERCENTILE, aperture, at_100_hz
from toktalk_node.evaluation.lips import RATE as LIP_RATE
from toktalk_node.face.arkit import BLENDSHAPES, INDEX, MOTION_WIDTH
from toktalk_node.speech.phones import BILABIALS, SILENCE, Phone

WEIGHTS = len(BLENDSHAPES)
BCS_SHARE = 0.70
NEAR_BOUNDARY = 2
_BROWS = [i for name, i in INDEX.items() if name.startswith("brow")]
_LIDS = [INDEX["eyeBlinkLeft"], INDEX["eyeBlinkRight"]]
_FRONT, _HAIRLINE, _PUPILS = 0.02, 0.072, 0.010
"""Metres on the mesh: the face lies before z, under y; its upper half above y."""
_STILL = 0.2
"""Millimetres that the jaw may move a vertex of the upper face."""


@dataclass(frozen=True)
class Region:
    """Vertices of the head that move linearly with the 52 weights."""

    shapes: np.ndarray
    """Displacement of each vertex in mm at weight 1, float32 [52, vertices, 3]."""
    share: np.ndarray
    """Each vertex' share of the region's area, float32 [vertices], sum 1."""
    rest: np.ndarray
    """Vertices of the neutral face in mm, float32 [vertices, 3]."""

    def displacement(self, motion: np.ndarray) -> np.ndarray:
        """Vertices less the neutral ones in mm, float32 [frames, vertices, 3], of a motion [frames, ≥ 52]."""
        flat = np.asarray(motion[:, :WEIGHTS], np.float32) @ self.shapes.reshape(WEIGHTS, -1)
        return flat.reshape(len(motion), -1, 3)

    def only(self, chosen: np.ndarray) -> "Region":
        """The vertices `chosen`, bool [vertices]."""
        share = self.share[chosen]
        return Region(self.shapes[:, chosen], share / share.sum(), self.rest[chosen])


@dataclass(frozen=True)
class FaceRegions:
    """The vertices that figures are measured on."""

    face: Region
    upper: np.ndarray
    """Which of the face's vertices belong to the upper face, bool [vertices]."""
    lips: Region
    midpoints: Region
    """Two vertices: the middle of the upper and of the lower lip, at the seam."""

    def opening(self, motion: np.ndarray) -> np.ndarray:
        """Height of the gap between the lips' midpoints in mm [frames], at least 0."""
        moved = self.midpoints.displacement(motion)[:, :, 1]
        return np.maximum(moved[:, 0] - moved[:, 1], 0)


def _areas(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    third = np.linalg.norm(np.cross(b - a, c - a), axis=1) / 6
    return np.bincount(triangles.ravel(), np.repeat(third, 3), len(vertices))


@lru_cache(maxsize=1)
def face_regions() -> FaceRegions:
    """The regions, computed from our head mesh (2 s, once)."""
    from toktalk_node.face.head_parts import brow
    from toktalk_node.face.head_skin import COLUMNS, OUTLINE, SEAM, Skin
    from toktalk_node.face.head_targets import build_targets

    skin = Skin()
    build_targets(skin)
    parts = (skin, brow(1), brow(-1))
    vertices = np.concatenate([part.vertices for part in parts])
    area = np.concatenate([_areas(part.vertices, part.triangles) for part in parts])
    shapes = np.zeros((WEIGHTS, len(vertices), 3), np.float32)
    start = 0
    for part in parts:
        for name, displacement in part.targets.items():
            shapes[INDEX[name], start : start + len(part.vertices)] = 1000 * displacement
        start += len(part.vertices)
    whole = Region(shapes, area.astype(np.float32), (1000 * vertices).astype(np.float32))

    index = np.arange(len(vertices))
    ring = np.where(index < skin.rings * COLUMNS, index // COLUMNS, skin.rings)
    ring[skin.rings * COLUMNS : len(skin.vertices)] = 0  # the poles, in the throat and at the back
    face = whole.only((ring >= SEAM) & (vertices[:, 2] > _FRONT) & (vertices[:, 1] < _HAIRLINE))
    jaw = [i for name, i in INDEX.items() if name.startswith("jaw")]
    still = np.linalg.norm(face.shapes[jaw], axis=-1).max(axis=0) < _STILL
    top, bottom = SEAM * COLUMNS + COLUMNS // 4, SEAM * COLUMNS + 3 * COLUMNS // 4
    return FaceRegions(
        face=face,
        upper=still & (face.rest[:, 1] > 1000 * _PUPILS),
        lips=whole.only((ring >= SEAM) & (ring <= OUTLINE)),
        midpoints=whole.only(np.isin(index, (top, bottom))),
    )


@dataclass(frozen=True)
class Tally:
    """One figure of a set of utterances: their sums and what these are divided by, float64 [utterances] each.

    The figure of the set is sum / sum, so an utterance counts by its frames (or its p, b and m).
    """

    total: np.ndarray
    count: np.ndarray

    @property
    def value(self) -> float:
        """The figure; `nan` where nothing was counted."""
        return float(self.of(np.ones((1, len(self.total))))[0])

    def of(self, times: np.ndarray) -> np.ndarray:
        """The figure [draws] with each utterance taken `times` [draws, utterances]."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return (times @ self.total) / (times @ self.count)


@dataclass(frozen=True)
class Compared:
    """An utterance's `truth` and `prediction` [frames, 55] at `fps`, and the true `phones`."""

    truth: np.ndarray
    prediction: np.ndarray
    phones: Sequence[Phone]
    fps: float = 50.0

    def __post_init__(self) -> None:
        for name, motion in (("true", self.truth), ("predicted", self.prediction)):
            if motion.ndim != 2 or motion.shape[1] != MOTION_WIDTH or not np.isfinite(motion).all():
                raise ValueError(f"a {name} motion must be finite [frames, {MOTION_WIDTH}], not {list(motion.shape)}")
        if len(self.truth) != len(self.prediction):
            raise ValueError(f"{len(self.prediction)} frames were predicted for {len(self.truth)} true ones")


def near_boundaries(frames: int, chunk: int) -> np.ndarray:
    """Which frames are among the two before or the two after a boundary between chunks, bool [frames]."""
    boundaries = np.arange(chunk, frames, chunk)
    near = (boundaries[:, None] + np.arange(-NEAR_BOUNDARY, NEAR_BOUNDARY)).ravel()
    found = np.zeros(frames, bool)
    found[near[(near >= 0) & (near < frames)]] = True
    return found


def _length(vectors: np.ndarray) -> np.ndarray:
    return np.sqrt(np.einsum("...i,...i->...", vectors, vectors))


def acceleration(positions: np.ndarray, share: np.ndarray | None = None) -> np.ndarray:
    """Mean length of the second difference [frames − 2] of positions [frames, vertices, 3], weighted by `share`."""
    length = _length(np.diff(positions, n=2, axis=0))
    return length @ share if share is not None else length.mean(axis=-1)


def vertex_figures(pair: Compared, chunk: int | None = None) -> dict[str, tuple[float, float]]:
    """(sum, count) of the figures on vertices; `boundary_jitter` for chunks of `chunk` frames only."""
    at, frames = face_regions(), len(pair.truth)
    true, said = at.face.displacement(pair.truth), at.face.displacement(pair.prediction)
    error = _length(said - true) @ at.face.share
    lips = _length(at.lips.displacement(pair.prediction - pair.truth)).max(axis=-1)
    upper = at.face.share[at.upper] / at.face.share[at.upper].sum()
    moving = [np.square(m[:, at.upper]).sum(axis=-1).std(axis=0) @ upper for m in (true, said)]
    mod = np.abs(at.opening(pair.prediction) - at.opening(pair.truth))
    found = {
        "mse": (error.sum(), frames),
        "lve": (lips.sum(), frames),
        "fdd": (moving[0] - moving[1], 1),
        "fdd_abs": (abs(moving[0] - moving[1]), 1),
        "mod": (mod.sum(), frames),
    }
    if frames > 2:
        shaking = acceleration(said, at.face.share)
        head = 1000 * acceleration(pair.prediction[:, None, WEIGHTS:])
        found |= {"jitter": (shaking.sum(), frames - 2), "head_jitter": (head.sum(), frames - 2)}
        if chunk is not None:
            near = near_boundaries(frames, chunk)[1:-1]
            found["boundary_jitter"] = (shaking[near].sum(), near.sum())
    return {name: (float(total), float(count)) for name, (total, count) in found.items()}


def bilabial_frames(phones: Iterable[Phone], frames: int, fps: float) -> np.ndarray:
    """Which frames have their middle within a p, b or m, bool [frames]."""
    middle = (np.arange(frames) + 0.5) / fps
    inside = np.zeros(frames, bool)
    for phone in phones:
        if phone.label in BILABIALS:
            inside |= (middle >= phone.start) & (middle < phone.end)
    return inside


def bilabial_closure(pairs: Sequence[Compared]) -> Tally:
    """The bilabial closure score `bcs`."""
    masks = [bilabial_frames(p.phones, len(p.truth), p.fps) for p in pairs]
    true = np.concatenate([aperture(p.truth)[mask] for p, mask in zip(pairs, masks, strict=True)])
    threshold = np.sort(true)[int(np.ceil(BCS_SHARE * len(true))) - 1] if len(true) else 0.0
    shut = [float((aperture(p.prediction)[mask] <= threshold).sum()) for p, mask in zip(pairs, masks, strict=True)]
    return Tally(np.array(shut), np.array([float(mask.sum()) for mask in masks]))


def closures(pairs: Sequence[Compared]) -> Tally:
    """Figure (a) of `evaluation/lips.py`: p, b and m whose least aperture is under the system's threshold."""
    speech: list[np.ndarray] = []
    minima: list[list[float]] = []
    for pair in pairs:
        count = round(max((p.end for p in pair.phones), default=0.0) * LIP_RATE)
        open_, own = at_100_hz(aperture(pair.prediction), pair.fps, count), []
        for phone in pair.phones:
            if phone.label == SILENCE or count == 0:
                continue
            speech.append(open_[round(phone.start * LIP_RATE) : round(phone.end * LIP_RATE)])
            if phone.label in BILABIALS:
                first = max(round((phone.start - MARGIN) * LIP_RATE), 0)
                own.append(open_[first : max(round((phone.end + MARGIN) * LIP_RATE), first + 1)].min())
        minima.append(own)
    threshold = np.percentile(np.concatenate(speech), PERCENTILE) if speech else 0.0
    shut = [float((np.array(own) < threshold).sum()) for own in minima]
    return Tally(np.array(shut), np.array([float(len(own)) for own in minima]))


def tallies(pairs: Sequence[Compared], chunk: int | None = None) -> dict[str, Tally]:
    """Every figure of this module's docstring over a set of utterances; `chunk` in frames where there are chunks."""
    rows = [vertex_figures(pair, chunk) for pair in pairs]
    found = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        total, count = np.array([row.get(name, (0.0, 0.0)) for row in rows]).T
        found[name] = Tally(total, count)
    return found | {"bcs": bilabial_closure(pairs), "closure": closures(pairs)}


def blink_tally(motions: Sequence[np.ndarray], fps: float) -> Tally:
    """Blinks per minute: how often the eyes' mean weight of eyeBlink rises above one half."""
    closed = [m[:, _LIDS].mean(axis=1) > 0.5 for m in motions]
    count = [float((c[1:] & ~c[:-1]).sum()) for c in closed]
    return Tally(np.array(count), np.array([len(m) / fps / 60 for m in motions]))


def variety(
    truths: Sequence[np.ndarray], first: Sequence[np.ndarray], second: Sequence[np.ndarray]
) -> tuple[dict[str, Tally], dict[str, Tally]]:
    """How two samples of the same utterances differ, in lips, brows, blinks and head: two variances each.

    The first is the variance between samples, ½ (a − b)², in mm² of lip vertices, squared weights (of the five brow
    shapes; of the two eyeBlink) or squared degrees, mean over frames. The second is the first as a share of the
    variance of the truth over time within an utterance: 1 where samples differ as a face does from moment to moment.
    """

    def signals(motion: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "lips": face_regions().lips.displacement(motion),
            "brows": motion[:, _BROWS, None],
            "blinks": motion[:, _LIDS, None],
            "head": np.degrees(motion[:, WEIGHTS:, None]),
        }

    between: dict[str, list[tuple[float, float, float]]] = {}
    for truth, a, b in zip(truths, map(signals, first), map(signals, second), strict=True):
        for name, true in signals(truth).items():
            apart = 0.5 * np.square(a[name] - b[name]).sum(axis=-1).mean(axis=1)
            moving = np.square(true - true.mean(axis=0)).sum(axis=-1).mean(axis=1)
            between.setdefault(name, []).append((float(apart.sum()), float(len(true)), float(moving.sum())))
    columns = {name: np.array(rows).T for name, rows in between.items()}
    return {n: Tally(c[0], c[1]) for n, c in columns.items()}, {n: Tally(c[0], c[2]) for n, c in columns.items()}
