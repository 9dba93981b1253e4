"""Work that is shared out among processes, and comes back in its order."""

import signal
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import islice
from multiprocessing import active_children
from typing import TypeVar

from failure_modes.checker.orphans import die_with_parent

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")


def begin() -> None:
    """What a process of the pool does first: it ends with who started it, who alone is interrupted."""
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def stop(pool: ProcessPoolExecutor) -> None:
    """End its processes, whatever they are in the middle of.

    `shutdown` alone lets each go on with what it has begun, and may then wait for ever (seen on Python 3.11).
    """
    pool.shutdown(wait=False, cancel_futures=True)
    for process in active_children():
        process.kill()


def ahead(
    pool: ProcessPoolExecutor, work: Callable[[Asked], Answer], wanted: Iterable[Asked], number: int
) -> Iterator[Answer]:
    """What each comes to, in order, so many of them on their way at once."""
    left = iter(wanted)
    running = [pool.submit(work, asked) for asked in islice(left, number)]
    while running:
        yield running.pop(0).result()
        running += [pool.submit(work, asked) for asked in islice(left, 1)]
