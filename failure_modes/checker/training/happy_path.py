"""What no invariant says: one job and one worker, and nothing goes wrong. A learner's queue must do the job.

A queue that buries each job, or refuses each commit, may keep all invariants. So may one that leases for
another time than it is asked for: where a worker dies, the job must be free when its lease is over.
"""

from attrs import evolve, frozen

from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope
from failure_modes.checker.experiment.strategy import STATEMENTS_A_TRANSACTION
from failure_modes.checker.experiment.target import tolerating_others
from failure_modes.checker.report.rendering import table
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.training.found_trace import replay_of, terminal_look
from model.actions import PRODUCER, Action, Crash, Enqueue, Step, Tick
from model.state import JobState

_STEPS_MAX = 8
"""More transactions than a worker needs for a job."""

LEASE_MS = 20_000
"""A lease that is not the usual one."""


@frozen(kw_only=True)
class NotDone:
    """The job was not done: the actions, and their run as text."""

    actions: tuple[Action, ...]
    text: str
    shown: str
    """The text in the colours of the terminal, and as wide as it is."""


def not_done(scope: Scope, fault: Fault) -> NotDone | None:
    """Run the happy path. None if the job is SUCCEEDED at its end."""
    return _unless_done(scope, fault, (Enqueue(key="k1"),), scope.names[0])


def not_in_time(scope: Scope, fault: Fault) -> NotDone | None:
    """One worker dies with the job, and its lease runs out. None if the other one has done the job then.

    The lease is one that no other scope has, so that a constant in its place is seen.
    """
    seconds = LEASE_MS / 1000
    asked = evolve(
        scope,
        granularity=Granularity.TRANSACTION,
        within_statements=False,
        settings=evolve(scope.settings, lease_ms=LEASE_MS),
        tick_seconds=(seconds,),
        workers=2,
    )
    one, other = asked.names
    before = (Enqueue(key="k1"), Step(worker=one), Crash(worker=one), Tick(seconds=seconds))
    return _unless_done(asked, fault, before, other)


def _unless_done(scope: Scope, fault: Fault, before: tuple[Action, ...], worker: str) -> NotDone | None:
    """Take these actions, and let the worker work. None if the job is SUCCEEDED at the end."""
    factor = 1 if scope.granularity is Granularity.TRANSACTION else 2 * STATEMENTS_A_TRANSACTION
    with RecordingLockstep(scope, fault, target=tolerating_others("INV_004")) as lockstep:
        try:
            for action in before:
                lockstep.apply(action)
            for _ in range(_STEPS_MAX * factor):
                jobs = lockstep.durable.jobs
                if jobs and lockstep.durable.job_state(jobs[0].id) is JobState.SUCCEEDED:
                    return None
                producer = Step(worker=PRODUCER)
                produces = not jobs and lockstep.possible(producer)
                lockstep.apply(producer if produces else Step(worker=worker))
        except Found as found:
            return _not_done(lockstep, found.finding)
        return _not_done(lockstep, None)


def _not_done(lockstep: RecordingLockstep, finding: Finding | None) -> NotDone:
    actions = tuple(lockstep.ledger.actions)
    replayed = replay_of(lockstep, actions, finding)
    return NotDone(actions=actions, text=table(replayed), shown=table(replayed, look=terminal_look()))
