"""The programs that the virtual processes run: the real worker, a producer and a reconciler."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from failure_modes.checker.simulation.process import Process
from failure_modes.checker.simulation.stepping import At
from failure_modes.checker.subject.handler import handle
from model.actions import Enqueue
from system.queue import Queue
from system.worker import Worker


def work(process: Process) -> None:
    """The worker."""
    queue = process.world.queue(process)
    if process.world.forgets:
        queue = cast(Queue, _Noted(queue, process))
    _Resting(queue, partial(handle, process), name=process.name, process=process).run()


class _Noted:
    """The queue; its operations' answers are put on record, and given from there."""

    def __init__(self, queue: Queue, process: Process) -> None:
        self._queue = queue
        self._process = process

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._queue, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            known = self._process.answered(name)
            if known is not None:
                return known.value
            began = self._process.log.fed
            value = operation(*arguments, **options)
            self._process.returned(name, value, began)
            return value

        return noted


class _Resting(Worker):
    """The worker; it says when it has no job in hand."""

    def __init__(self, *arguments: Any, process: Process, **options: Any) -> None:
        super().__init__(*arguments, clock=process, **options)
        self._process = process

    def run_once(self) -> bool:
        self._process.rest()
        return super().run_once()

    def _persist(self, operation: Callable[[], bool], *, or_ambiguous: bool = False) -> bool:
        self._process.insists = True
        try:
            return super()._persist(operation, or_ambiguous=or_ambiguous)
        finally:
            self._process.insists = False


def produce(process: Process) -> None:
    """The producer: it enqueues what it is asked to."""
    queue = process.world.queue(process)
    while True:
        process.rest()
        intent = process.ask(At.IDLE)
        assert isinstance(intent, Enqueue), "the producer is asked to enqueue"
        job = queue.enqueue(intent.key, key=intent.key, actor=process.name)
        if (job.key, job.payload) != (intent.key, intent.key):
            raise RuntimeError(f"enqueue of key {intent.key} was answered with the job of key {job.key}")


def reconcile(process: Process) -> None:
    """The reconciler: it runs once whenever it is asked to."""
    queue = process.world.queue(process)
    while True:
        process.rest()
        process.ask(At.IDLE)
        queue.reconcile(actor=process.name)
