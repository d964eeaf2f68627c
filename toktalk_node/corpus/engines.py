"""The speech engines behind one call: `speak_batch(voice, requests)` gives sound and phone times for each request.

flite and festival are Debian programs run as child processes; espeak-ng is a library (`speech/espeak.py`); the
Russian voice's package also holds the human recordings it was made from, with phone labels, which `RuHuman` reads.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..speech.phones import VOWELS, Phone
from .phonesets import CATALAN, CZECH, FINNISH, INDIC, ITALIAN, RADIO, RUSSIAN, cover, to_phones

FESTIVAL_VOICES = Path("/usr/share/festival/voices")
RU_HUMAN = FESTIVAL_VOICES / "russian/msu_ru_nsh_clunits"


@dataclass(frozen=True)
class Request:
    """One utterance to speak: `tempo` stretches time (1.2 is slower), `pitch` scales F0."""

    text: str
    tempo: float = 1.0
    pitch: float = 1.0


@dataclass(frozen=True)
class Spoken:
    """Sound float32 [n] in [-1, 1] at `rate` Hz, and phones that cover it; `index` is the request's."""

    index: int
    text: str
    samples: np.ndarray
    rate: int
    phones: list[Phone]


class EngineMissing(RuntimeError):
    """The engine or the voice is not installed; the message names what to install."""


def _cover_sound(phones: Sequence[Phone], duration: float) -> list[Phone]:
    """Phones cut or padded with SIL to `duration` seconds."""
    kept = [Phone(p.label, p.start, min(p.end, duration)) for p in phones if p.start < duration]
    return cover(kept, duration)


# flite ---------------------------------------------------------------------------------------------------------

_FLITE_F0 = {"slt": 172.0, "rms": 92.0, "awb": 120.0, "kal16": 105.0}
"""Mean F0 of flite's voices in Hz, the value that `int_f0_target_mean` replaces."""


def _flite(voice: str, requests: Sequence[Request]) -> Iterator[Spoken]:
    if shutil.which("flite") is None:
        raise EngineMissing("flite is not installed: apt install flite")
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        wave = Path(folder) / "x.wav"
        for index, request in enumerate(requests):
            command = ["flite", "-voice", voice, "-psdur", "-t", request.text, "-o", str(wave)]
            command += ["--setf", f"duration_stretch={request.tempo:.3f}"]
            command += ["--setf", f"int_f0_target_mean={_FLITE_F0[voice] * request.pitch:.1f}"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            samples, rate = soundfile.read(wave, dtype="float32")
            pairs = [item.rsplit(":", 1) for item in done.stdout.split()]
            segments = [(name.lower(), float(end)) for name, end in pairs]
            yield Spoken(index, request.text, samples, rate, to_phones(segments, RADIO, len(samples) / rate))


# festival ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _FestivalVoice:
    """Where a festival voice lies, its phone table, its text encoding and the Debian package that brings it."""

    folder: str
    table: Mapping[str, Sequence[str]]
    encoding: str
    package: str
    hts: bool = False


_FESTIVAL: dict[str, _FestivalVoice] = {
    "cmu_us_slt_arctic_hts": _FestivalVoice("us", RADIO, "utf-8", "festvox-us-slt-hts", hts=True),
    "kal_diphone": _FestivalVoice("english", RADIO, "utf-8", "festvox-kallpc16k"),
    "ked_diphone": _FestivalVoice("english", RADIO, "utf-8", "festvox-kdlpc16k"),
    "lp_diphone": _FestivalVoice("italian", ITALIAN, "latin-1", "festvox-italp16k"),
    "pc_diphone": _FestivalVoice("italian", ITALIAN, "latin-1", "festvox-itapc16k"),
    "hy_fi_mv_diphone": _FestivalVoice("finnish", FINNISH, "latin-1", "festvox-suopuhe-mv"),
    "suo_fi_lj_diphone": _FestivalVoice("finnish", FINNISH, "latin-1", "festvox-suopuhe-lj"),
    "upc_ca_ona_hts": _FestivalVoice("catalan", CATALAN, "latin-1", "festvox-ca-ona-hts", hts=True),
    "czech_dita": _FestivalVoice("czech", CZECH, "iso-8859-2", "festvox-czech-dita"),
    "czech_krb": _FestivalVoice("czech", CZECH, "iso-8859-2", "festvox-czech-krb"),
    "czech_machac": _FestivalVoice("czech", CZECH, "iso-8859-2", "festvox-czech-machac"),
    "hindi_NSK_diphone": _FestivalVoice("hindi", INDIC, "utf-8", "festvox-hi-nsk and festival-hi"),
    "marathi_NSK_diphone": _FestivalVoice("marathi", INDIC, "utf-8", "festvox-mr-nsk and festival-mr"),
}

_HTS_BASE = "(define base_hts hts_engine_params)"
_HTS_TEMPO = '(set! hts_engine_params (append base_hts (list (list "-r" (/ 1.0 tempo)))))'
_SCHEME = """
(voice_{voice})
{base}
(define f0_factor 1.0)
(define (scale_f0 utt)
  (if (member 'Target (utt.relationnames utt))
      (mapcar (lambda (x) (item.set_feat x "f0" (* f0_factor (item.feat x "f0")))) (utt.relation.leafs utt 'Target)))
  utt)
(set! after_analysis_hooks (append after_analysis_hooks (list scale_f0)))
(define (say text tempo pitch segs wave)
  (Parameter.set 'Duration_Stretch tempo)
  (set! f0_factor pitch)
  {tempo}
  (unwind-protect
    (let ((u (utt.synth (eval (list 'Utterance 'Text text)))))
      (utt.save.segs u segs)
      (utt.save.wave u wave 'riff))
    (print "failed")))
"""


def _festival(voice: str, requests: Sequence[Request]) -> Iterator[Spoken]:
    spec = _FESTIVAL[voice]
    if shutil.which("festival") is None or not (FESTIVAL_VOICES / spec.folder / voice).is_dir():
        raise EngineMissing(f"festival's voice {voice} is not installed: apt install festival {spec.package}")
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        lines = [_SCHEME.format(voice=voice, base=_HTS_BASE if spec.hts else "", tempo=_HTS_TEMPO if spec.hts else "")]
        for i, request in enumerate(requests):
            text = re.sub(r'["\\]', " ", request.text)
            names = f'"{folder}/{i}.seg" "{folder}/{i}.wav"'
            lines.append(f'(say "{text}" {request.tempo:.3f} {request.pitch:.3f} {names})')
        script = Path(folder) / "batch.scm"
        script.write_bytes("\n".join(lines).encode(spec.encoding, "ignore"))
        subprocess.run(["festival", "-b", str(script)], capture_output=True, timeout=600, check=False)
        for i, request in enumerate(requests):
            wave, segs = Path(folder) / f"{i}.wav", Path(folder) / f"{i}.seg"
            if not (wave.exists() and segs.exists()):
                continue
            samples, rate = soundfile.read(wave, dtype="float32")
            duration = len(samples) / rate
            yield Spoken(i, request.text, samples, rate, to_phones(read_xlabel(segs), spec.table, duration))


def read_xlabel(path: Path) -> list[tuple[str, float]]:
    """(name, end in seconds) of each line of an Entropic xlabel file, which festival writes."""
    rows = (line.split() for line in path.read_text(errors="replace").splitlines())
    return [(row[2], float(row[0])) for row in rows if len(row) >= 3 and re.fullmatch(r"[0-9.]+", row[0])]


# espeak-ng -----------------------------------------------------------------------------------------------------


def _espeak(voice: str, requests: Sequence[Request]) -> Iterator[Spoken]:
    from ..speech.espeak import synthesize

    for index, request in enumerate(requests):
        speed = int(np.clip(165 / request.tempo, 80, 450))
        pitch = int(np.clip(50 + 60 * np.log2(request.pitch), 0, 99))
        try:
            samples, rate, phones = synthesize(request.text, voice, speed=speed, pitch=pitch)
        except RuntimeError as error:
            raise EngineMissing(str(error)) from error
        if len(samples):
            yield Spoken(index, request.text, samples, rate, _cover_sound(phones, len(samples) / rate))


# human recordings ----------------------------------------------------------------------------------------------


def ru_human_ids() -> list[str]:
    """Names of the human recordings inside festvox-ru, sorted; empty where the package is not installed."""
    return sorted(path.stem for path in (RU_HUMAN / "wav").glob("*.wav"))


_LABEL_BIAS = 0.012
"""Seconds by which the Russian labels start a fricative or a nasal after a vowel too early, and end a voiced or
fricative consonant before a vowel too late, by the steepest change of sound energy over all recordings."""
_CONTINUANTS = frozenset("S SH Z ZH F V HH M N".split())
_RELEASED = _CONTINUANTS | frozenset("B D G L".split())


def _without_bias(phones: Sequence[Phone]) -> list[Phone]:
    """Phones with the constant errors of the Russian labels taken out; no phone gets shorter than 20 ms by it."""
    ends = [p.end for p in phones]
    for i, (left, right) in enumerate(zip(phones, phones[1:], strict=False)):
        if left.label in VOWELS and right.label in _CONTINUANTS and right.end - right.start > _LABEL_BIAS + 0.02:
            ends[i] += _LABEL_BIAS
        elif left.label in _RELEASED and right.label in VOWELS and left.end - left.start > _LABEL_BIAS + 0.02:
            ends[i] -= _LABEL_BIAS
    starts = [0.0, *ends[:-1]]
    return [Phone(p.label, start, end) for p, start, end in zip(phones, starts, ends, strict=True) if end > start]


def _ru_human(voice: str, requests: Sequence[Request]) -> Iterator[Spoken]:
    """Recordings by name: a request's text is the name (`ru_0001`)."""
    if not (RU_HUMAN / "wav").is_dir():
        raise EngineMissing("the Russian human recordings are not installed: apt install festvox-ru")
    import soundfile

    texts = dict(re.findall(r'\( (\S+) "(.*?)" \)', (RU_HUMAN / "etc/txt.done.data").read_text("utf-8")))
    for index, request in enumerate(requests):
        samples, rate = soundfile.read(RU_HUMAN / "wav" / f"{request.text}.wav", dtype="float32")
        segments = read_xlabel(RU_HUMAN / "lab" / f"{request.text}.lab")
        phones = _without_bias(to_phones(segments, RUSSIAN, len(samples) / rate))
        yield Spoken(index, texts.get(request.text, "").replace("+", ""), samples, rate, phones)


_ENGINES = {"flite": _flite, "festival": _festival, "espeak": _espeak, "ru-human": _ru_human}


def speak_batch(engine: str, voice: str, requests: Sequence[Request]) -> Iterator[Spoken]:
    """Speak each request by a voice of `engine`; one that the engine fails on is left out.

    Raises EngineMissing, which says what to install, and ValueError for an engine that does not exist.
    """
    if engine not in _ENGINES:
        raise ValueError(f"no engine {engine!r}; there are {', '.join(_ENGINES)}")
    return _ENGINES[engine](voice, requests)
