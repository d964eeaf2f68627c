"""Pickles of numbers, read without running anything: dictionaries, lists, strings, bytes and numeric arrays alone.

A pickle is a program that may call anything. Here the five names that numpy's arrays need stand for classes of our own
that take notes; every other name is refused, and arrays are made from the notes at the end.
"""

import io
import math
import pickle
from typing import Any

import numpy as np

MAX_BYTES = 64_000_000
"""Larger pickles are refused."""
MAX_VALUES = 100_000
"""A pickle may hold no more values, an array counted as one."""
MAX_DEPTH = 8


class _Note:
    """What one of numpy's functions was called with, and the state that was set afterwards."""

    def __init__(self, *given: Any) -> None:
        self.given = given
        self.state: Any = None

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Dtype(_Note):
    """numpy.dtype(spec, align, copy), then the state (version, byte order, ...)."""

    def made(self) -> np.dtype:
        spec = self.given[0]
        if not isinstance(spec, str) or len(spec) > 4:
            raise pickle.UnpicklingError(f"an array of {spec!r}, expected plain numbers")
        found = np.dtype(spec)
        if found.kind not in "biuf":
            raise pickle.UnpicklingError(f"an array of {spec!r}, expected plain numbers")
        return found.newbyteorder(self.state[1]) if self.state and self.state[1] in ("<", ">") else found


class _Array(_Note):
    """numpy's _reconstruct(ndarray, (0,), b"b"), then the state (version, shape, dtype, Fortran order, bytes)."""

    def made(self) -> np.ndarray:
        _, shape, dtype, fortran, data = self.state
        return _filled(data, dtype, shape, "F" if fortran else "C")


class _Buffer(_Note):
    """numpy's _frombuffer(bytes, dtype, shape, order), of protocol 5."""

    def made(self) -> np.ndarray:
        return _filled(*self.given)


class _Scalar(_Note):
    """numpy's scalar(dtype, bytes)."""

    def made(self) -> bool | int | float:
        dtype, data = self.given
        return _filled(data, dtype, (1,), "C")[0].item()


class _Kind(_Note):
    """numpy.ndarray, which is only ever an argument."""


_NAMES: dict[tuple[str, str], type[_Note]] = {("numpy", "ndarray"): _Kind, ("numpy", "dtype"): _Dtype}
for _core in ("numpy.core", "numpy._core"):
    _NAMES[_core + ".multiarray", "_reconstruct"] = _Array
    _NAMES[_core + ".multiarray", "scalar"] = _Scalar
    _NAMES[_core + ".numeric", "_frombuffer"] = _Buffer


class _Numbers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[_Note]:
        if (module, name) not in _NAMES:
            raise pickle.UnpicklingError(f"the pickle names {module}.{name}, which has no place among numbers")
        return _NAMES[module, name]


def loads(data: bytes) -> Any:
    """What a pickle of numbers, of protocol 3 or later, holds; raises pickle.UnpicklingError where it asks for more."""
    if len(data) > MAX_BYTES:
        raise pickle.UnpicklingError(f"a pickle of {len(data)} bytes; up to {MAX_BYTES} are read")
    try:
        return _plain(_Numbers(io.BytesIO(data)).load(), [MAX_VALUES], 0)
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a damaged pickle raises whatever its nonsense leads to
        raise pickle.UnpicklingError(f"a damaged pickle ({type(error).__name__}: {error})") from error


def _filled(data: Any, dtype: Any, shape: Any, order: str) -> np.ndarray:
    """An array of its bytes."""
    if not isinstance(dtype, _Dtype) or not isinstance(data, bytes | bytearray) or not isinstance(shape, tuple):
        raise pickle.UnpicklingError("an array that is not made of bytes")
    kind = dtype.made()
    if any(n < 0 for n in shape) or math.prod(shape) * kind.itemsize != len(data):
        raise pickle.UnpicklingError(f"{len(data)} bytes are no {kind} {list(shape)}")
    return np.frombuffer(data, kind).reshape(shape, order="F" if order == "F" else "C").copy()


def _plain(value: Any, left: list[int], depth: int) -> Any:
    """The value with arrays in the place of notes; `left` counts the values that may still come."""
    left[0] -= 1
    if left[0] < 0 or depth > MAX_DEPTH:
        raise pickle.UnpicklingError("a pickle of too many values, or nested too deeply")
    if isinstance(value, dict):
        return {_plain(key, left, depth + 1): _plain(item, left, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_plain(item, left, depth + 1) for item in value)
    if isinstance(value, _Array | _Buffer | _Scalar):
        return value.made()
    if value is None or isinstance(value, int | float | str | bytes):
        return value
    raise pickle.UnpicklingError(f"a {type(value).__name__} has no place among numbers")
