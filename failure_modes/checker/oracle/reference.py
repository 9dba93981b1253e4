"""The model's side of a run: the model takes each action that took effect, and is compared with the system.

The comparison is exact: the audit rows of the one action, all durable rows after it, what the queue answered
to its caller, and whether the handler of a worker runs. Nothing is judged here: a difference is returned in
words.
"""

from attrs import evolve

from failure_modes.checker.experiment.scope import Granularity, Scope
from failure_modes.checker.oracle.describe import (
    answers_differ,
    counts_differ,
    difference,
    events_differ,
    statuses_differ,
)
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.system_side import SystemStep
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from model.actions import Enqueue, thread_of
from model.answers import Answer, Counts, Statuses, answer, count, statuses
from model.events import Environment, Event, Operation, Outcome
from model.state import Phase, State, Worker, initial
from model.step import step, without_thread

Difference = tuple[str, str]
"""What the model says, and what the system shows."""


class Reference:
    """The model. `state` is None once the system has diverged: nothing more is compared then."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self.state: State | None = None
        self.start_over()

    def take(self, done: SystemStep) -> Outcome | None:
        """Take the operation that took effect. None if nothing took effect, or the system has diverged."""
        if self.state is None or done.operation is None:
            return None
        state, outcome = step(self.state, done.operation, at=done.read_at, visibility=done.visibility)
        assert isinstance(state, State), "the model has a state after each step"
        self.state = state
        return outcome

    def end(self, name: str | None) -> None:
        """The process of that name has ended, and its second thread with it; or that thread alone."""
        for worker in self.state.workers if self.state is not None else ():
            if self.state is not None and name in (worker.name, thread_of(worker.name)):
                self.state = without_thread(self.state, worker)

    def answer(self, outcome: Outcome | None, done: SystemStep) -> Answer | None:
        """What the model answers to the caller. None: no operation, or another transaction answers."""
        if self.state is None or outcome is None or not isinstance(outcome.operation, Operation):
            return None
        asked = done.operation.asked if isinstance(done.operation, Enqueue) else None
        return answer(outcome.operation, outcome.events, self.state.durable, asked=asked)

    def abandon(self) -> None:
        """Go on without the model."""
        self.state = None

    def restore(self, state: State | None) -> None:
        """Be in that state."""
        self.state = state

    def start_over(self) -> None:
        """Be in the first state."""
        scope = self._scope
        self.state = initial(settings=scope.settings, workers=scope.names, rollback=scope.rollback)

    def difference(self, record: Record) -> Difference | None:
        """How the audit rows of the action, the durable rows or the answers differ from the model's."""
        if self.state is None:
            return None
        expected = record.model.events if record.model else ()
        if record.events != expected:
            return events_differ(expected, record.events)
        if record.after != self.state.durable:
            return difference(self.state.durable, record.after)
        if record.moved.ran == CALL and record.model is not None:
            label = (
                Environment.RECOGNISE if record.after.charges == record.before.charges else Environment.CHARGE
            )
            if record.model.operation is not label:
                return str(record.model.operation), label
        for answers in record.answers:
            if answers.system != answers.model:
                return answers_differ(answers.model, answers.system)
        return None

    def counts_difference(self, counts: Counts, events: tuple[Event, ...], now: int) -> Difference | None:
        """How what `status` counts differs from the model's. `events` is the whole audit."""
        if self.state is None or counts == (expected := count(self.state.durable, events, now)):
            return None
        return counts_differ(expected, counts)

    def statuses_difference(
        self, said: Statuses, events: tuple[Event, ...], *, in_order: bool
    ) -> Difference | None:
        """How what `status` says of the jobs differs from the model's. `events` is the whole audit.

        `in_order`: the store knows the order of the commits, and so which job was given up last.
        """
        if self.state is None:
            return None
        expected = statuses(self.state.durable, events)
        if not in_order and sorted(said.given_up) == sorted(expected.given_up):
            expected = evolve(expected, given_up=said.given_up)
        return None if said == expected else statuses_differ(expected, said)

    def phase_difference(self, name: str, at: PausePoint) -> Difference | None:
        """How the process differs from the model's worker of that name, given where it is paused."""
        if self.state is None:
            return None
        worker = self.state.worker(name)
        if worker is not None:
            return phases_differ(worker, at, exact=self._scope.granularity is Granularity.TRANSACTION)
        owner = next((one for one in self.state.workers if thread_of(one.name) == name), None)
        return None if owner is None else thread_differs(owner, at)


def thread_differs(worker: Worker, at: PausePoint) -> Difference | None:
    """How the model and the second thread, paused there, disagree on whether it sends a heartbeat."""
    sends = at in (PausePoint.BEGIN, PausePoint.STATEMENT)
    if at is PausePoint.COMMITTED or sends is (worker.heartbeat is not None):
        return None
    thread = f"the second thread of worker {worker.name}"
    says, shows = ("sends no", "sends a") if sends else ("sends a", "sends no")
    return f"{thread} {says} heartbeat", f"{thread} {shows} heartbeat"


_IN_HANDLER = {
    PausePoint.HANDLER: Phase.RUNNING,
    PausePoint.REPLY: Phase.CALLED,
    PausePoint.HUNG: Phase.HUNG,
}
"""Where a process pauses in its handler, and the phase of the model's worker."""


def phases_differ(worker: Worker, at: PausePoint, *, exact: bool) -> Difference | None:
    """How the model's worker and a process that is paused there disagree on whether the handler runs.

    `exact`: the process is paused right before its next transaction. So its handler must run if the model
    says so. Otherwise the process may pause several times before that transaction.
    """
    phase = _IN_HANDLER.get(at)
    if phase is not None and worker.phase is not phase:
        return f"worker {worker.name} is {worker.phase}", f"worker {worker.name} is in its handler"
    in_handler = worker.phase in _IN_HANDLER.values() and worker.repeats is None
    if exact and in_handler and phase is None:
        return f"worker {worker.name} is in its handler", f"worker {worker.name} is outside its handler"
    return None
