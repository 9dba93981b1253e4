"""A pool of processes that share work. The answers come in the order of the work."""

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, Protocol, TypeVar

from failure_modes.checker.support import child_processes, temporary
from failure_modes.checker.support.errors import MachineError
from failure_modes.checker.support.interrupts import CHECK_EVERY_SECONDS, check

Item = TypeVar("Item")
Answer = TypeVar("Answer")

END_SECONDS = 10.0
"""The time that an idle process gets to end before it is killed."""


class WorkPool(Protocol):
    """Processes that share work: of this machine (`Pool`), or of a cluster (`cluster.Cluster`)."""

    def in_order(
        self, work: Callable[[Item], Answer], items: Iterable[Item], unused_max: int | None = None
    ) -> Iterator[Answer]:
        """The answers, in the order of the items. At most `unused_max` answers are not used yet."""
        ...


class WorkerLost(MachineError):
    """A process of the pool died, and its answer is lost."""

    def __init__(self) -> None:
        super().__init__("a process that shares the work died, so there is no answer")


class Pool:
    """Processes that share work. Each starts when there is work for it; all end with the `with` block."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._workers: list[_Worker] = []
        self._numbers = count()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.join()
        self._workers.clear()
        temporary.sweep()  # a process that was killed leaves its folder

    def in_order(
        self,
        work: Callable[[Item], Answer],
        items: Iterable[Item],
        unused_max: int | None = None,
        *,
        check: Callable[[], None] = check,
    ) -> Iterator[Answer]:
        """The answers, in the order of the items. At most `unused_max` answers are not used yet.

        `check` is called while an answer is awaited, and may raise. Raises KeyboardInterrupt between two
        answers, WorkerLost, and the error of the work.
        """
        most = unused_max or 2 * self._processes
        items_left, waiting, order = iter(items), deque[tuple[int, Item]](), deque[int]()
        answers: dict[int, Answer] = {}
        more = True
        while more or order:
            check()
            draws = more and len(order) < most
            idle = self._idle() if waiting else None
            heard = self._heard(0 if draws or idle else CHECK_EVERY_SECONDS)
            answers |= {number: answer for number, answer in heard if number in order}
            while order and order[0] in answers:
                yield answers.pop(order.popleft())
            if idle is not None:
                number, item = waiting.popleft()
                idle.ask(number, work, item)
            elif draws:
                drawn = [(next(self._numbers), item) for item in islice(items_left, 1)]
                waiting += drawn
                order += [number for number, _ in drawn]
                more = bool(drawn)

    def _idle(self) -> "_Worker | None":
        for worker in self._workers:
            if not worker.busy:
                return worker
        if len(self._workers) == self._processes:
            return None
        self._workers.append(_Worker())
        return self._workers[-1]

    def _heard(self, seconds: float) -> Iterator[tuple[int, Any]]:
        """The answers that have arrived, after a wait of at most `seconds` for the first."""
        busy = {worker.pipe: worker for worker in self._workers if worker.busy}
        for pipe in wait(list(busy), seconds):
            assert isinstance(pipe, Connection), "the pool waits for pipes only"
            yield busy[pipe].answer()


class _Worker:
    """One process of the pool."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, far = context.Pipe()
        self._process = child_processes.start(context, _serve, far, daemon=False)
        far.close()
        self.busy = False

    def ask(self, number: int, work: Callable[[Any], object], item: object) -> None:
        """Send an item of work. Raises WorkerLost."""
        try:
            self.pipe.send((number, work, item))
        except OSError:
            raise WorkerLost from None
        self.busy = True

    def answer(self) -> tuple[int, Any]:
        """The number of the item and its answer. Raises WorkerLost, and the error of the work."""
        try:
            number, error, answer = self.pipe.recv()
        except (EOFError, OSError):
            raise WorkerLost from None
        self.busy = False
        if error is not None:
            raise error
        return number, answer

    def stop(self) -> None:
        """Let the process end; kill it if it works."""
        self.pipe.close()
        if self.busy:
            self._process.kill()

    def join(self) -> None:
        """Wait until the process has ended."""
        self._process.join(END_SECONDS)
        self._process.kill()
        self._process.join()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """Answer each request until the pipe is closed."""
    while True:
        try:
            number, work, item = pipe.recv()
        except (EOFError, OSError):
            return
        error = answer = None
        try:
            answer = work(item)
        except (Exception, temporary.NoRoom) as failed:
            failed.add_note(f"In a process of the pool:\n{traceback.format_exc()}")
            error = failed
        try:
            pipe.send((number, error, answer))
        except OSError:
            return
