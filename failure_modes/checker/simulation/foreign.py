"""A virtual process that runs the code of any queue: a greenlet that pauses at each boundary of the seams.

It differs from `process.py`: the code of a library cannot be restored to a snapshot, so nothing is logged.
A run begins anew instead. The same `Arrival` values come from real processes (`real/real_queue.py`), so a
run and its judgement do not know which kind they have.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, Protocol, TypeVar

from attrs import frozen
from greenlet import getcurrent, greenlet

from failure_modes.checker.simulation.seams.event_loop import ProcessLoop, without_event_loop
from failure_modes.checker.simulation.seams.stepped import running
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.simulation.virtual_clock import VirtualClock
from failure_modes.checker.support.errors import SubjectError

EPOCH_SECONDS = 1_750_000_000
"""The time at which each run begins."""

SLEEPS_MAX = 1_000
"""The number of sleeps in one task, at most."""

HANDLE = "HANDLE"
"""The label of the boundary inside a job: the handler was called, and has not returned yet."""


OPENING = "OPEN "
"""The label of a boundary at which a fresh process opens its queue begins so."""


Result = TypeVar("Result")


class JobFailed(Exception):
    """The handler of a job raised an error, as the schedule asked."""


class Where(StrEnum):
    """Where a process is after it has moved."""

    REST = "at rest"
    BOUNDARY = "before a statement"
    BLOCKED = "waiting for a lock"
    HANDLER = "in a job"
    DEAD = "died"


@frozen(kw_only=True)
class Arrival:
    """Where a process has arrived. `label` has its number: `UPDATE job#1`."""

    where: Where
    label: str | None = None
    key: str | None = None
    error: str | None = None
    slept_ms: int = 0
    """How long the process has slept since it was resumed: the world lets so much time pass."""


@frozen(kw_only=True)
class Task:
    """What a process at rest is asked to do. `key` is the job to enqueue."""

    name: str
    key: str | None = None


class Guest(Protocol):
    """A process of the world, virtual or real."""

    name: str
    at: Arrival

    def resume(self, *, task: Task | None = None, fails: bool = False) -> Arrival:
        """Go on to the next boundary. A process at rest needs a task; `fails`: its job raises an error."""
        ...

    def kill(self) -> None:
        """Kill the process where it is. A fresh one takes its name."""
        ...


ForeignProgram = Callable[["ForeignContext"], None]
"""The program of a process: it asks its context for tasks, without an end."""

AT_REST = Arrival(where=Where.REST)


class ForeignContext:
    """The process, as its program, the library and the seams see it. `switch` gives control to the world."""

    def __init__(self, name: str, clock: VirtualClock, salt: str = "") -> None:
        self.name = name
        self.dead = False
        self.loses_reply = False
        self._clock = clock
        self._salt = f"{name} {salt}"
        self._times: Counter[str] = Counter()
        self._drawn = self._slept_ms = self._sleeps = 0
        self._prefix = ""
        self._releases: list[Callable[[], None]] = []
        self._task: Task | None = None
        self._fails = False
        self._loop: ProcessLoop | None = None

    # What the program calls.

    def next_task(self) -> Task:
        """Rest until the world gives a task."""
        self._arrive(Where.REST)
        self._times.clear()
        self._sleeps = 0
        assert self._task is not None, "a process at rest is resumed with a task"
        return self._task

    @contextmanager
    def opening(self) -> Iterator[None]:
        """Inside, the process opens its queue. The labels begin with `OPEN` and have their own numbers."""
        self._prefix = OPENING
        try:
            yield
        finally:
            self._prefix = ""

    def handle(self, key: str) -> None:
        """Run the job of this key. Raises JobFailed if the schedule says so."""
        self._arrive(Where.HANDLER, HANDLE, key)
        if self._fails:
            self._fails = False
            raise JobFailed(f"the job {key} fails")

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end, in the one event loop of the process. Its other tasks stay."""
        if self._loop is None:
            self._loop = ProcessLoop(self)
        result: Result = self._loop.run(coroutine)
        return result

    # What the seams call.

    def pause(self, label: str) -> None:
        """Pause at a boundary."""
        self._arrive(Where.BOUNDARY, label)

    def block(self, label: str) -> None:
        """Pause until another process has moved."""
        self._times[f"{self._prefix}{label}"] -= 1  # the same boundary again
        self._arrive(Where.BLOCKED, label)

    def now(self) -> float:
        """The simulated time, in seconds since 1970."""
        return EPOCH_SECONDS + self._clock.now() / 1000

    def sleep(self, seconds: float) -> None:
        """Let time pass, and pause."""
        self._sleeps += 1
        if self._sleeps > SLEEPS_MAX:
            raise SubjectError(f"process {self.name} slept {SLEEPS_MAX} times in one task: it never finishes")
        self._slept_ms += max(round(seconds * 1000), 1)
        self.pause("SLEEP")

    def random_bytes(self, size: int) -> bytes:
        """Bytes that are the same in each run, and differ from those of other processes."""
        self._drawn += 1
        return hashlib.shake_128(f"{self._salt} {self._drawn}".encode()).digest(size)

    def at_death(self, release: Callable[[], None]) -> None:
        """Call this when the process dies."""
        self._releases.append(release)

    # What the world calls.

    def give(self, task: Task | None, *, fails: bool) -> None:
        """Give the process what it gets when it goes on."""
        self._task, self._fails = task, fails

    def die(self) -> None:
        """From now on each call through a seam raises Crashed."""
        self.dead = True

    def release(self) -> None:
        """Release what the operating system would release."""
        for release in reversed(self._releases):
            with suppress(Exception):
                release()
        self._releases.clear()

    def switch(self, arrival: Arrival) -> None:
        """Give control to the world, and tell it where the process has arrived. Returns when it goes on."""
        raise NotImplementedError

    def _arrive(self, where: Where, label: str | None = None, key: str | None = None) -> None:
        if self.dead:
            raise Crashed
        if label is not None:
            label = f"{self._prefix}{label}"
            self._times[label] += 1
            label = f"{label}#{self._times[label]}"
        slept, self._slept_ms = self._slept_ms, 0
        self.switch(Arrival(where=where, label=label, key=key, slept_ms=slept))
        if self.dead:
            raise Crashed


class _VirtualContext(ForeignContext):
    """The context of a greenlet."""

    def __init__(self, name: str, clock: VirtualClock, hub: greenlet, salt: str) -> None:
        super().__init__(name, clock, salt)
        self._hub = hub

    def switch(self, arrival: Arrival) -> None:
        """Switch to the greenlet of the world."""
        with without_event_loop():
            self._hub.switch(arrival)


class ForeignProcess:
    """One virtual process."""

    def __init__(self, name: str, clock: VirtualClock, program: ForeignProgram) -> None:
        self.name = name
        self.at = AT_REST
        self._clock = clock
        self._program = program
        self._lives = 0
        self._context: _VirtualContext | None = None
        self._greenlet: greenlet | None = None

    def resume(self, *, task: Task | None = None, fails: bool = False) -> Arrival:
        """Go on to the next boundary."""
        if self._greenlet is None:
            self._start()
        assert self._context is not None
        self._context.give(task, fails=fails)
        self.at = self._switch()
        if self.at.where is Where.DEAD:
            died = self.at
            self.kill()
            return died
        return self.at

    def kill(self) -> None:
        """Kill the process where it is. A fresh one takes its name."""
        context, self._context = self._context, None
        left, self._greenlet = self._greenlet, None
        self.at = AT_REST
        if context is None:
            return
        context.die()
        if left is not None and not left.dead:
            with running(context):
                left.throw(Crashed)
        context.release()

    def _start(self) -> None:
        self._lives += 1
        self._context = _VirtualContext(self.name, self._clock, getcurrent(), str(self._lives))
        self._greenlet = greenlet(self._main, parent=getcurrent())
        self.at = self._switch()

    def _switch(self) -> Arrival:
        assert self._greenlet is not None
        assert self._context is not None
        with running(self._context):
            arrival: Any = self._greenlet.switch()
        assert isinstance(arrival, Arrival), "a process tells where it has arrived"
        return arrival

    def _main(self, *_: Any) -> Arrival:
        context = self._context
        assert context is not None
        return ended(self._program, context)


def ended(program: ForeignProgram, context: ForeignContext) -> Arrival:
    """Run the program of a process to its end: it dies of an error, or because it is killed."""
    try:
        program(context)
    except Crashed:
        return Arrival(where=Where.DEAD)
    except SubjectError:
        raise
    except Exception as error:  # the worker itself dies of it: an oracle judges that
        return Arrival(where=Where.DEAD, error=f"{type(error).__name__}: {error}")
    return Arrival(where=Where.DEAD, error="the program ended")
