"""The programs of the virtual processes, and the actions that are possible at each boundary.

The programs are the real worker, a producer and a reconciler.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar, cast

from failure_modes.checker.experiment.scope import PROCESS_OF
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import Intent, ProcessState
from failure_modes.checker.simulation.stepping import PausePoint
from failure_modes.checker.simulation.threaded_world import ThreadContext
from failure_modes.checker.subject.abstraction import read_answer
from failure_modes.checker.subject.handler import handle
from model.actions import (
    PRODUCER,
    RECONCILERS,
    Action,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    Reconcile,
    Release,
    ThreadHeartbeat,
    TimeOut,
)
from system.queue import Queue
from system.store import Job, StoreUnavailable
from system.worker import TimedOut, Worker

T = TypeVar("T")


def work(process: ProcessContext, *, fused: bool = False) -> None:
    """Run the worker. `fused`: it finishes a job, and leases and starts the next, in one transaction."""
    queue = _open(process)
    if process.world.records_answers:
        queue = cast(Queue, _RecordingQueue(queue, process))
    _RestingWorker(queue, process=process, fused=fused).run()


def _open(process: ProcessContext) -> Queue:
    return cast(Queue, _ReportingQueue(process.open(), process))


class _ReportingQueue:
    """The queue. It reports each answer to the step in which the operation returns."""

    def __init__(self, queue: Queue, process: ProcessContext) -> None:
        self._queue = queue
        self._process = process

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._queue, name)

        def call(*arguments: Any, **options: Any) -> Any:
            value = operation(*arguments, **options)
            answer = read_answer(name, value)
            if answer is not None:
                self._process.current.report_answer(answer)
            return value

        return call


class _RecordingQueue:
    """The queue, with a log of its answers. A replay takes the answers from the log.

    A worker that has taken its next job holds nothing of the job before. So its log begins with that answer.
    """

    def __init__(self, queue: Queue, process: ProcessContext) -> None:
        self._queue = queue
        self._process = process

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._queue, name)

        def call(*arguments: Any, **options: Any) -> Any:
            process = self._process.current
            known = process.recorded(name)
            if known is not None:
                return known.value
            began = 0 if name == "take_next" else process.log.length
            value = operation(*arguments, **options)
            process.returned(name, value, began)
            return value

        return call


class _RestingWorker(Worker):
    """The worker, which rests when it has no job."""

    def __init__(self, queue: Queue, *, process: ProcessContext, fused: bool) -> None:
        handler = partial(handle, process, self.cut_short)
        super().__init__(queue, handler, name=process.name, clock=process, fused=fused)
        self._process = process

    def cut_short(self, intent: Intent) -> None:
        """Break the handler off, as its limit does, or two signals that stop the worker. Raises CutShort."""
        if isinstance(intent, TimeOut):
            self._handling.break_off(TimedOut("the handler ran for too long"))
            return
        self.interrupt()
        self.interrupt()

    def _work_if_possible(self, jobs_max: int | None) -> bool:
        self._process.rest()
        return super()._work_if_possible(jobs_max)

    def _repeat(self, operation: Callable[[], T]) -> tuple[T, bool]:
        with self._process.current.retrying():
            return super()._repeat(operation)


def beat(process: ThreadContext) -> None:
    """Run the second thread of a worker: for each intent it sends one heartbeat for the running handler.

    It ends if the handler has returned meanwhile: then it repeats no heartbeat whose reply was lost.
    """
    handling = None
    while process.take_shared() is handling or handling is None:
        process.rest()
        process.ask(PausePoint.IDLE, pauses_again=True)
        job, context = handling = process.take_shared()
        process.set_current_job(job)
        process.note("attempt", context.attempt)
        context.heartbeat()


def produce(process: ProcessContext) -> None:
    """Run the producer: it enqueues the job of each intent."""
    queue = _open(process)
    while True:
        process.rest()
        intent = process.ask(PausePoint.IDLE)
        assert isinstance(intent, Enqueue), "the producer gets Enqueue intents only"
        with _unless_lost(process):
            job = queue.accept(intent.asked, key=intent.key, actor=process.name).job
            _check_job(job, intent)


def _check_job(job: Job, intent: Enqueue) -> None:
    if job.key != intent.key or (intent.payload is None and job.payload != intent.key):
        raise RuntimeError(f"enqueue of key {intent.key} returned the job of key {job.key}")


@contextmanager
def _unless_lost(process: ProcessContext) -> Iterator[None]:
    """Let the program go on if it has no reply because the schedule says so: its caller may ask again."""
    try:
        yield
    except StoreUnavailable:
        if not process.loses_reply:
            raise


def reconcile(process: ProcessContext) -> None:
    """Run the reconciler: it runs once for each intent."""
    queue = _open(process)
    while True:
        process.rest()
        process.ask(PausePoint.IDLE)
        with _unless_lost(process):
            queue.reconcile(actor=process.name)


IN_HANDLER = (PausePoint.HANDLER, PausePoint.REPLY, PausePoint.HUNG)
"""Where a worker pauses in its handler."""


def can(name: str, place: ProcessState, action: Action, thread: ProcessState | None = None) -> bool:
    """True if the action is possible for the process of that name at its boundary.

    `thread` is the boundary of its second thread, if it has one. A `ThreadHeartbeat` is asked of the process.
    """
    match action:
        case Enqueue() | Reconcile():
            return place.at is PausePoint.IDLE
        case Crash():
            alive = not place.at_rest or (thread is not None and not thread.at_rest)
            return alive and name not in PROCESS_OF
        case ThreadHeartbeat():
            return place.at in IN_HANDLER and thread is not None and thread.at is PausePoint.IDLE
        case Fail() | Hang():
            return place.at in (PausePoint.HANDLER, PausePoint.REPLY)
        case Release() | TimeOut():
            return place.at in IN_HANDLER
        case Heartbeat():
            return place.at is PausePoint.HANDLER
        case LostReply() if action.of != "Step":
            return can(name, place, action.action, thread)
        case LostReply():
            begins = place.at in (PausePoint.BEGIN, PausePoint.HANDLER, PausePoint.REPLY)
            begins = begins or (place.at_rest and name not in PROCESS_OF)
            return begins and place.pending is None and name not in (PRODUCER, *RECONCILERS)
        case _:
            idle = place.at is PausePoint.IDLE and name in (PRODUCER, *RECONCILERS, *PROCESS_OF)
            return not idle and not place.waits and place.at is not PausePoint.HUNG
