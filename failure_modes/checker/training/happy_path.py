"""The happy path: one job and one worker, and nothing goes wrong. A learner's queue must do the job.

No invariant says so. A queue that buries each job, or refuses each commit, may keep all of them.
"""

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope
from failure_modes.checker.experiment.strategy import STATEMENTS_A_TRANSACTION
from failure_modes.checker.experiment.target import tolerating_others
from failure_modes.checker.report.rendering import table
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.training.found_trace import replay_of, terminal_look
from model.actions import PRODUCER, Action, Enqueue, Step
from model.state import JobState

_STEPS_MAX = 8
"""More transactions than a worker needs for a job."""


@frozen(kw_only=True)
class NotDone:
    """The job was not done: the actions, and their run as text."""

    actions: tuple[Action, ...]
    text: str
    shown: str
    """The text in the colours of the terminal, and as wide as it is."""


def not_done(scope: Scope, fault: Fault) -> NotDone | None:
    """Run the happy path. None if the job is SUCCEEDED at its end."""
    factor = 1 if scope.granularity is Granularity.TRANSACTION else 2 * STATEMENTS_A_TRANSACTION
    with RecordingLockstep(scope, fault, target=tolerating_others("INV_004")) as lockstep:
        try:
            lockstep.apply(Enqueue(key="k1"))
            for _ in range(_STEPS_MAX * factor):
                jobs = lockstep.durable.jobs
                if jobs and lockstep.durable.job_state(jobs[0].id) is JobState.SUCCEEDED:
                    return None
                producer, worker = Step(worker=PRODUCER), Step(worker=scope.names[0])
                lockstep.apply(producer if not jobs and lockstep.possible(producer) else worker)
        except Found as found:
            return _not_done(lockstep, found.finding)
        return _not_done(lockstep, None)


def _not_done(lockstep: RecordingLockstep, finding: Finding | None) -> NotDone:
    actions = tuple(lockstep.ledger.actions)
    replayed = replay_of(lockstep, actions, finding)
    return NotDone(actions=actions, text=table(replayed), shown=table(replayed, look=terminal_look()))
