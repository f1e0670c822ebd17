"""A progress bar on stderr: rows, rate and remaining time, once a run takes over a second.

Nothing is drawn where stderr is no terminal.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

_PATIENCE = 1.0  # seconds before a bar is worth drawing


@contextmanager
def progress_bar(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """A function to be told how many units are done since it was last called."""
    started, done = time.monotonic(), 0
    update: Callable[[int], None] | None = None
    with ExitStack() as drawn:

        def advance(units: int) -> None:
            nonlocal done, update
            done += units
            if update is None and sys.stderr.isatty() and time.monotonic() - started > _PATIENCE:
                update = drawn.enter_context(_bar(title, total, unit))
            if update is not None:
                update(done)

        yield advance


@contextmanager
def _bar(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
    from rich.text import Text

    class Rate(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(f"{task.completed:,.0f} {unit}, {task.speed or 0:,.0f} a second")

    columns = (TextColumn(title), BarColumn(), Rate(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title, total=total)
        yield lambda done: progress.update(task, completed=done)
