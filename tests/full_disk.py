"""A command on a disk that fills up: files end at a size. Set by a process of its own, since a fork of the test's
would take the threads of whatever the tests before it have loaded."""

import sys

import pytest

_LIMIT = (
    "import os, resource, sys; size = int(sys.argv[1]);"
    " resource.setrlimit(resource.RLIMIT_FSIZE, (size, size)); os.execv(sys.argv[2], sys.argv[2:])"
)


def files_up_to(size: int, *command: str) -> list[str]:
    pytest.importorskip("resource")
    return [sys.executable, "-c", _LIMIT, str(size), *command]
