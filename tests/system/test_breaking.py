"""Breaking off from another thread: in the thread of the code, once, and never outside the code."""

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from system import breaking
from system.breaking import WAKE, Breakable, CutShort, Released, TimedOut, Waker
from tests.system.handler_threads import PATIENCE_SECONDS, Beating

Way = Callable[[Breakable], AbstractContextManager[None]]


@contextmanager
def woken(breakable: Breakable) -> Iterator[None]:
    """As `breaking_off` does it for a worker."""
    before = signal.signal(WAKE, Waker(process=os.getpid(), deliver=breakable.deliver))
    try:
        yield
    finally:
        signal.signal(WAKE, before)


@contextmanager
def unwoken(_: Breakable) -> Iterator[None]:
    """With no handler of SIGURG, as in a thread beside the main one."""
    yield


def work() -> None:
    """Something that takes a few instructions, and keeps what a signal raises in it.

    C code may lose that: `int("x")` does, while it makes the text of its own error.
    """
    for number in range(3):
        str(number)


def pass_time_until(is_over: Callable[[], bool]) -> None:
    """Wait in short calls, so that an exception may come between them."""
    pause = threading.Event()
    for _ in range(PATIENCE_SECONDS * 1000):
        if is_over():
            return
        pause.wait(0.001)


def test_code_that_waits_in_the_main_thread_is_broken_off() -> None:
    """The signal ends the wait, and the exception is the one that was asked for."""
    breakable = Breakable()
    ended = threading.Event()

    def ask() -> bool:
        threading.Event().wait(0.1)  # so that it most likely waits by now
        breakable.break_off(told)
        return ended.wait(PATIENCE_SECONDS / 2)

    told = TimedOut("too long")
    asking = Beating(ask)

    def body() -> None:
        asking.start()
        threading.Event().wait(PATIENCE_SECONDS)

    with woken(breakable):
        assert breakable.run(body) is told
    ended.set()
    assert asking.ended() == [True], "the wait went on to its own end"


def test_code_that_runs_in_another_thread_is_broken_off() -> None:
    """There the exception comes between two instructions; once, also if it is asked for again."""
    breakable = Breakable()
    began, raised = threading.Event(), threading.Event()

    def body() -> None:
        began.set()
        try:
            pass_time_until(lambda: False)
        except TimedOut:
            raised.set()
        pass_time_until(asked_again.is_set)
        raise ValueError("its own error")

    told = TimedOut("too long")
    asked_again = threading.Event()
    running = Beating(lambda: breakable.run(body))
    running.start()
    assert began.wait(PATIENCE_SECONDS)
    breakable.break_off(told)
    assert raised.wait(PATIENCE_SECONDS)
    breakable.break_off(told)
    asked_again.set()
    [error] = running.ended()
    assert repr(error) == repr(ValueError("its own error"))


@pytest.mark.parametrize("way", [woken, unwoken])
def test_a_part_that_is_shielded_is_broken_off_after_it(
    way: Callable[[Breakable], AbstractContextManager[None]],
) -> None:
    """A thread that asks while the part runs does not cut it short, and the rest does not run."""
    breakable = Breakable()
    done: list[str] = []

    def part() -> None:
        asking = Beating(lambda: breakable.break_off(told))
        asking.start()
        assert asking.ended() == [None]
        assert breakable.shielded
        work()
        done.append("part")

    def body() -> None:
        breakable.shield(part)
        done.append("rest")

    told = TimedOut("too long")
    with way(breakable):
        assert breakable.run(body) is told
    assert (done, breakable.shielded) == (["part"], False)


def test_a_thread_that_shields_does_not_close_the_code() -> None:
    """While another thread runs a part of its own, a break still reaches the code."""
    breakable = Breakable()
    entered, leave = threading.Event(), threading.Event()

    def part() -> bool:
        entered.set()
        return leave.wait(PATIENCE_SECONDS)

    beating = Beating(lambda: breakable.shield(part))

    def body() -> None:
        beating.start()
        assert entered.wait(PATIENCE_SECONDS)
        breakable.break_off(Released())
        raise AssertionError("it was not broken off")

    assert isinstance(breakable.run(body), Released)
    leave.set()
    assert beating.ended() == [True]


def test_the_code_does_not_end_while_an_exception_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Code that was seen to be open closes after the sending, and takes back what has not come yet."""
    breakable = Breakable()
    began, sending, returned = threading.Event(), threading.Event(), threading.Event()
    sent: list[type[CutShort] | None] = []

    def slowly(_: int, error: type[CutShort] | None) -> None:
        sent.append(error)
        if error is not None:
            sending.set()
            assert not returned.wait(0.2), "the code has ended, and the exception comes too late"

    def body() -> None:
        began.set()
        sending.wait(PATIENCE_SECONDS)

    def run() -> CutShort | None:
        came = breakable.run(body)
        returned.set()
        return came

    monkeypatch.setattr(breaking, "_send", slowly)
    running = Beating(run)
    running.start()
    assert began.wait(PATIENCE_SECONDS)
    breakable.break_off(TimedOut("too long"))
    assert (running.ended(), sent) == ([None], [TimedOut, None])


class Round:
    """Code with a shielded part, which another thread breaks off: before its end, after it, or some time."""

    def __init__(self, number: int) -> None:
        self.breakable = Breakable()
        self.told = TimedOut("too long")
        self._before, self._after = number % 10 == 0, number % 10 == 1
        self._delay = number % 50
        self._began, self._ended = threading.Event(), threading.Event()
        self._done: list[str] = []

    def ask(self) -> None:
        """Break it off, from another thread."""
        if self._before:
            assert self._began.wait(PATIENCE_SECONDS)
        if self._after:
            assert self._ended.wait(PATIENCE_SECONDS)
        for _ in range(self._delay):
            work()
        self.breakable.break_off(self.told)

    def run(self) -> None:
        """Run it, and some code that must not be broken off."""
        came = self.breakable.run(self._body)
        self._ended.set()
        for _ in range(50):
            work()
        assert came in ((self.told,) if self._before else (None,) if self._after else (None, self.told))
        assert self._done in ([], *[["part begins", "part ends", "rest"][:count] for count in (2, 3)])

    def _body(self) -> None:
        self.breakable.shield(self._part)
        self._began.set()
        self._done.append("rest")
        for _ in range(PATIENCE_SECONDS * 1_000_000 if self._before else 1):
            work()

    def _part(self) -> None:
        self._done.append("part begins")
        work()
        self._done.append("part ends")


def take_turns(rounds: list[Round]) -> None:
    """Run them here, while another thread breaks off each."""
    turn = threading.Semaphore(0)

    def ask() -> None:
        for each in rounds:
            turn.acquire()
            each.ask()

    asking = Beating(ask)
    asking.start()
    for each in rounds:
        turn.release()
        each.run()
    assert asking.ended() == [None]


@pytest.fixture
def _many_switches() -> Iterator[None]:
    """Python lets another thread run as often as it can, and calls nothing in which an exception is lost."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    gc.disable()
    yield
    gc.enable()
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_many_switches")
def test_no_break_by_the_signal_leaves_the_code() -> None:
    """However the two threads take turns, the exception is raised in the code, or not at all."""
    rounds = [Round(number) for number in range(2_000)]

    def deliver() -> None:
        for each in rounds:
            each.breakable.deliver()

    before = signal.signal(WAKE, Waker(process=os.getpid(), deliver=deliver))
    try:
        take_turns(rounds)
    finally:
        signal.signal(WAKE, before)


@pytest.mark.usefixtures("_many_switches")
def test_no_break_in_another_thread_leaves_the_code() -> None:
    """The same where the exception is sent to the thread, and may come at its next instruction."""
    running = Beating(lambda: take_turns([Round(number) for number in range(2_000)]))
    running.start()
    assert running.ended() == [None]
