"""The programs that the virtual processes run, and the actions that each can take where it stands.

They are the real worker, a producer and a reconciler.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import Place
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.subject.handler import handle
from model.actions import PRODUCER, RECONCILERS, Action, Crash, Enqueue, Fail, Heartbeat, Reconcile
from system.queue import Queue
from system.worker import Worker


def work(process: ProcessContext) -> None:
    """The worker."""
    queue: Queue = process.open()
    if process.world.forgets:
        queue = cast(Queue, _Noted(queue, process))
    _Resting(queue, partial(handle, process), name=process.name, process=process).run()


class _Noted:
    """The queue; its operations' answers are put on record, and given from there."""

    def __init__(self, queue: Queue, process: ProcessContext) -> None:
        self._queue = queue
        self._process = process

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._queue, name)

        def noted(*arguments: Any, **options: Any) -> Any:
            known = self._process.answered(name)
            if known is not None:
                return known.value
            began = self._process.log.length
            value = operation(*arguments, **options)
            self._process.returned(name, value, began)
            return value

        return noted


class _Resting(Worker):
    """The worker; it says when it has no job in hand."""

    def __init__(self, *arguments: Any, process: ProcessContext, **options: Any) -> None:
        super().__init__(*arguments, clock=process, **options)
        self._process = process

    def run_once(self) -> bool:
        self._process.rest()
        return super().run_once()

    def _persist(self, operation: Callable[[], bool], *, or_ambiguous: bool = False) -> bool:
        with self._process.insisting():
            return super()._persist(operation, or_ambiguous=or_ambiguous)


def produce(process: ProcessContext) -> None:
    """The producer: it enqueues what it is asked to."""
    queue: Queue = process.open()
    while True:
        process.rest()
        intent = process.ask(PausePoint.IDLE)
        assert isinstance(intent, Enqueue), "the producer is asked to enqueue"
        job = queue.enqueue(intent.key, key=intent.key, actor=process.name)
        if (job.key, job.payload) != (intent.key, intent.key):
            raise RuntimeError(f"enqueue of key {intent.key} was answered with the job of key {job.key}")


def reconcile(process: ProcessContext) -> None:
    """The reconciler: it runs once whenever it is asked to."""
    queue: Queue = process.open()
    while True:
        process.rest()
        process.ask(PausePoint.IDLE)
        queue.reconcile(actor=process.name)


def can(name: str, place: Place, action: Action) -> bool:
    """True if the action can happen to the process of that name, where it stands."""
    match action:
        case Enqueue() | Reconcile():
            return place.at is PausePoint.IDLE
        case Crash():
            return not place.at_rest
        case Fail():
            return place.at in (PausePoint.HANDLER, PausePoint.REPLY)
        case Heartbeat():
            return place.at is PausePoint.HANDLER
        case _:
            idle = place.at is PausePoint.IDLE and name in (PRODUCER, *RECONCILERS)
            return not idle and not place.waits
