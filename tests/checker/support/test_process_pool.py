"""The pool of processes: its answers come in order, and what goes wrong in it is told."""

import os
import signal
from collections.abc import Iterator
from multiprocessing import active_children

import pytest

from failure_modes.checker.support import interrupts
from failure_modes.checker.support.process_pool import Pool, WorkerLost
from system.clock import SystemClock


def _square(number: int) -> int:
    """The small numbers take longest."""
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
    """Whichever process is done first; and afterwards no process is left."""
    with Pool(processes) as pool:
        assert list(pool.in_order(_square, range(8))) == [number * number for number in range(8)]
        assert list(pool.in_order(_square, [])) == []
        assert len(active_children()) <= processes
    assert active_children() == []


def test_no_more_is_taken_than_is_needed_soon() -> None:
    """What is wanted may have no end."""
    taken: list[int] = []

    def wanted() -> Iterator[int]:
        while True:
            taken.append(len(taken))
            yield taken[-1]

    with Pool(1) as pool:
        answers = pool.in_order(_square, wanted(), 3)
        assert [next(answers) for _ in range(4)] == [0, 1, 4, 9]
        assert len(taken) <= 4 + 3


def test_a_caller_may_lose_interest_and_ask_for_something_else() -> None:
    """What is still being worked on is not taken for an answer to the next question."""
    with Pool(2) as pool:
        assert next(pool.in_order(_square, range(100), 20)) == 0
        assert list(pool.in_order(_square, [10, 11])) == [100, 121]


def test_an_error_is_raised_where_the_answer_would_be() -> None:
    """With a note of where it was raised."""
    with Pool(2) as pool:
        answers = pool.in_order(_divided, [1, 2, 0, 4])
        with pytest.raises(ZeroDivisionError) as raised:
            list(answers)
    assert "in _divided" in raised.value.__notes__[0]
    assert active_children() == []


def test_a_process_that_dies_is_no_answer() -> None:
    """Nobody waits for it for ever, and the others end as well."""
    with pytest.raises(WorkerLost, match="a process that shares the work died"), Pool(2) as pool:
        list(pool.in_order(_dies, range(3)))
    assert active_children() == []


def test_what_is_under_way_is_not_waited_for() -> None:
    """A process that is in the middle of something is killed when the block ends."""
    with Pool(2) as pool:
        answers = pool.in_order(_stays, range(2))
        interrupts._received.append(signal.SIGTERM)  # noqa: SLF001 (a signal, received)
        try:
            with pytest.raises(KeyboardInterrupt):
                next(answers)
        finally:
            interrupts._received.clear()  # noqa: SLF001
    assert active_children() == []
