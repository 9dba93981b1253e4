"""Work that is shared out among processes, and comes back in its order."""

import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import count, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

from failure_modes.checker.support import child_processes, temporary
from failure_modes.checker.support.errors import MachineError
from failure_modes.checker.support.interrupts import LOOK_EVERY_SECONDS, check

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

END_SECONDS = 10.0
"""How long a process that has nothing to do may take to end, before it is killed."""


class WorkerLost(MachineError):
    """A process of the pool ended by itself, and its work is lost."""

    def __init__(self) -> None:
        super().__init__("a process that shares the work died, so there is no answer")


class Pool:
    """Processes that share work, started when there is something to do. The `with` block leaves none."""

    def __init__(self, processes: int) -> None:
        self._processes = processes
        self._workers: list[_Worker] = []
        self._numbers = count()

    def __enter__(self) -> "Pool":
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self._workers:
            worker.let_go()
        for worker in self._workers:
            worker.join()
        self._workers.clear()
        temporary.sweep()  # a process that was killed leaves its folder

    def in_order(
        self, work: Callable[[Asked], Answer], wanted: Iterable[Asked], ahead_max: int | None = None
    ) -> Iterator[Answer]:
        """The answers, in order. At most `ahead_max` of what is wanted is taken before its answer is used.

        Raises KeyboardInterrupt between two answers, WorkerLost, and what the work raises.
        """
        most = ahead_max or 2 * self._processes
        left, waiting, order = iter(wanted), deque[tuple[int, Asked]](), deque[int]()
        answers: dict[int, Answer] = {}
        more = True
        while more or order:
            check()
            draws = more and len(order) < most
            idle = self._idle() if waiting else None
            heard = self._heard(0 if draws or idle else LOOK_EVERY_SECONDS)
            answers |= {number: answer for number, answer in heard if number in order}
            while order and order[0] in answers:
                yield answers.pop(order.popleft())
            if idle is not None:
                number, asked = waiting.popleft()
                idle.ask(number, work, asked)
            elif draws:
                drawn = [(next(self._numbers), asked) for asked in islice(left, 1)]
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
        """What the processes have answered, waiting so long for the first."""
        busy = {worker.pipe: worker for worker in self._workers if worker.busy}
        for pipe in wait(list(busy), seconds):
            assert isinstance(pipe, Connection), "nothing else is waited for"
            yield busy[pipe].answer()


class _Worker:
    """One process, and what it is doing."""

    def __init__(self) -> None:
        context = get_context("spawn")
        self.pipe, far = context.Pipe()
        self._process = child_processes.start(context, _serve, far, daemon=False)
        far.close()
        self.busy = False

    def ask(self, number: int, work: Callable[[Any], object], asked: object) -> None:
        """Give it something to do. Raises WorkerLost."""
        try:
            self.pipe.send((number, work, asked))
        except OSError:
            raise WorkerLost from None
        self.busy = True

    def answer(self) -> tuple[int, Any]:
        """The number of what it was given, and the answer. Raises WorkerLost, and what the work raised."""
        try:
            number, error, answer = self.pipe.recv()
        except (EOFError, OSError):
            raise WorkerLost from None
        self.busy = False
        if error is not None:
            raise error
        return number, answer

    def let_go(self) -> None:
        """Let it end; kill it if it is in the middle of something."""
        self.pipe.close()
        if self.busy:
            self._process.kill()

    def join(self) -> None:
        """Wait until it is gone."""
        self._process.join(END_SECONDS)
        self._process.kill()
        self._process.join()


def _serve(pipe: "Connection[Any, Any]") -> None:
    """Answer one request after the other, until nobody asks any more."""
    while True:
        try:
            number, work, asked = pipe.recv()
        except (EOFError, OSError):
            return
        error = answer = None
        try:
            answer = work(asked)
        except (Exception, temporary.NoRoom) as failed:
            failed.add_note(f"In a process of the pool:\n{traceback.format_exc()}")
            error = failed
        try:
            pipe.send((number, error, answer))
        except OSError:
            return
