"""Text to speech with exact phone times, by espeak-ng from its wheel (`pip install espeakng-loader`).

The C interface is espeak-ng's `speak_lib.h`. espeak-ng marks a voiceless stop at its burst; here the silence before
the burst (the closure, when the lips or the tongue are already shut) belongs to the stop.
"""

import ctypes
import os
import tempfile
import threading
from collections.abc import Sequence

import numpy as np

from .ipa import ipa_to_phones
from .phones import SILENCE, Phone

MAX_CHARACTERS = 5000
"""Longest text for one call; longer text is for the caller to cut at sentence ends."""

_RETRIEVE_SYNCHRONOUSLY = 2
_PHONEME_EVENTS, _IPA, _DONT_EXIT = 0x0001, 0x0002, 0x8000
_UTF8 = 1
_END_OF_LIST, _PHONEME = 0, 7
_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4
_CLOSED = frozenset("P T K CH B D G JH".split())
_INITIAL_CLOSURE = 0.06
_LONGEST_CLOSURE = 0.16
_PATH_LIMIT = 150


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class _Engine:
    """The library, which is one per process; `lock` guards it."""

    def __init__(self) -> None:
        try:
            import espeakng_loader
        except ImportError as error:
            raise RuntimeError("text to speech needs espeak-ng: pip install espeakng-loader") from error
        self.lock = threading.Lock()
        self.library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path())
        if len(data) > _PATH_LIMIT:  # espeak-ng keeps the path in a short fixed buffer
            data = os.path.join(tempfile.mkdtemp(prefix="espeak-"), "espeak-ng-data")
            os.symlink(espeakng_loader.get_data_path(), data)
        flags = _PHONEME_EVENTS | _IPA | _DONT_EXIT
        self.rate = int(self.library.espeak_Initialize(_RETRIEVE_SYNCHRONOUSLY, 0, data.encode(), flags))
        if self.rate <= 0:
            raise RuntimeError(f"espeak-ng cannot read its data in {data}: reinstall espeakng-loader")
        self.pieces: list[np.ndarray] = []
        self.events: list[tuple[int, str]] = []
        self._callback = _Callback(self._receive)  # kept alive as long as the library may call it
        self.library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples, count: int, events) -> int:
        if count > 0:
            self.pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        i = 0
        while events[i].type != _END_OF_LIST:
            if events[i].type == _PHONEME:
                name = ctypes.string_at(ctypes.addressof(events[i].id), 8).split(b"\0")[0]
                self.events.append((events[i].sample, name.decode("utf-8", "ignore")))
            i += 1
        return 0

    def speak(self, text: str, voice: str, parameters: Sequence[tuple[int, int]]) -> None:
        self.pieces, self.events = [], []
        if self.library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise ValueError(f"espeak-ng has no voice {voice!r}; examples: en-us, en-gb, de, es, en-us+f2")
        for parameter, value in parameters:
            self.library.espeak_SetParameter(parameter, value, 0)
        data = text.encode("utf-8", "ignore").replace(b"\0", b" ")
        error = self.library.espeak_Synth(data, len(data) + 1, 0, 0, 0, _UTF8, None, None)
        if error != 0:
            raise RuntimeError(f"espeak-ng failed with code {error} on {text[:40]!r}")


_engine: _Engine | None = None
_engine_lock = threading.Lock()


def synthesize(
    text: str, voice: str = "en-us", *, speed: int = 165, pitch: int = 50, pitch_range: int = 50, volume: int = 100
) -> tuple[np.ndarray, int, list[Phone]]:
    """Speak `text`: samples float32 [n] in [-1, 1], their rate in Hz, and phones that cover them with SIL.

    `voice` is an espeak-ng name, a variant after a plus (``"en-us+f2"``); `speed` in words a minute (80 to 450);
    `pitch` and `pitch_range` 0 to 99; `volume` 0 to 200. Safe from several threads, one at a time.
    The phone times of a text repeat exactly; the samples differ in phase, which the library does not reset.
    Raises ValueError for an unknown voice or text over `MAX_CHARACTERS`, RuntimeError when espeak-ng is missing.
    """
    global _engine
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"text of {len(text)} characters; the limit is {MAX_CHARACTERS}: cut it at sentence ends")
    with _engine_lock:
        _engine = _engine or _Engine()
    with _engine.lock:
        _engine.speak(text, voice, [(_RATE, speed), (_PITCH, pitch), (_RANGE, pitch_range), (_VOLUME, volume)])
        pieces, events = _engine.pieces, _engine.events
    rate = _engine.rate
    samples = np.concatenate(pieces).astype(np.float32) / 32768 if pieces else np.zeros(0, np.float32)
    return samples, rate, _phones(samples, rate, events)


def _phones(samples: np.ndarray, rate: int, events: Sequence[tuple[int, str]]) -> list[Phone]:
    """Intervals between events: an event of several phones is cut evenly, one without shape joins the phone before."""
    duration = len(samples) / rate
    times = [min(sample / rate, duration) for sample, _ in events] + [duration]
    marks: list[tuple[str, float]] = []
    for (_, ipa), start, end in zip(events, times, times[1:], strict=False):
        if end <= start or ipa.startswith("("):  # "(en)" marks a change of language
            continue
        labels = ipa_to_phones(ipa)
        if not ipa.strip("ˈˌː") and _is_silent(samples[int(start * rate) : int(end * rate)]):
            labels = (SILENCE,)
        marks.extend((label, start + (end - start) * i / len(labels)) for i, label in enumerate(labels))
    if duration > 0 and (not marks or marks[0][1] > 0):
        marks.insert(0, (SILENCE, 0.0))
    starts = _closures_to_stops(samples, rate, marks)
    phones: list[Phone] = []
    for (label, _), start, end in zip(marks, starts, [*starts[1:], duration], strict=True):
        if end <= start:
            continue
        if label == SILENCE and phones and phones[-1].label == SILENCE:
            phones[-1] = Phone(SILENCE, phones[-1].start, end)
        else:
            phones.append(Phone(label, start, end))
    return phones


def _is_silent(samples: np.ndarray) -> bool:
    """A phoneme without a name is a pause where nothing sounds, else a glide that links two vowels."""
    return float(np.mean(samples[len(samples) // 4 :] ** 2)) < 1e-5 if len(samples) else True


def _closures_to_stops(samples: np.ndarray, rate: int, marks: Sequence[tuple[str, float]]) -> list[float]:
    """Start of each mark in seconds, with the silence before a burst given to the stop."""
    step = rate // 1000
    frames = len(samples) // step
    energy = np.mean(samples[: frames * step].reshape(frames, step) ** 2, axis=1) if frames else np.zeros(0)
    quiet = energy < 1e-5 * max(float(energy.max(initial=0.0)), 1e-6)
    starts = [start for _, start in marks]
    for i in range(1, len(marks)):
        label, start = marks[i]
        if label not in _CLOSED:
            continue
        if marks[i - 1][0] == SILENCE:
            starts[i] = max(starts[i - 1], start - _INITIAL_CLOSURE)
            continue
        earliest = max(starts[i - 1] + 0.015, start - _LONGEST_CLOSURE)
        at = min(int(start * 1000), frames - 1)
        near = [k for k in range(at, max(at - 20, 0), -1) if quiet[k]]
        if not near:
            continue
        k = near[0]
        while k > 0 and quiet[k - 1] and (k - 1) / 1000 >= earliest:
            k -= 1
        starts[i] = min(start, max(earliest, k * step / rate))
    return starts
