"""The tables: each pair of statuses is allowed, or there is a reason why it is not."""

import itertools

import pytest
from attrs import evolve

from model.actions import Action, Enqueue, Fail, Heartbeat, Release, Step, TimeOut
from model.events import EventKind, Operation, Reason
from model.state import HELD, TERMINAL, JobState, Phase, Settings, Status, initial
from model.step import step
from model.transitions import (
    EXECUTION,
    JOB,
    PROGRAM,
    By,
    Lease,
    allowed,
    next_in_program,
    refusal,
    transition,
    why_not,
    why_not_job,
)
from tests.model.exploring import run
from tests.model.rows import EXEC, EXPIRES

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


# What step takes from the tables.


def test_an_operation_has_at_most_one_row_from_a_status() -> None:
    """So `transition` gives the only one; and by it every row of the table is given."""
    pairs = [(operation, row.before) for row in EXECUTION for operation in row.operations]
    assert len(set(pairs)) == len(pairs)
    assert {transition(*pair) for pair in pairs} == set(EXECUTION)
    assert transition(Operation.FINISH, L) is None
    assert transition(Operation.ENQUEUE, None) is None


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize(
    ("operation", "reasons"),
    [
        (Operation.START, {I: Reason.ALREADY_STARTED}),
        (Operation.HEARTBEAT, {}),
        (Operation.COMMIT, {L: Reason.NOT_STARTED}),
        (Operation.FAIL, {}),
    ],
)
def test_who_holds_no_live_lease_is_refused_with_the_reason(
    operation: Operation, reasons: dict[Status, Reason], status: Status
) -> None:
    """Until the millisecond at which the lease expires the row decides; then every operation is refused."""
    execution = evolve(EXEC, status=status)
    held = status in HELD
    live = reasons.get(status) if held else Reason.LEASE_LOST
    assert refusal(operation, execution, EXPIRES - 1) == live
    assert refusal(operation, execution, EXPIRES) == (Reason.LEASE_EXPIRED if held else Reason.LEASE_LOST)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("now", [EXPIRES - 1, EXPIRES])
def test_a_commit_is_finished_at_any_time_and_nothing_else_is(status: Status, now: int) -> None:
    """COMMITTED may be finished, however late; every other status is refused as finished."""
    reason = refusal(Operation.FINISH, evolve(EXEC, status=status), now)
    assert reason == (None if status is C else Reason.ALREADY_FINISHED)


def test_each_phase_has_a_next_line_and_only_a_handler_fails_or_beats() -> None:
    """A worker can step in each phase, unless its handler hangs. The handler beats until it calls one."""
    pairs = {(line.phase, line.action) for line in PROGRAM}
    assert len(pairs) == len(PROGRAM)
    assert pairs == {
        *[(phase, Step) for phase in Phase if phase is not Phase.HUNG],
        (Phase.RUNNING, Heartbeat),
        (Phase.RUNNING, Fail),
        (Phase.CALLED, Fail),
        *[(phase, end) for end in (Release, TimeOut) for phase in (Phase.RUNNING, Phase.CALLED, Phase.HUNG)],
    }
    assert next_in_program(Phase.CALLED, Heartbeat(worker="A"), fused=False) is None


BEGUN = run(initial(settings=Settings(), workers=("A",)), Enqueue(key="k1"), Step(worker="A"))


def test_step_makes_the_change_that_the_table_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another row for a start, `step` starts in another way: no second copy says what a start does."""
    rows = {(operation, row.before): row for row in EXECUTION for operation in row.operations}
    start = rows[Operation.START, L]
    rows[Operation.START, L] = evolve(start, after=C, event=EventKind.EXPIRED, reason=Reason.ABANDONED)
    monkeypatch.setattr("model.transitions._ROWS", rows)
    state, outcome = step(BEGUN, Step(worker="A"))
    assert state.durable.execution(1).status is C
    [event] = outcome.events
    assert (event.event, event.before, event.after, event.reason) == ("expired", L, C, "abandoned")
    del rows[Operation.START, L]
    state, outcome = step(BEGUN, Step(worker="A"))
    assert [(event.event, event.reason) for event in outcome.events] == [("refused", "lease_lost")]


def test_step_goes_on_as_the_program_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """With another program the worker does another operation, and one that it lacks is rejected."""
    lines = {(line.phase, line.action): line for line in PROGRAM}
    fails = evolve(lines[Phase.RUNNING, Fail], phase=Phase.LEASED)
    other: dict[tuple[Phase, type[Action]], object] = {(Phase.LEASED, Step): fails}
    monkeypatch.setattr("model.transitions._LINES", other)
    state, outcome = step(BEGUN, Step(worker="A"))
    assert (outcome.operation, state.workers[0].phase) == (Operation.FAIL, Phase.IDLE)
    idle, outcome = step(state, Step(worker="A"))
    assert outcome.rejected is not None
    assert idle is state
