"""The voices of the corpus and their shares of its hours.

Voices made from human recordings are the majority, espeak-ng a minority; English leads. One voice (flite's rms) and a
third of the human recordings are kept out of training.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Source:
    """A voice to record: `weight` is its share of the hours, `limit` the most utterances it gives.

    An espeak-ng source has several `variants`; an utterance draws one.
    """

    engine: str
    voice: str
    language: str
    weight: float
    limit: int | None = None
    held_out: bool = False
    variants: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Name of the source in ids and folders."""
        return f"{self.engine}-{self.voice}"

    def pick_voice(self, rng: np.random.Generator) -> str:
        """The engine's voice name for one utterance."""
        return self.variants[rng.integers(len(self.variants))] if self.variants else self.voice


_VARIANTS = ("", "+f1", "+f2", "+f3", "+f4", "+f5", "+m1", "+m2", "+m3", "+m4", "+m5", "+m6", "+m7", "+m8", "+klatt")
_VARIANTS += ("+klatt2", "+klatt4", "+grandma", "+grandpa", "+steph", "+adam", "+Annie", "+Alicia", "+Mike", "+Jacky")


def _espeak(language: str, weight: float, names: tuple[str, ...]) -> Source:
    variants = tuple(name + variant for name in names for variant in _VARIANTS)
    return Source("espeak", language, language, weight, variants=variants)


RU_HUMAN_UTTERANCES = 620

SOURCES: tuple[Source, ...] = (
    Source("flite", "slt", "en", 1.3),
    Source("flite", "awb", "en", 1.5),
    Source("flite", "kal16", "en", 0.45),
    Source("flite", "rms", "en", 0.16, limit=120, held_out=True),
    Source("festival", "cmu_us_slt_arctic_hts", "en", 0.6),
    Source("festival", "kal_diphone", "en", 0.25),
    Source("festival", "ked_diphone", "en", 0.8),
    _espeak("en", 0.55, ("en-us", "en", "en-gb-scotland", "en-gb-x-rp", "en-029", "en-us-nyc")),
    Source("ru-human", "nsh", "ru", 1.66, limit=RU_HUMAN_UTTERANCES),
    Source("festival", "lp_diphone", "it", 0.12),
    Source("festival", "pc_diphone", "it", 0.12),
    Source("festival", "hy_fi_mv_diphone", "fi", 0.08),
    Source("festival", "suo_fi_lj_diphone", "fi", 0.08),
    Source("festival", "upc_ca_ona_hts", "ca", 0.15),
    Source("festival", "czech_dita", "cs", 0.08),
    Source("festival", "czech_krb", "cs", 0.08),
    Source("festival", "czech_machac", "cs", 0.08),
    Source("festival", "hindi_NSK_diphone", "hi", 0.08),
    Source("festival", "marathi_NSK_diphone", "mr", 0.06),
    *(_espeak(language, 0.045, (language,)) for language in ("de", "fr", "es", "it", "pt", "ru", "fi", "cs", "ca")),
)
