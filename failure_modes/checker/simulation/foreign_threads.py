"""The threads of a process of any queue: one goes on at a time, until its next boundary or until it waits.

Then the others get their turn, each in the order in which it was started, and so the same schedule gives
the same run. A thread that waits says when it can go on (`ready`), and how long it waits at most. If none
can go on, one of three things happens:

- A thread waits for what another process holds: the process is *blocked*.
- A thread waits with a timeout: simulated time passes until the first one ends.
- Each waits for another one without a timeout: this is a deadlock, and the process dies of it.

While a process is at rest, its threads stand still, too; they go on with its next task. What carries a
thread is in `thread_carriers.py`.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from threading import TIMEOUT_MAX, Thread
from typing import Protocol

from attrs import define

from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.simulation.thread_carriers import Carrier
from failure_modes.checker.support.errors import SubjectError

DEADLOCK = "a deadlock: each of its threads waits for another one"

FIRST_IDENT = 1_000
"""The first thread that a process starts has the next number as its `threading.get_ident`."""


class ThreadedProcess(Protocol):
    """The process, as its threads see it."""

    dead: bool

    def milliseconds(self) -> int:
        """The simulated time of the run."""
        ...

    def wait_for_others(self, label: str) -> None:
        """Pause until another process has moved."""
        ...

    def pass_time(self, milliseconds: int) -> None:
        """Pause, and let so much time pass."""
        ...

    def die_of(self, error: str) -> None:
        """The process is dead, because of this error."""
        ...


def _always() -> bool:
    return True


def _never() -> bool:
    return False


@define(eq=False)
class ProcessThread:
    """One thread. The main thread has no `thread`: the checker made none for it."""

    carrier: Carrier
    ident: int
    thread: Thread | None = None
    ready: Callable[[], bool] = _always
    due: int | None = None
    """The time at which it goes on in any case; None if there is none."""
    blocked_at: str | None = None
    """The label of the operation that another process may hold up; None if there is none."""
    ended: bool = False

    def begin_wait(self, ready: Callable[[], bool], due: int | None, blocked_at: str | None) -> None:
        """It waits from now on."""
        self.ready, self.due, self.blocked_at = ready, due, blocked_at

    def end_wait(self) -> None:
        """It waits for nothing."""
        self.ready, self.due, self.blocked_at = _always, None, None

    def end(self) -> None:
        """It has nothing more to do."""
        self.ended = True

    def can_go_on(self, now: int) -> bool:
        """True if it waits for nothing, or for nothing any more."""
        return self.ready() or (self.due is not None and now >= self.due)


class Threads:
    """The threads of one process. `carrier` makes what carries a thread."""

    def __init__(self, process: ThreadedProcess, carrier: type[Carrier]) -> None:
        self._process = process
        self._carrier = carrier
        self._threads: list[ProcessThread] = []
        """Those that have not ended, the main thread first. It is empty before the first wait."""
        self._of: dict[Thread, ProcessThread] = {}
        self._current: ProcessThread | None = None
        self._turns = 0
        """How often a thread or another process did something that a blocked thread may wait for."""
        self._error: BaseException | None = None
        """What a thread raised that must end the run: the main thread raises it."""

    @property
    def current(self) -> ProcessThread:
        """The thread that runs now."""
        if self._current is None:
            self._current = ProcessThread(self._carrier(None), FIRST_IDENT)
            self._threads.append(self._current)
        return self._current

    def of(self, thread: Thread) -> ProcessThread | None:
        """The thread of this process that was started as this object; None if there is none."""
        return self._of.get(thread)

    def start(self, thread: Thread) -> ProcessThread:
        """Start a thread. It goes on when it is its turn."""
        self._living()
        assert self.current.ended is False, "a thread that has ended starts none"

        def run() -> None:
            self._run(started)

        started = ProcessThread(self._carrier(run), FIRST_IDENT + len(self._of) + 1, thread)
        self._of[thread] = started
        self._threads.append(started)
        return started

    def take_turns(self) -> None:
        """Let each other thread that can go on have its turn."""
        if len(self._threads) > 1:
            self._pass_on()

    def wait(self, ready: Callable[[], bool] = _never, seconds: float | None = None) -> None:
        """Return when `ready` is true, or when so much time has passed. Other threads go on meanwhile."""
        due = None
        if seconds is not None and seconds < TIMEOUT_MAX:
            due = self._process.milliseconds() + max(round(seconds * 1000), 1)
        self._wait(ready, due)

    def block(self, label: str) -> None:
        """Return when another thread or another process has done something."""
        seen = self._turns
        self._wait(lambda: self._turns != seen, blocked_at=label)

    def outside(self) -> AbstractContextManager[None]:
        """Inside, the world has control, and the present thread does not run."""
        if self._current is None or self._current is self._threads[0]:
            return nullcontext()
        return self._current.carrier.outside(self._threads[0].carrier)

    def kill(self) -> None:
        """End each thread but the main one. The process is known to be dead."""
        main, *others = self._threads or [self.current]
        for self._current in others:
            self._current.carrier.kill()
        self._current = main

    def _wait(self, ready: Callable[[], bool], due: int | None = None, blocked_at: str | None = None) -> None:
        me = self.current
        me.begin_wait(ready, due, blocked_at)
        try:
            self._pass_on()
        finally:
            me.end_wait()

    def _pass_on(self) -> None:
        """Let the next thread go on. Returns when it is the turn of this one."""
        self._living()
        me = self.current
        following = self._next()
        if following is not me:
            self._current = following
            me.carrier.switch(following.carrier)
        self._living()
        if self._error is not None and me is self._threads[0]:
            raise self._error

    def _next(self) -> ProcessThread:
        """The next thread that can go on, this one last. Time passes until there is one."""
        me = self.current
        self._turns += me.blocked_at is None
        place = self._threads.index(me) + 1
        while not self._process.dead and self._error is None:
            now = self._process.milliseconds()
            for one in (*self._threads[place:], *self._threads[:place]):
                if not one.ended and one.can_go_on(now):
                    return one
            self._wait_for_world(now)
            self._turns += 1
        return self._threads[0]

    def _wait_for_world(self, now: int) -> None:
        """No thread can go on by itself."""
        waiting = [one for one in self._threads if not one.ended]
        blocked = next((one.blocked_at for one in waiting if one.blocked_at is not None), None)
        dues = [one.due for one in waiting if one.due is not None]
        if blocked is not None:
            self._process.wait_for_others(blocked)
        elif dues:
            self._process.pass_time(min(dues) - now)
        else:
            self._process.die_of(DEADLOCK)

    def _run(self, me: ProcessThread) -> None:
        """The whole life of a thread. An error ends the thread alone, as in a real process."""
        try:
            assert me.thread is not None
            if not self._process.dead:
                me.thread.run()
        except SubjectError as error:
            self._error = error
        except (Exception, SystemExit, Crashed):
            pass
        except BaseException as error:  # the user interrupts the checker
            self._error = error
        me.end()
        if self._process.dead:
            return
        with suppress(Crashed):
            following = self._next()
            self._threads.remove(me)
            self._current = following
            me.carrier.end(following.carrier)

    def _living(self) -> None:
        if self._process.dead:
            raise Crashed
