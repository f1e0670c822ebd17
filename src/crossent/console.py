"""What every command says: sentences on stderr, and exit codes. No arithmetic, no libraries.

Exit codes: 0 done, 1 the input is wrong, 2 usage, 3 a gate said no, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

from crossent.errors import CrossentError, OptionError
from crossent.wording import visible

WRONG_INPUT, USAGE, GATE, INTERRUPTED = 1, 2, 3, 130


@contextmanager
def sentences() -> Iterator[None]:
    """Errors as one sentence on stderr and an exit code; never a traceback for what a user got wrong."""
    try:
        yield
    except OptionError as error:
        say(f"crossent: {error}")
        raise typer.Exit(USAGE) from None
    except CrossentError as error:
        say(f"crossent: {error}")
        raise typer.Exit(WRONG_INPUT) from None
    except BrokenPipeError:
        # whoever read the results has enough; Python would complain again while flushing stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(WRONG_INPUT) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        say(f"crossent: {where}{error.strerror or error}")
        raise typer.Exit(WRONG_INPUT) from None
    except MemoryError as error:
        say(f"crossent: not memory enough ({str(error) or 'no more to be had'}): fewer --threads take less")
        raise typer.Exit(WRONG_INPUT) from None
    except KeyboardInterrupt:
        say("crossent: interrupted")
        raise typer.Exit(INTERRUPTED) from None


@contextmanager
def interruptible() -> Iterator[Callable[[], None]]:
    """Ctrl-C as ever, and remembered; what is yielded raises it again where Python has dropped it.

    It drops any exception that arises while it clears away what is no longer used, such as a thread. Where
    Ctrl-C is ignored, as in the background of a script, or somebody else's, it stays so.
    """
    ours = (
        signal.getsignal(signal.SIGINT) is signal.default_int_handler
        and threading.current_thread() is threading.main_thread()
    )
    pressed: list[int] = []

    def press(number: int, frame: FrameType | None) -> None:
        pressed.append(number)
        raise KeyboardInterrupt

    def again() -> None:
        if pressed:
            raise KeyboardInterrupt

    if ours:
        signal.signal(signal.SIGINT, press)
    try:
        yield again
    finally:
        if ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def say(sentence: str) -> None:
    """One line on stderr."""
    typer.echo(visible(sentence), err=True)
