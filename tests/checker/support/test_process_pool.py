"""The pool of processes: its answers come in order, and its errors are raised."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children

import pytest

from failure_modes.checker.support import interrupts
from failure_modes.checker.support.process_pool import Pool, WorkerLost
from system.clock import SystemClock


def _square(number: int) -> int:
    """Square a number; small numbers take longest."""
    SystemClock().sleep(max(0, 5 - number) * 0.02)
    return number * number


def _divided(number: int) -> float:
    return 1 / number


def _stays(_: int) -> None:
    signal.pause()


def _dies(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("processes", [1, 2, 5])
def test_answers_come_in_order(processes: int) -> None:
    """The answers come in the order of the items, whichever is done first; afterwards no process is left."""
    with Pool(processes) as pool:
        assert list(pool.in_order(_square, range(8))) == [number * number for number in range(8)]
        assert list(pool.in_order(_square, [])) == []
        assert len(active_children()) <= processes
    assert active_children() == []


def test_no_more_items_are_taken_than_needed() -> None:
    """An endless sequence of items is taken only as far as needed."""
    taken: list[int] = []

    def wanted() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    with Pool(1) as pool:
        answers = pool.in_order(_square, wanted(), 3)
        assert [next(answers) for _ in range(4)] == [0, 1, 4, 9]
        assert len(taken) <= 4 + 3


def test_a_caller_may_abandon_answers() -> None:
    """The answers of abandoned work are not returned for the next work."""
    with Pool(2) as pool:
        assert next(pool.in_order(_square, range(100), 20)) == 0
        assert list(pool.in_order(_square, [10, 11])) == [100, 121]


def test_an_error_is_raised_in_place_of_its_answer() -> None:
    """An error of the work is raised in the place of its answer, with a note of its origin."""
    with Pool(2) as pool:
        answers = pool.in_order(_divided, [1, 2, 0, 4])
        with pytest.raises(ZeroDivisionError) as raised:
            list(answers)
    assert "in _divided" in raised.value.__notes__[0]
    assert active_children() == []


def test_a_process_that_dies_is_an_error() -> None:
    """The death of a process of the pool raises WorkerLost, and the other processes end."""
    with pytest.raises(WorkerLost, match="a process that shares the work died"), Pool(2) as pool:
        list(pool.in_order(_dies, range(3)))
    assert active_children() == []


def test_a_busy_process_is_killed() -> None:
    """A busy process is killed when the block ends."""
    with Pool(2) as pool:
        answers = pool.in_order(_stays, range(2))
        interrupts._received.append(signal.SIGTERM)  # noqa: SLF001 (a signal, received)
        try:
            with pytest.raises(KeyboardInterrupt):
                next(answers)
        finally:
            interrupts._received.clear()  # noqa: SLF001
    assert active_children() == []
