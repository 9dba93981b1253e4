"""The fused program: one transaction finishes a job, and leases and starts the next."""

import pytest
from attrs import evolve

from model.actions import Action, Crash, Enqueue, Fail, LostReply, Reconcile, Step, Tick
from model.draft import Visibility
from model.events import Event, Operation, Outcome
from model.invariants import INVARIANTS, Change
from model.invariants.changes import explicit_transitions
from model.state import Phase, Settings, State, Status, initial
from model.step import step
from model.transitions import FUSED, PROGRAM
from tests.model.exploring import Explored, Taken, explore, run

A = Step(worker="A")
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
EXPIRY = Tick(seconds=30)
SETTINGS = Settings(fused=True)
START = initial(settings=SETTINGS, workers=("A",))
FINISHED, LEASED, STARTED = (
    (Operation.FINISH, "finished"),
    (Operation.LEASE, "leased"),
    (Operation.START, "started"),
)


def taken(state: State, *actions: Action) -> tuple[State, list[tuple[str, str]]]:
    """The state after the actions, and the operation and the event of each audit row of the last."""
    state = run(state, *actions[:-1])
    state, outcome = step(state, actions[-1])
    return state, [(event.operation, event.event) for event in outcome.events]


def test_one_transaction_finishes_a_job_and_begins_the_next() -> None:
    """Its audit rows are those of the three operations, in their order; then the handler runs."""
    state, rows = taken(START, K1, K2, A)
    assert (rows, state.workers[0].phase) == ([LEASED, STARTED], Phase.RUNNING)
    state, rows = taken(state, A, A)
    assert (rows, state.workers[0].phase) == ([FINISHED, LEASED, STARTED], Phase.RUNNING)
    assert [one.status for one in state.durable.executions] == [Status.DONE, Status.IN_PROGRESS]
    state, rows = taken(state, A, A)
    assert (rows, state.workers[0].phase, state.workers[0].execution) == ([FINISHED], Phase.IDLE, None)


def test_the_same_jobs_leave_the_same_rows_and_events_as_without_it() -> None:
    """What is durable after two jobs, and the audit, do not depend on whether the worker is fused."""
    ends = []
    for fused, steps in ((True, 6), (False, 9)):
        state = initial(settings=evolve(SETTINGS, fused=fused), workers=("A",))
        events: list[Event] = []
        actions: tuple[Action, ...] = (K1, K2, *[A] * steps)
        for action in actions:
            state, outcome = step(state, action)
            events += outcome.events
        ends.append((state.durable, state.workers, events))
    assert ends[0] == ends[1]


def test_a_finish_that_is_refused_keeps_nothing_from_the_next_job() -> None:
    """Reconciliation was first: the refusal has its audit row, and the next job is leased."""
    late, rows = taken(START, K1, K2, A, A, EXPIRY, Reconcile(), A)
    assert rows == [(Operation.FINISH, "refused"), LEASED, STARTED]
    assert late.workers[0].execution == 2


def test_a_lease_that_buries_a_job_is_the_end_of_its_transaction() -> None:
    """The finish is kept, and the next transaction looks for the next job."""
    once = initial(settings=evolve(SETTINGS, attempts_max=1), workers=("A", "B"))
    lost = run(once, K1, K2, A, Crash(worker="A"), Step(worker="B"), Step(worker="B"), EXPIRY)
    state, rows = taken(lost, Step(worker="B"))
    assert rows == [FINISHED, (Operation.LEASE, "expired"), (Operation.LEASE, "buried")]
    assert state.workers[1].phase is Phase.IDLE


def test_a_lost_reply_leaves_the_worker_with_the_job_that_it_committed() -> None:
    """It finishes that again, in vain; the job that was leased waits for the end of its lease."""
    state, _ = taken(START, K1, K2, Enqueue(key="k3"), A, A, LostReply(worker="A"))
    assert (state.workers[0].phase, state.workers[0].execution) == (Phase.COMMITTED, 1)
    state, rows = taken(state, A)
    assert rows == [(Operation.FINISH, "refused"), LEASED, STARTED]
    assert state.durable.execution(2).status is Status.IN_PROGRESS
    assert state.workers[0].execution == 3


def test_the_finish_may_read_an_earlier_time_and_no_later_one() -> None:
    """The audit row of the finish has the time that the database chose for it."""
    state = run(START, K1, K2, A, A, Tick(seconds=1))
    before = Visibility(since=0, finished_at=state.now - 1)
    _, outcome = step(state, A, visibility=before)
    assert [event.at for event in outcome.events] == [state.now - 1, state.now, state.now]
    later = evolve(before, finished_at=state.now + 1)
    assert step(state, A, visibility=later)[1].rejected is not None


def _small() -> Explored:
    alphabet = (
        K1,
        K2,
        *[kind(worker=worker) for kind in (Step, Crash, Fail) for worker in ("A", "B")],
        EXPIRY,
        Reconcile(),
    )
    settings = evolve(SETTINGS, attempts_max=1)
    return explore(workers=("A", "B"), alphabet=alphabet, now_max=30_000, settings=settings)


def test_every_invariant_holds_in_each_step_of_a_small_scope() -> None:
    """Two jobs of one attempt, two workers, a tick of a lease: no step of the fused program breaks any."""
    broken = {
        (rule.id, breach)
        for one in _small().accepted
        for rule in INVARIANTS
        if rule.on_change is not None and (breach := rule.on_change(_change(one))) is not None
    }
    assert broken == set()


def _change(one: Taken) -> Change:
    return Change(
        before=one.before.durable,
        after=one.after.durable,
        events=one.outcome.events,
        actor=_actor(one.outcome),
        at=one.before.now,
        settings=one.before.settings,
    )


def _actor(outcome: Outcome) -> str:
    return outcome.events[0].actor if outcome.events else ""


def _taken_first() -> tuple[State, State, tuple[Event, ...]]:
    before = run(START, K1)
    after, outcome = step(before, A)
    return before, after, outcome.events


@pytest.mark.parametrize("fused", [True, False])
def test_an_execution_begins_in_progress_only_under_a_fused_worker(fused: bool) -> None:
    """A lease and a start in one transaction break INV_003 unless the settings say that they may be one."""
    before, after, events = _taken_first()
    change = Change(
        before=before.durable,
        after=after.durable,
        events=events,
        actor="A",
        at=0,
        settings=evolve(SETTINGS, fused=fused),
    )
    breach = explicit_transitions(change)
    assert (breach is None) is fused


@pytest.mark.parametrize("kept", [(0,), (1,), (1, 0), (0, 1, 1)])
def test_both_changes_need_their_audit_row(kept: tuple[int, ...]) -> None:
    """INV_003 breaks if the row of the lease or of the start is missing, comes twice, or comes too early."""
    before, after, events = _taken_first()
    change = Change(
        before=before.durable,
        after=after.durable,
        events=tuple([events[place] for place in kept]),
        actor="A",
        at=0,
        settings=SETTINGS,
    )
    assert explicit_transitions(change) is not None


def test_a_fused_line_takes_the_place_of_one_of_the_program() -> None:
    """Each fused line has the phase and the action of a line of the program, and leads into the handler."""
    pairs = {(line.phase, line.action) for line in PROGRAM}
    assert {(line.phase, line.action) for line in FUSED} <= pairs
    assert {line.after for line in FUSED} == {Phase.RUNNING}
