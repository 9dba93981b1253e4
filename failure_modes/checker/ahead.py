"""Work that is shared out among processes, and comes back in its order."""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from typing import TypeVar

from failure_modes.checker.orphans import die_with_parent

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def begin() -> None:
    """What a process of the pool does first: it ends with who started it, who alone is interrupted."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def ahead(
    pool: ProcessPoolExecutor, work: Callable[[Asked], Answer], wanted: Iterable[Asked], number: int
) -> Iterator[Answer]:
    """What each comes to, in order, so many of them on their way at once."""
    left = iter(wanted)
    running = [pool.submit(work, asked) for asked in islice(left, number)]
    while running:
        yield running.pop(0).result()
        running += [pool.submit(work, asked) for asked in islice(left, 1)]
