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
    last: bool = False
    """True if each other thread that can go on goes before it."""
    ended: bool = False

    def begin_wait(
        self, ready: Callable[[], bool], due: int | None, blocked_at: str | None, *, last: bool
    ) -> None:
        """It waits from now on."""
        self.ready, self.due, self.blocked_at, self.last = ready, due, blocked_at, last

    def end_wait(self) -> None:
        """It waits for nothing."""
        self.ready, self.due, self.blocked_at, self.last = _always, None, None, False

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
        self.current = ProcessThread(carrier(None), FIRST_IDENT)
        """The thread that runs now."""
        self._threads = [self.current]
        """Those that have not ended, the main thread first."""
        self._of: dict[Thread, ProcessThread] = {}
        self._turns = 0
        """How often a thread or another process did something that a blocked thread may wait for."""
        self._error: BaseException | None = None
        """What a thread raised that must end the run: the main thread raises it."""

    def of(self, thread: Thread) -> ProcessThread | None:
        """The thread of this process that was started as this object; None if there is none."""
        return self._of.get(thread)

    def start(self, thread: Thread) -> ProcessThread:
        """Start a thread. It goes on when it is its turn."""
        self._living()

        def run() -> None:
            self._run(started)

        started = ProcessThread(self._carrier(run), FIRST_IDENT + len(self._of) + 1, thread)
        self._of[thread] = started
        self._threads.append(started)
        return started

    def take_turns(self, *, last: bool) -> None:
        """Let each other thread that can go on have its turn. `last`: let them go on until they wait."""
        if len(self._threads) > 1:
            self._wait(_always, last=last)

    def wait(self, ready: Callable[[], bool], seconds: float | None = None) -> None:
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
        main = self._threads[0]
        return nullcontext() if self.current is main else self.current.carrier.outside(main.carrier)

    def kill(self) -> None:
        """End each thread but the main one. The process is known to be dead."""
        main, *others = self._threads
        for self.current in others:
            self.current.carrier.kill()
        self.current = main

    def _wait(
        self,
        ready: Callable[[], bool],
        due: int | None = None,
        blocked_at: str | None = None,
        *,
        last: bool = False,
    ) -> None:
        me = self.current
        me.begin_wait(ready, due, blocked_at, last=last)
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
            self.current = following
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
            order = (*self._threads[place:], *self._threads[:place])
            ready = [one for one in order if not one.ended and one.can_go_on(now)]
            if ready:
                return next((one for one in ready if not one.last), ready[0])
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
            self.current = following
            me.carrier.end(following.carrier)

    def _living(self) -> None:
        if self._process.dead:
            raise Crashed
