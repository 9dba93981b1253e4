"""A process that runs the code of any queue, as its program and the seams see it: it pauses at each boundary.

It differs from `process.py`: the code of a library cannot be restored to a snapshot, so nothing is logged.
A run begins anew instead. The same `Arrival` values come from virtual processes (`foreign_process.py`) and
from real ones (`real/real_queue.py`), so a run and its judgement do not know which kind they have.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import Any, ClassVar, Protocol, TypeVar

from attrs import frozen

from failure_modes.checker.simulation.foreign_threads import Threads
from failure_modes.checker.simulation.seams.event_loop import ProcessLoop
from failure_modes.checker.simulation.seams.stepped import never
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.simulation.thread_carriers import Carrier, GreenletCarrier
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
class EndedJob:
    """A job whose handler has returned, or raised an error."""

    key: str
    raised: bool


@frozen(kw_only=True)
class Arrival:
    """Where a process has arrived. `label` has its number: `UPDATE job#1`."""

    where: Where
    label: str | None = None
    key: str | None = None
    error: str | None = None
    slept_ms: int = 0
    """How long the process has slept since it was resumed: the world lets so much time pass."""
    ended: tuple[EndedJob, ...] = ()
    """The jobs that have ended since it was resumed."""


@frozen(kw_only=True)
class Task:
    """What a process at rest is asked to do. `key` is the job to enqueue."""

    name: str
    key: str | None = None


class Guest(Protocol):
    """A process of the world, virtual or real."""

    name: str
    at: Arrival

    def resume(self, *, task: Task | None = None, fails: bool = False, stopped: bool = False) -> Arrival:
        """Go on to the next boundary. A process at rest needs a task; `fails`: its job raises an error.

        `stopped`: the schedule had stopped it there, so its other threads go on before this one.
        """
        ...

    def kill(self) -> None:
        """Kill the process where it is. A fresh one takes its name."""
        ...


ForeignProgram = Callable[["ForeignContext"], None]
"""The program of a process: it asks its context for tasks, without an end."""

AT_REST = Arrival(where=Where.REST)


class ForeignContext:
    """The process, as its program, the library and the seams see it. `switch` gives control to the world."""

    carrier: ClassVar[type[Carrier]] = GreenletCarrier
    """What carries its threads."""

    def __init__(self, name: str, clock: VirtualClock, salt: str = "") -> None:
        self.name = name
        self.dead = False
        self.died_of: str | None = None
        self.loses_reply = False
        self.threads = Threads(self, self.carrier)
        self._clock = clock
        self._salt = f"{name} {salt}"
        self._times: Counter[str] = Counter()
        self._drawn = self._slept_ms = self._sleeps = 0
        self._prefix = ""
        self._releases: list[Callable[[], None]] = []
        self._task: Task | None = None
        self._fails = self._stopped = False
        self._ended: list[EndedJob] = []
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
        fails, self._fails = self._fails, False
        self.threads.take_turns(last=self._stopped)
        self._ended.append(EndedJob(key=key, raised=fails))
        if fails:
            raise JobFailed(f"the job {key} fails")

    def run(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine to its end, in the one event loop of the process. Its other tasks stay."""
        if self._loop is None:
            self._loop = ProcessLoop(self)
        result: Result = self._loop.run(coroutine)
        return result

    # What the seams call.

    def pause(self, label: str) -> None:
        """Pause at a boundary. Then the other threads have their turn."""
        self._arrive(Where.BOUNDARY, label)
        self.threads.take_turns(last=self._stopped)

    def block(self, label: str) -> None:
        """Wait until another thread or another process has moved."""
        self.threads.block(label)

    def now(self) -> float:
        """The simulated time, in seconds since 1970."""
        return EPOCH_SECONDS + self._clock.now() / 1000

    def sleep(self, seconds: float, until: Callable[[], bool] = never) -> None:
        """Let time pass. The other threads go on meanwhile, and may end the sleep."""
        self.threads.wait(until, seconds)

    def random_bytes(self, size: int) -> bytes:
        """Bytes that are the same in each run, and differ from those of other processes."""
        self._drawn += 1
        return hashlib.shake_128(f"{self._salt} {self._drawn}".encode()).digest(size)

    def at_death(self, release: Callable[[], None]) -> None:
        """Call this when the process dies."""
        self._releases.append(release)

    # What the threads call.

    def milliseconds(self) -> int:
        """The simulated time of the run."""
        return self._clock.now()

    def wait_for_others(self, label: str) -> None:
        """Pause until another process has moved."""
        self._times[f"{self._prefix}{label}"] -= 1  # the same boundary again
        self._arrive(Where.BLOCKED, label)

    def pass_time(self, milliseconds: int) -> None:
        """Pause, and let so much time pass."""
        self._sleeps += 1
        if self._sleeps > SLEEPS_MAX:
            raise SubjectError(f"process {self.name} slept {SLEEPS_MAX} times in one task: it never finishes")
        self._slept_ms += milliseconds
        self._arrive(Where.BOUNDARY, "SLEEP")

    def die_of(self, error: str) -> None:
        """The process is dead, because of this error."""
        self.dead, self.died_of = True, error

    # What the world calls.

    def give(self, task: Task | None, *, fails: bool, stopped: bool) -> None:
        """Give the process what it gets when it goes on."""
        self._task, self._fails, self._stopped = task, fails, stopped

    def die(self) -> None:
        """From now on each call through a seam raises Crashed."""
        self.dead = True

    def release(self) -> None:
        """Release what the operating system would release."""
        for release in reversed(self._releases):
            with suppress(Exception):
                release()
        self._releases.clear()

    def ended(self) -> tuple[EndedJob, ...]:
        """The jobs that have ended since this was last asked."""
        ended = tuple(self._ended)
        self._ended.clear()
        return ended

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
        self.switch(Arrival(where=where, label=label, key=key, slept_ms=slept, ended=self.ended()))
        if self.dead:
            raise Crashed


def ended(program: ForeignProgram, context: ForeignContext) -> Arrival:
    """Run the program of a process to its end: it dies of an error, or because it is killed."""
    error: str | None = "the program ended"
    try:
        program(context)
    except Crashed:
        error = context.died_of
    except SubjectError:
        raise
    except Exception as raised:  # the worker itself dies of it: an oracle judges that
        error = f"{type(raised).__name__}: {raised}"
    return Arrival(where=Where.DEAD, error=error, ended=context.ended())
