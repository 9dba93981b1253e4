"""Which status may follow which, by which operation, and why the others may not.

The tables are data: the invariants read them, the state diagrams in the documents are drawn from them,
and nothing else says what is allowed.
"""

from enum import StrEnum

from attrs import frozen

from model.state import JobState, Status


class Lease(StrEnum):
    """What a transition asks of the lease at the time it happens."""

    LIVE = "live"
    EXPIRED = "expired"
    ANY = "any"


class By(StrEnum):
    """Who may make a transition."""

    HOLDER = "holder"
    RECOVERY = "recovery"


@frozen(kw_only=True)
class Transition:
    """One allowed change of an execution. `before` is None where the execution begins to exist."""

    before: Status | None
    after: Status
    event: str
    operations: tuple[str, ...]
    by: By
    lease: Lease


EXECUTION: tuple[Transition, ...] = (
    Transition(
        before=None,
        after=Status.LEASED,
        event="leased",
        operations=("lease",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.IN_PROGRESS,
        event="started",
        operations=("start",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.LEASED,
        event="extended",
        operations=("heartbeat",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.IN_PROGRESS,
        event="extended",
        operations=("heartbeat",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.COMMITTED,
        event="committed",
        operations=("commit",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.COMMITTED,
        after=Status.DONE,
        event="finished",
        operations=("finish",),
        by=By.HOLDER,
        lease=Lease.ANY,
    ),
    Transition(
        before=Status.COMMITTED,
        after=Status.DONE,
        event="finished",
        operations=("reconcile",),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.ABORTED,
        event="failed",
        operations=("fail",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.ABORTED,
        event="failed",
        operations=("fail",),
        by=By.HOLDER,
        lease=Lease.LIVE,
    ),
    Transition(
        before=Status.LEASED,
        after=Status.ABORTED,
        event="expired",
        operations=("lease", "reconcile"),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
    ),
    Transition(
        before=Status.IN_PROGRESS,
        after=Status.ABORTED,
        event="expired",
        operations=("lease", "reconcile"),
        by=By.RECOVERY,
        lease=Lease.EXPIRED,
    ),
)

JOB: tuple[tuple[JobState, JobState, str], ...] = (
    (JobState.PENDING, JobState.RUNNING, "an execution is leased"),
    (JobState.RUNNING, JobState.RUNNING, "a stale execution is aborted and a new one leased"),
    (JobState.RUNNING, JobState.PENDING, "the execution is aborted, attempts are left"),
    (JobState.RUNNING, JobState.FAILED, "the execution is aborted, the attempts are spent"),
    (JobState.RUNNING, JobState.SUCCEEDED, "the committed execution is finished"),
)
"""How a job's derived state may change, and by what."""

_ORDER = (None, Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED, Status.DONE)


def allowed(before: Status | None, after: Status) -> tuple[Transition, ...]:
    """The transitions of the table between two statuses; empty when there is none."""
    return tuple([row for row in EXECUTION if row.before is before and row.after is after])


def why_not(before: Status | None, after: Status) -> str | None:
    """The reason a change is not in the table, or None when it is."""
    if allowed(before, after):
        return None
    if before is Status.DONE:
        return "DONE is terminal"
    if before is Status.ABORTED:
        return "ABORTED is terminal: a new attempt is a new execution"
    if before is None:
        return "an execution begins with a lease"
    if before is Status.COMMITTED and after is Status.ABORTED:
        return "the effect of a COMMITTED execution is durable: it can be finished, not taken back"
    if before is after:
        return f"only a heartbeat leaves the status as it is, and {before} holds no lease"
    if after in _ORDER and _ORDER.index(after) < _ORDER.index(before):
        return "an execution never goes back"
    return f"{before} -> {after} leaves out a step that must be durable on its own"


def why_not_job(before: JobState, after: JobState) -> str | None:
    """The reason a change of a job's state is not in the table, or None when it is."""
    if before is after or any(row[:2] == (before, after) for row in JOB):
        return None
    if before in (JobState.SUCCEEDED, JobState.FAILED):
        return f"{before} is terminal"
    return "a job is RUNNING before it ends"
