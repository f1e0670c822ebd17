"""How kernels are compiled, and where what was compiled is kept.

Numba's own cache looks at the file of a kernel alone, and so misses an edit in a file that it calls.
Here the folder's name carries a digest of every file of this package, of Numba's version and of the
processor.
"""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llvmlite
import numba
from llvmlite import binding
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache, _CacheLocator
from numba.core.runtime.nrt import rtsys
from numba.misc.appdirs import user_cache_dir

HERE = Path(__file__).parent
KERNEL: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True}
"""No lock of the interpreter's, and a division by 0 is inf or nan, as in NumPy."""
LOOP: dict[str, Any] = {**KERNEL, "no_cpython_wrapper": True}
"""The way in from Python, which takes longer to compile than a loop, is left out."""
SUM: dict[str, Any] = {**LOOP, "fastmath": {"reassoc", "nsz"}}
"""What adds up is a vector loop only if terms may be added in another order."""
SCALAR: dict[str, Any] = {**LOOP, "forceinline": True}
"""LLVM is to inline it, with its own rules for rounding."""


def scalar(function: Callable[..., Any]) -> Any:
    """A function of numbers, compiled as part of the loops that call it."""
    return numba.njit(**SCALAR)(function)


def loop(function: Callable[..., Any]) -> Any:
    """A bare loop, compiled as part of the kernels that call it."""
    return numba.njit(**LOOP)(function)


def sum_loop(function: Callable[..., Any]) -> Any:
    """A bare loop that adds up, compiled as part of the kernels that call it."""
    return numba.njit(**SUM)(function)


def kernel(function: Callable[..., Any]) -> Any:
    """What Python calls: compiled when it is first called with arguments of a type, and kept on disk."""
    dispatcher = numba.njit(**KERNEL)(function)
    dispatcher._cache = _Unkept() if cache_folder() is None else _Cache(function)
    return dispatcher


@functools.cache
def cache_folder(
    places: tuple[Path, ...] = (HERE / "__pycache__", Path(user_cache_dir("crossent", False))),
) -> Path | None:
    """A folder for just this code on this processor, in the first of the places that can be written to."""
    name = f"numba-{_digest()}"
    for place in places:
        try:
            (place / name).mkdir(parents=True, exist_ok=True)
            probe = place / name / ".writable"
            probe.touch()
            probe.unlink()
        except OSError:
            continue
        return place / name
    return None


def _digest() -> str:
    digest = hashlib.sha256()
    for path in sorted(HERE.glob("*.py")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    features = binding.get_host_cpu_features().flatten()
    for part in (numba.__version__, llvmlite.__version__, binding.get_host_cpu_name(), features):
        digest.update(str(part).encode() + b"\0")
    return digest.hexdigest()[:16]


class _Locator(_CacheLocator):
    """Where Numba finds what it compiled: its own places look at one file only."""

    def __init__(self, line: int) -> None:
        self._line = line

    @classmethod
    def from_function(cls, function: Callable[..., Any], _file: str) -> _Locator:
        return cls(function.__code__.co_firstlineno)

    def get_cache_path(self) -> str:
        return str(cache_folder())

    def get_source_stamp(self) -> str:
        return ""  # the folder's name says it

    def get_disambiguator(self) -> str:
        return str(self._line)


class _Stored(CompileResultCacheImpl):
    _locator_classes = [_Locator]  # type: ignore[list-item]  # noqa: RUF012  Numba declares it so


class _Cache(FunctionCache):
    _impl_class = _Stored

    def load_overload(self, signature: Any, target: Any) -> Any:
        """What is kept, or None. Machine code needs no more of Numba than its memory: all that Numba's own
        way loads first, which takes half a second, is what compiling needs, and then loads itself."""
        rtsys.initialize(target)
        found = self._load_overload(signature, target)
        if found is None:
            _announce()
        return found

    def save_overload(self, signature: Any, compiled: Any) -> None:
        try:
            super().save_overload(signature, compiled)
        except OSError as error:  # a full disk: the next process compiles again
            logging.getLogger("crossent").warning(
                "compiled kernels could not be kept in %s: %s", self.cache_path, error
            )


class _Unkept(NullCache):
    def load_overload(self, signature: Any, target: Any) -> None:
        _announce()


@functools.cache
def _announce() -> None:
    logging.getLogger("crossent").warning("compiling kernels for this processor: seconds, this once")
