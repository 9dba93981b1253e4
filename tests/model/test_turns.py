"""INV_007 and INV_008: which lease is early, and which job may be passed over."""

import pytest
from attrs import evolve

from model.events import Event, EventKind, Operation
from model.invariants import Change, invariant
from model.invariants.turns import turn
from model.load import Load
from model.state import Durable, Execution, Job, Settings, Status

NOW = 10_000
NEW = Job(id=1, key="k1", attempts_max=3, available_at=NOW + 5_000, payload="k1", enqueued_at=0)
"""A new job: its row may have any time, for it is due at once."""
RETRY = Job(id=2, key="k2", attempts_max=3, available_at=NOW - 1_000, timed=True, payload="k2", enqueued_at=0)
OLDER_RETRY = evolve(RETRY, id=3, key="k3", available_at=NOW - 2_000)
CLOSED = evolve(RETRY, id=4, key="k4", available_at=None)
BUDGET = Settings(retries_max=1, window_ms=60_000)
SPENT = Load(retries=(NOW,))


def lease_of(job: Job, *others: Job) -> Change:
    """A commit that leases the job while the others wait."""
    jobs = tuple(sorted([job, *others], key=lambda one: one.id))
    leased = Execution(
        id=9, job=job.id, attempt=1, worker="A", status=Status.LEASED, lease_expires_at=NOW + 30_000
    )
    event = Event(
        event=EventKind.LEASED,
        operation=Operation.LEASE,
        actor="A",
        job=job.id,
        execution=9,
        after=Status.LEASED,
        at=NOW,
    )
    before = Durable(jobs=jobs)
    return Change(
        before=before, after=evolve(before, executions=(leased,)), events=(event,), actor="A", at=NOW
    )


def breach(rule: str, change: Change) -> str | None:
    """What the invariant says of the commit."""
    predicate = invariant(rule).on_change
    assert predicate is not None
    return predicate(change)


@pytest.mark.parametrize(("early_ms", "broken"), [(1, True), (0, False), (-1, False)])
def test_a_job_is_due_at_its_time_and_not_a_millisecond_before(early_ms: int, broken: bool) -> None:
    """INV_007 breaks only before the due time."""
    early = breach("INV_007", lease_of(evolve(RETRY, available_at=NOW + early_ms)))
    assert (early is not None) == broken


@pytest.mark.parametrize("job", [NEW, CLOSED], ids=["new", "closed"])
def test_a_job_without_a_due_time_is_not_early(job: Job) -> None:
    """A new job is due at once; a closed job is not due at any time, and INV_003 forbids its lease."""
    assert breach("INV_007", lease_of(job)) is None


def test_the_time_is_that_of_the_transaction() -> None:
    """The time in the audit row is the system's own word, and counts for nothing."""
    change = lease_of(evolve(RETRY, available_at=NOW + 1))
    liar = evolve(change.events[0], at=NOW + 60_000)
    assert breach("INV_007", evolve(change, events=(liar,))) is not None


def test_retries_come_first_by_their_due_times_then_new_jobs_by_their_ids() -> None:
    """The order of turns is that of the documents."""
    newer = evolve(NEW, id=9)
    assert sorted([newer, NEW, RETRY, OLDER_RETRY], key=turn) == [OLDER_RETRY, RETRY, NEW, newer]


@pytest.mark.parametrize(
    ("leased", "waits"),
    [(NEW, RETRY), (RETRY, OLDER_RETRY), (evolve(NEW, id=9), NEW)],
    ids=["a retry", "an older retry", "an older job"],
)
def test_a_due_job_is_not_passed_over(leased: Job, waits: Job) -> None:
    """INV_008 breaks if its turn was before that of the leased job, and holds the other way round."""
    said = breach("INV_008", lease_of(leased, waits))
    assert said == f"exec-9 of job-{leased.id} was leased, and it was the turn of job-{waits.id}"
    assert breach("INV_008", lease_of(waits, leased)) is None


def test_a_job_that_is_not_due_may_be_passed_over() -> None:
    """A job that waits for its time, or that is closed, has no turn."""
    assert breach("INV_008", lease_of(NEW, evolve(RETRY, available_at=NOW + 1), CLOSED)) is None


def test_a_job_that_another_transaction_holds_may_be_passed_over() -> None:
    """Only the jobs that the transaction could lock have a turn."""
    change = lease_of(NEW, RETRY)
    assert breach("INV_008", evolve(change, jobs_seen=frozenset({NEW.id}))) is None
    assert breach("INV_008", evolve(change, jobs_seen=frozenset({NEW.id, RETRY.id}))) is not None


def test_a_retry_beyond_the_budget_may_be_passed_over() -> None:
    """A spent budget passes over retries, and no new job."""
    spent = evolve(lease_of(NEW, RETRY), settings=BUDGET, load=SPENT)
    assert breach("INV_008", spent) is None
    assert breach("INV_008", evolve(spent, load=Load())) is not None
    newer = evolve(lease_of(evolve(NEW, id=9), NEW), settings=BUDGET, load=SPENT)
    assert breach("INV_008", newer) is not None


def test_the_budget_is_judged_at_the_time_at_which_it_was_asked() -> None:
    """A budget that has room again since then does not make the answer wrong."""
    late = evolve(lease_of(NEW, RETRY), settings=BUDGET, load=Load(retries=(NOW - 60_000,)))
    assert breach("INV_008", late) is not None
    assert breach("INV_008", evolve(late, asked_at=NOW - 1)) is None


def test_a_lease_that_is_early_has_taken_no_turn() -> None:
    """A job that is not due breaks INV_007, and INV_008 is silent."""
    early = lease_of(evolve(RETRY, available_at=NOW + 1), NEW)
    assert breach("INV_007", early) is not None
    assert breach("INV_008", early) is None


def test_only_a_lease_is_judged() -> None:
    """A commit that leases nothing passes over nothing."""
    change = lease_of(NEW, RETRY)
    assert breach("INV_008", evolve(change, events=())) is None


def test_each_lease_of_a_commit_takes_its_turn() -> None:
    """A lease of a job that nobody knows took no turn; the lease after it is judged all the same."""
    change = lease_of(RETRY, OLDER_RETRY)
    unknown = evolve(change.events[0], job=99)
    both = evolve(change, events=(unknown, *change.events))
    assert breach("INV_008", both) == breach("INV_008", change) is not None
