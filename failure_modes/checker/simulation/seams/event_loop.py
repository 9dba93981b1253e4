"""The seam of asyncio: the event loop of a process lives inside the process, on the simulated clock.

A process runs its coroutines with `process.run`; `asyncio.run` inside a process gets a loop of this kind.
When no task is ready, simulated time passes until the next timer: the process pauses at `SLEEP`. Without
a timer it is *blocked*. While an exchange with a real server is under way (`exchanged`), the loop waits for
the answer in real time, and no simulated time passes. A task gets its answer when no other task can go on,
and in the order of the questions: so the order of the tasks does not depend on the speed of a server.

A function for another thread (`asyncio.to_thread`) runs at once, in the loop itself. When a process dies,
its tasks end while it is known to be dead, so no `finally` of theirs has an effect.
"""

import asyncio
import selectors
import sys
from asyncio import events, tasks
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar, cast

from attrs import define

from failure_modes.checker.simulation.seams.patching import replaced
from failure_modes.checker.simulation.seams.stepped import Stepped, current, running
from failure_modes.checker.simulation.stepping import Crashed
from failure_modes.checker.support.errors import SubjectError

_NEW_EVENT_LOOP = events.new_event_loop

AWAITS_MAX = 1_000
"""The awaits in the `finally` blocks of one task of a dead process, at most."""

Result = TypeVar("Result")

GRACE_SECONDS = 0.05
"""The real time that a loop without a timer waits for a server that was asked outside an exchange."""

PATIENCE_SECONDS = 60.0
"""The real time that a server may take for one exchange."""


@define(eq=False)
class _Exchange:
    """A question to a server, and the turn of its task to get the answer."""

    turn: asyncio.Future[None]
    answered: bool = False

    async def waits_for_turn(self) -> None:
        """The answer is there; wait until it may be had."""
        self.answered = True
        await self.turn


class EventLoopSeam:
    """Replaces `asyncio.new_event_loop`."""

    def installed(self) -> AbstractContextManager[None]:
        """Replace the function until the block ends."""
        return replaced({_NEW_EVENT_LOOP: _new_event_loop})


class ProcessLoop(asyncio.SelectorEventLoop):
    """The event loop of one process."""

    def __init__(self, process: Stepped) -> None:
        self._process = process
        self._exchanges: list[_Exchange] = []
        self._called = False
        """True if a thread has called into this loop, which has not seen it yet."""
        self._own_selector = _Selector(self._wait)
        super().__init__(self._own_selector)
        self._clock_resolution = 0.001  # simulated time has milliseconds
        self.set_exception_handler(lambda _, __: None)  # asyncio only logs an error that nobody awaits
        process.at_death(self.end)

    def time(self) -> float:
        """The simulated time."""
        return self._process.now()

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Any, *arguments: Any, context: Any = None
    ) -> asyncio.Handle:
        """Call it, and wake the loop."""
        self._called = True
        return super().call_soon_threadsafe(callback, *arguments, context=context)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, function: Callable[..., Any], *arguments: Any
    ) -> Any:
        """Run the function at once."""
        del executor
        future = self.create_future()
        try:
            future.set_result(function(*arguments))
        except Exception as error:
            future.set_exception(error)
        return future

    def add_signal_handler(self, sig: int, callback: Any, *arguments: Any) -> None:  # type: ignore[override]
        """Do nothing: no signal reaches a virtual process."""
        del sig, callback, arguments

    def remove_signal_handler(self, sig: int) -> bool:
        """Do nothing."""
        del sig
        return False

    def run(self, coroutine: Any) -> Any:
        """Run a coroutine to its end. Other tasks stay, and go on with the next coroutine."""
        try:
            return self.run_until_complete(coroutine)
        except BaseException:
            if self._process.dead:
                self.end()
            raise

    async def exchanged(self, awaited: Awaitable[Result]) -> Result:
        """Await the answer of a server, and then the turn of this task."""
        one = _Exchange(self.create_future())
        self._exchanges.append(one)
        try:
            try:
                return await awaited
            finally:
                await one.waits_for_turn()
        finally:
            self._exchanges.remove(one)

    def end(self) -> None:
        """End each task, as the death of the process does, and close the loop."""
        if self.is_closed() or self.is_running():
            return
        with running(self._process):
            for task in sorted(asyncio.all_tasks(self), key=_age):
                with suppress(BaseException):
                    for _ in range(AWAITS_MAX):  # a `finally` may wait again
                        cast(Any, task.get_coro()).throw(Crashed)
        self.close()

    def _wait(self, select: Callable[[float | None], Any], timeout: float | None) -> Any:
        """Wait for an event, in simulated time. `select` waits in real time."""
        if self._process.dead:
            raise Crashed
        found = select(0)
        self._called = self._called and not found
        if found or timeout == 0:
            return found
        if self._exchanges:
            first = self._exchanges[0]
            if first.answered:
                if not first.turn.done():
                    first.turn.set_result(None)
                return found
            found = select(PATIENCE_SECONDS)
            if not found:
                raise SubjectError(f"a server gave no answer in {PATIENCE_SECONDS:g} s")
            return found
        listens = len(self._own_selector.get_map()) > 1  # the loop's own socket is one
        if timeout is None and listens and (found := select(GRACE_SECONDS)):
            return found
        if timeout is None:
            self._process.pause("WAIT")
            if not self._called:
                self._process.block("WAIT")
        else:
            self._process.sleep(timeout, until=lambda: self._called)
        return select(0)


class _Selector(selectors.DefaultSelector):
    """The selector of a loop, which does not wait by itself."""

    def __init__(self, wait: Callable[[Callable[[float | None], Any], float | None], Any]) -> None:
        super().__init__()
        self._wait = wait

    def select(self, timeout: float | None = None) -> Any:
        """The events, as the loop waits for them."""
        return self._wait(super().select, timeout)


async def exchanged(awaited: Awaitable[Result]) -> Result:
    """The answer of a server to a coroutine. Other tasks of the loop go on before it, as with a network."""
    loop = asyncio.get_running_loop()
    return await (loop.exchanged(awaited) if isinstance(loop, ProcessLoop) else awaited)


@contextmanager
def without_event_loop() -> Iterator[None]:
    """Inside, no loop is known to run in this thread: another process may run its own."""
    loop = events._get_running_loop()  # noqa: SLF001 (asyncio has no public name for these)
    if loop is None:
        yield
        return
    task, hooks = tasks.current_task(loop), sys.get_asyncgen_hooks()
    if task is not None:
        tasks._leave_task(loop, task)  # noqa: SLF001
    events._set_running_loop(None)  # noqa: SLF001
    sys.set_asyncgen_hooks(None, None)
    try:
        yield
    finally:
        sys.set_asyncgen_hooks(*hooks)
        events._set_running_loop(loop)  # noqa: SLF001
        if task is not None:
            tasks._enter_task(loop, task)  # noqa: SLF001


def _age(task: asyncio.Task[Any]) -> tuple[int, str]:
    """Orders tasks by their names, which asyncio numbers."""
    name = task.get_name()
    return len(name), name


def _new_event_loop() -> asyncio.AbstractEventLoop:
    process = current()
    return _NEW_EVENT_LOOP() if process is None else ProcessLoop(process)
