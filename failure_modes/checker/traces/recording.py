"""What each step of a run did, as a value from which a page or a debugger's text is made.

A `RecordingLockstep` judges as `Lockstep` does, and keeps more: the statements that ran, the state of the
model after the step, and where each process paused. It changes no result of a run.
"""

from collections.abc import Callable

from attrs import frozen

from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.records import Record
from failure_modes.checker.oracle.reference import Difference
from failure_modes.checker.simulation.stepping import PausePoint, StatementResult
from model.actions import Action, Crash, actor_of
from model.state import State


class LeftRun(BaseException):
    """The user has left the debugger, and so the run."""


@frozen(kw_only=True)
class ProcessMemory:
    """What a process knows after a step: where it paused, and the job that it works on."""

    name: str
    at: PausePoint
    current_job: int | None


@frozen(kw_only=True)
class RecordedStep:
    """One step of a run. `number` is None in the liveness run; `record` has the rows and the audit rows.

    `paused_at` is the boundary from which the process moved; None if the world moved. `state` is the model's
    state after the step, also at the first divergence; None once the run goes on without the model.
    """

    number: int | None
    scheduled: Action
    """The action of the schedule. The handler of a poison job turns it into a crash: see `record.action`."""
    record: Record
    paused_at: PausePoint | None
    statements: tuple[StatementResult, ...]
    """The statements of this step in their order. A process of the operating system reports none."""
    state: State | None
    processes: tuple[ProcessMemory, ...]


class RecordingLockstep(Lockstep):
    """A run that keeps its steps. `before_step` is called before each action, with its number."""

    before_step: Callable[[int, Action], None] | None = None
    _steps: tuple[RecordedStep, ...] = ()
    _diverged_state: State | None = None

    @property
    def steps(self) -> tuple[RecordedStep, ...]:
        """The steps so far, those of the liveness run last."""
        return self._steps

    def apply(self, action: Action) -> Record:
        """Take one action, judge it, and keep the step, also if an oracle raises. Raises Found."""
        if self.before_step is not None and not self.ledger.recovering:
            self.before_step(len(self.ledger.actions) + 1, action)
        name, known = actor_of(action), len(self.ledger.records)
        process = self.world.processes[name] if name else None
        paused_at, self._diverged_state = process.at if process else None, None
        try:
            return super().apply(action)
        finally:
            if len(self.ledger.records) > known:
                self._keep(action, paused_at)

    def _keep(self, action: Action, paused_at: PausePoint | None) -> None:
        record = self.ledger.records[-1]
        name = actor_of(record.action)
        ran = () if name is None or isinstance(record.action, Crash) else self._statements_of(name)
        step = RecordedStep(
            number=self.ledger.step,
            scheduled=action,
            record=record,
            paused_at=paused_at,
            statements=ran,
            state=self._diverged_state or self.reference.state,
            processes=tuple([self._memory_of(name) for name in self.world.processes]),
        )
        self._steps = (*self._steps, step)

    def _statements_of(self, name: str) -> tuple[StatementResult, ...]:
        return tuple(self.world.processes[name].step.statements)

    def _memory_of(self, name: str) -> ProcessMemory:
        process = self.world.processes[name]
        return ProcessMemory(name=name, at=process.at, current_job=process.current_job)

    def _diverge(self, difference: Difference | None) -> None:
        if difference is not None and self._diverged_state is None:
            self._diverged_state = self.reference.state
        super()._diverge(difference)
