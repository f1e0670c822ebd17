"""What the bits of a result depend on beside the data: versions, and the family of the processor.

Machines that differ in it are not mixed. Which machines there are is the business of `cluster`.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version

from crossent import __version__
from crossent.errors import ClusterError

_LIBRARIES = ("numpy", "numba", "pyarrow")
_FAMILIES = (  # NumPy's name of the instructions, and the one that it had before 2.4
    ("with AVX-512", "X86_V4", "AVX512_SKX"),
    ("with AVX2", "X86_V3", "AVX2"),
    ("with SVE", "SVE", "SVE"),
)


@dataclass(frozen=True)
class Machine:
    """One machine as far as results depend on it; ``name`` is for messages."""

    name: str
    family: str
    versions: tuple[str, ...]

    @classmethod
    def here(cls) -> Machine:
        """The machine of this process."""
        # the one place where NumPy tells which instructions it uses
        found = import_module("numpy._core._multiarray_umath").__cpu_features__
        named = (words for words, new, old in _FAMILIES if found.get(new, found.get(old)))
        family = f"{platform.machine()} {next(named, '')}".strip()
        versions = (
            f"crossent {__version__}",
            f"Python {platform.python_version()}",
            *(f"{library} {version(library)}" for library in _LIBRARIES),
        )
        return cls(platform.node(), family, versions)

    def refuse_other(self, other: Machine) -> None:
        """An error where the other machine could compute other bits."""
        if other.family != self.family:
            raise ClusterError(
                f"the cluster mixes processor families: {self.family} on {self.name}, {other.family} on"
                f" {other.name}, which round differently in the last digit; run on machines of one family"
            )
        for ours, theirs in zip(self.versions, other.versions, strict=True):
            if ours != theirs:
                raise ClusterError(
                    f"the cluster mixes versions: {ours} on {self.name}, {theirs} on {other.name};"
                    " install the same on all machines"
                )
