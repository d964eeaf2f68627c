"""Named styles of a trained model: of the corpus's named speaking styles, and of the people that it was trained on."""

import numpy as np
import torch
from torch import Tensor

from toktalk_node.corpus.performance import perform
from toktalk_node.corpus.styles import NAMED, SpeakingStyle
from toktalk_node.face.arkit import MOTION_WIDTH
from toktalk_node.motion.decoder import MotionDecoder
from toktalk_node.motion.style import DEFAULT_STYLE, Style
from toktalk_node.speech.phones import SILENCE, Phone
from toktalk_node.training.shards import MotionData

SENTENCES: tuple[str, ...] = (
    "DH AH K W IH K B R AW N F AA K S JH AH M P S OW V ER DH AH L EY Z IY D AO G",
    "W IY W ER AH W EY AH Y IH R AH G OW SIL B AH T N AH TH IH NG M AH CH HH AE Z CH EY N JH D",
    "P L IY Z T EH L M IY W AA T Y UW TH IH NG K AH B AW T DH AH M UW V IY",
    "M AY F AA DH ER B AO T AH B IH G B L UW B OW T SIL AE N D V EH R IY F Y UW P IY P AH L N OW",
)
"""What the performances say."""
PERSON_SECONDS, PERSON_CLIP, PERSON_CLIPS = 5, 15, 40
"""Of a person's motion: seconds that are needed, longest of each clip, and how many clips a style is the mean of."""
CLIPS = 6
"""Performances that each style's vector is the mean of."""


def spoken(sentence: str, rng: np.random.Generator) -> list[Phone]:
    """Phones of a sentence one after another, at a common tempo, between silences."""
    labels = [SILENCE, *sentence.split(), SILENCE]
    ends = np.cumsum([0.4 if label == SILENCE else rng.uniform(0.06, 0.12) for label in labels])
    return [Phone(label, start, end) for label, start, end in zip(labels, [0.0, *ends], ends, strict=False)]


def clip(style: SpeakingStyle, seed: int, fps: int) -> np.ndarray:
    """Every sentence performed once in a style, float32 [frames, 55] at `fps`."""
    rng = np.random.default_rng([seed, 29])
    parts = [np.zeros((0, MOTION_WIDTH), np.float32)]
    for number, sentence in enumerate(SENTENCES):
        phones = spoken(sentence, rng)
        parts.append(perform(phones, phones[-1].end, seed * len(SENTENCES) + number, style=style, fps=fps))
    return np.concatenate(parts)


def styles_of_actors(decoder: MotionDecoder, data: MotionData) -> dict[str, Style]:
    """The style of every actor of the data who has `PERSON_SECONDS` of motion; none for a model without styles.

    Where there is one actor alone, the style is also `DEFAULT_STYLE`: the model then speaks as that person does.
    """
    model = decoder.model
    if model.style is None:
        return {}
    motions: dict[str, list[Tensor]] = {}
    for item in data.utterances:
        motions.setdefault(item.actor, []).append(item.motion[: PERSON_CLIP * data.fps].float())
    vectors = {}
    with torch.no_grad():
        for actor, clips in motions.items():
            clips = [clip for clip in clips if len(clip) >= model.config.fps][:PERSON_CLIPS]
            if actor and sum(map(len, clips)) >= PERSON_SECONDS * data.fps:
                vectors[actor] = torch.stack([model.encode_style(clip) for clip in clips]).mean(0)
    if not vectors:
        return {}
    rests = decoder.rests(torch.stack(list(vectors.values())))
    styles = {name: Style(vector, rest) for (name, vector), rest in zip(vectors.items(), rests, strict=True)}
    return {DEFAULT_STYLE: next(iter(styles.values())), **styles} if len(styles) == 1 else styles


def named_styles(decoder: MotionDecoder) -> dict[str, Style]:
    """The named styles of a model that was trained on the corpus's performances; none for one without styles."""
    if not decoder.model.config.style_width:
        return {}
    model, vectors = decoder.model, []
    with torch.no_grad():
        for speaking in NAMED.values():
            clips = [torch.from_numpy(clip(speaking, seed, model.config.fps)) for seed in range(CLIPS)]
            vectors.append(torch.stack([model.encode_style(motion) for motion in clips]).mean(0))
    rests = decoder.rests(torch.stack(vectors))
    return {name: Style(vector, rest) for name, vector, rest in zip(NAMED, vectors, rests, strict=True)}
