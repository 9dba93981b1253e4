"""The tables: each pair of statuses is allowed, or there is a reason why it is not."""

import itertools

import pytest

from model.state import HELD, TERMINAL, JobState, Status
from model.transitions import EXECUTION, JOB, By, Lease, allowed, why_not, why_not_job

L, I, C, D, A = Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED, Status.DONE, Status.ABORTED  # noqa: E741 (as short as the table wants)
BEGINS = "an execution begins with a lease"
NO_BEAT = "only a heartbeat leaves the status as it is, and {} holds no lease"
BACK = "an execution never goes back"
LEAVES_OUT = "{} -> {} leaves out a step that must be durable on its own"
DURABLE = "the effect of a COMMITTED execution is durable: it can be finished, not taken back"
DONE = "DONE is terminal"
ABORTED = "ABORTED is terminal: a new attempt is a new execution"

REASONS: dict[tuple[Status | None, Status], str | None] = {
    (None, L): None,
    (None, I): BEGINS,
    (None, C): BEGINS,
    (None, D): BEGINS,
    (None, A): BEGINS,
    (L, L): None,
    (L, I): None,
    (L, C): LEAVES_OUT.format(L, C),
    (L, D): LEAVES_OUT.format(L, D),
    (L, A): None,
    (I, L): BACK,
    (I, I): None,
    (I, C): None,
    (I, D): LEAVES_OUT.format(I, D),
    (I, A): None,
    (C, L): BACK,
    (C, I): BACK,
    (C, C): NO_BEAT.format(C),
    (C, D): None,
    (C, A): DURABLE,
    **{(D, after): DONE for after in Status},
    **{(A, after): ABORTED for after in Status},
}


def test_the_reasons_are_given_for_every_pair_of_statuses() -> None:
    """The expectations of this file leave no pair out."""
    assert set(REASONS) == set(itertools.product((None, *Status), Status))


@pytest.mark.parametrize(("before", "after"), REASONS)
def test_a_pair_of_statuses_is_allowed_or_has_a_reason_and_never_both(
    before: Status | None, after: Status
) -> None:
    """What the table allows has no reason against it; what it does not allow has the one that is true."""
    reason = why_not(before, after)
    assert reason == REASONS[before, after]
    assert bool(allowed(before, after)) is (reason is None)


def test_the_rows_that_are_allowed_are_rows_of_the_table() -> None:
    """`allowed` gives every row between two statuses, and each row of the table is given once."""
    given = [row for pair in REASONS for row in allowed(*pair)]
    assert len(given) == len(EXECUTION)
    assert set(given) == set(EXECUTION)


def test_only_recovery_acts_on_an_expired_lease_and_only_the_holder_on_a_live_one() -> None:
    """The holder moves under a live lease, or to finish; everyone else only once the lease has expired."""
    for row in EXECUTION:
        assert (row.by is By.RECOVERY) is (row.lease is Lease.EXPIRED), row
        assert (row.lease is Lease.ANY) is (row.operations == ("finish",)), row
        assert (row.event == "expired") is (row.by is By.RECOVERY and row.before in HELD), row


@pytest.mark.parametrize(("before", "after"), list(itertools.product(JobState, JobState)))
def test_a_pair_of_job_states_is_allowed_or_has_a_reason_and_never_both(
    before: JobState, after: JobState
) -> None:
    """A job stays as it is or changes as the table says; terminal states and skipped ones have reasons."""
    in_table = (before, after) in [row[:2] for row in JOB]
    reason = why_not_job(before, after)
    if before is after or in_table:
        assert reason is None
    elif before in TERMINAL:
        assert reason == f"{before} is terminal"
    else:
        assert (before, reason) == (JobState.PENDING, "a job is RUNNING before it ends")


def test_the_table_of_jobs_ends_in_the_terminal_states_and_nowhere_else() -> None:
    """No row leaves a terminal state, every other state has a way on, and no pair is in the table twice."""
    pairs = [row[:2] for row in JOB]
    assert {before for before, _ in pairs} == set(JobState) - set(TERMINAL)
    assert {after for _, after in pairs} == set(JobState)
    assert len(set(pairs)) == len(pairs)
