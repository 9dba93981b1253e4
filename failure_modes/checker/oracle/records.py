"""What one action did, as a value: what a table of a run shows, and what coverage is counted from."""

from attrs import frozen

from failure_modes.checker.simulation.process_snapshot import StepResult
from failure_modes.checker.simulation.stepping import label
from model.actions import Action
from model.answers import Answer
from model.draft import SERIAL, Visibility
from model.events import Event, Outcome
from model.state import Durable


@frozen
class Answers:
    """One answer of the queue, and that of the model; None if no operation was committed that it answers."""

    model: Answer | None
    system: Answer


@frozen(kw_only=True)
class Record:
    """What one action did to the system, and what the model answered.

    `model` is None where the model took no step. `read_at` is the time that the transaction read, if it read
    one; `visibility` is what the database chose for it. `recovering`: the action belongs to the liveness run.
    `answers`: what the queue answered in it.
    """

    action: Action
    now: int
    read_at: int | None
    model: Outcome | None
    answers: tuple[Answers, ...] = ()
    moved: StepResult
    events: tuple[Event, ...]
    before: Durable
    after: Durable
    recovering: bool
    visibility: Visibility = SERIAL

    @property
    def statement(self) -> str | None:
        """The statement that ran, in a word or two, and why it failed, if it did."""
        moved = self.moved
        if moved.ran is None:
            return None
        return label(moved.ran) + (f": {moved.problem}" if moved.problem else "")

    @property
    def committed(self) -> bool:
        """True if a transaction was committed."""
        return self.moved.committed

    @property
    def blocked(self) -> bool:
        """True if the process waits for a lock."""
        return self.moved.blocked

    @property
    def passed_over(self) -> bool:
        """True if a lease did not see one of the jobs, because another transaction held it."""
        read = self.moved.skip_locked
        return read is not None and len(read.unlocked) < len(self.before.jobs)
