"""The model's step: total over every reachable state of a small scope."""

import pytest
from attrs import evolve

from model.actions import (
    PRODUCER,
    RECONCILER,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    PowerLoss,
    Reconcile,
    Step,
    Tick,
)
from model.events import Environment, Outcome
from model.invariants import INVARIANTS, Change, Invariant
from model.state import JobState, Phase, Settings, State, Status, initial
from model.step import enabled, step
from model.transitions import EXECUTION, allowed, why_not_job
from tests.model.exploring import Explored, Taken, events_of, explore, run

A, B = "A", "B"
LEASE_MS = 30_000
START = initial(settings=Settings(), workers=(A, B))

EVERYTHING: tuple[Action, ...] = (
    Enqueue(key="k1"),
    *[kind(worker=worker) for kind in (Step, Crash, Fail, Heartbeat) for worker in (A, B)],
    Tick(seconds=30),
    Reconcile(),
)


def small_scope() -> Explored:
    """One job of two attempts, two workers, every action, three ticks of a lease each."""
    return explore(
        workers=(A, B), alphabet=EVERYTHING, now_max=3 * LEASE_MS, settings=Settings(attempts_max=2)
    )


# Every reachable state.


def test_one_job_and_one_worker_without_time_have_ten_states() -> None:
    """A scope that can be counted by hand has the states and the steps that were counted by hand.

    States: before the job; then the job PENDING; LEASED, IN_PROGRESS and COMMITTED, each with its worker
    alive and with its worker crashed (2 * 3); DONE; and failed, which waits out a backoff that never ends
    here. 1 + 1 + 6 + 1 + 1 = 10. In each of them Enqueue, Step, Crash and Reconcile can happen; Fail and
    Heartbeat only where a handler runs, which is one state: 4 * 10 + 2 = 42 steps, and 60 - 42 are rejected.
    """
    alphabet = (
        Enqueue(key="k1"),
        Step(worker=A),
        Crash(worker=A),
        Reconcile(),
        Fail(worker=A),
        Heartbeat(worker=A),
    )
    explored = explore(workers=(A,), alphabet=alphabet, now_max=0, settings=Settings())
    assert (len(explored.states), len(explored.accepted), len(explored.rejected)) == (10, 42, 18)


def test_a_producer_alone_has_thirteen_states_in_two_ticks() -> None:
    """Without workers a state is when the job was enqueued, when it was last asked for, and now.

    Before the job: now is 0, 1 or 2 ticks, which makes 3. After: 0 <= enqueued <= changed <= now <= 2, which
    are the multisets of three out of three numbers, 5 over 3 = 10. In each, both actions can happen.
    """
    alphabet = (Enqueue(key="k1"), Tick(seconds=30))
    explored = explore(workers=(A,), alphabet=alphabet, now_max=2 * LEASE_MS, settings=Settings())
    assert (len(explored.states), len(explored.accepted), len(explored.rejected)) == (13, 26, 0)


def test_the_small_scope_has_the_size_it_had() -> None:
    """No state and no step is gained or lost unnoticed."""
    explored = small_scope()
    assert (len(explored.states), len(explored.accepted), len(explored.rejected)) == (1_504, 11_508, 5_036)
    assert len(explored.taken) == len(explored.states) * len(EVERYTHING)


def test_a_rejected_step_changes_nothing_and_says_why() -> None:
    """The state is the very same, there are no events, and the reason is a sentence."""
    rejected = small_scope().rejected
    for taken in rejected:
        assert taken.after is taken.before, taken
        assert taken.outcome.events == (), taken
    assert {taken.outcome.rejected for taken in rejected} == {
        "worker A is not running a handler",
        "worker B is not running a handler",
    }


def test_what_can_happen_is_as_the_alphabet_says() -> None:
    """Anyone may step, crash, enqueue, recover or wait at any time; only a running handler fails or beats."""
    for state in small_scope().states:
        handling = {worker.name for worker in state.workers if worker.phase is Phase.RUNNING}
        expected = [
            action
            for action in EVERYTHING
            if not isinstance(action, Fail | Heartbeat) or action.worker in handling
        ]
        assert enabled(state, EVERYTHING) == tuple(expected), state


def test_enabled_actions_are_those_that_step_accepts() -> None:
    """`enabled` gives exactly what `step` does not reject, in the order of the alphabet."""
    accepted: dict[State, list[Action]] = {}
    for taken in small_scope().taken:
        accepted.setdefault(taken.before, [])
        if taken.outcome.rejected is None:
            accepted[taken.before].append(taken.action)
    for state, actions in accepted.items():
        assert enabled(state, EVERYTHING) == tuple(actions)


def test_only_the_changes_in_the_table_occur() -> None:
    """Each change of an execution, and of a job, is in the table, and carries the event it says."""
    for taken in small_scope().taken:
        before = {execution.id: execution for execution in taken.before.durable.executions}
        events = {event.execution: event for event in taken.outcome.events if event.after}
        for execution in taken.after.durable.executions:
            old = before.pop(execution.id, None)
            if old == execution:
                continue
            event = events[execution.id]
            status = old.status if old else None
            rows = [(row.event, row.operations) for row in allowed(status, execution.status)]
            assert any(event.event == name and event.operation in by for name, by in rows), taken
        assert not before, taken
        for job in taken.before.durable.jobs:
            states = taken.before.durable.job_state(job.id), taken.after.durable.job_state(job.id)
            assert why_not_job(*states) is None, taken


def test_every_row_of_the_table_is_used_but_two() -> None:
    """The small scope makes every change there is, but those of a lease by a handler that has not begun."""
    used = {
        (event.before, event.after, event.event, event.operation)
        for taken in small_scope().accepted
        for event in taken.outcome.events
        if event.after is not None
    }
    table = {(row.before, row.after, row.event, by) for row in EXECUTION for by in row.operations}
    assert table - used == {
        (Status.LEASED, Status.ABORTED, "failed", "fail"),
        (Status.LEASED, Status.LEASED, "extended", "heartbeat"),
    }
    assert used <= table


def change_of(taken: Taken, at: int) -> Change:
    """What an observer sees of a step."""
    return Change(
        before=taken.before.durable,
        after=taken.after.durable,
        events=taken.outcome.events,
        actor=taken.outcome.events[0].actor if taken.outcome.events else "time",
        at=at,
    )


@pytest.mark.parametrize("rule", [rule for rule in INVARIANTS if rule.on_change], ids=lambda rule: rule.id)
def test_no_invariant_finds_fault_with_the_model(rule: Invariant) -> None:
    """The predicate holds on each step of the model, at the time of its commit and at the earliest one."""
    assert rule.on_change is not None
    for taken in small_scope().taken:
        assert rule.on_change(change_of(taken, taken.before.now)) is None, taken
        at = taken.before.changed_at
        after, outcome = step(taken.before, taken.action, at=at)
        earlier = evolve(taken, after=after, outcome=outcome)
        assert rule.on_change(change_of(earlier, at)) is None, earlier


def test_every_step_of_the_small_scope_keeps_time_in_order() -> None:
    """Time never goes back, and the last change is never later than now."""
    for taken in small_scope().taken:
        assert taken.before.now <= taken.after.now
        assert taken.before.changed_at <= taken.after.changed_at <= taken.after.now


def test_the_small_scope_ends_jobs_in_both_ways() -> None:
    """Jobs succeed with one effect and fail with none: the enumeration is not vacuous."""
    ends = {
        (state.durable.job_state(job.id), len(state.durable.effects_of(job.id)))
        for state in small_scope().states
        for job in state.durable.jobs
    }
    assert ends == {
        (JobState.PENDING, 0),
        (JobState.RUNNING, 0),
        (JobState.RUNNING, 1),
        (JobState.SUCCEEDED, 1),
        (JobState.FAILED, 0),
    }


# Who may move.


@pytest.mark.parametrize("kind", [Step, Fail, Heartbeat, Crash])
def test_a_worker_that_is_not_there_cannot_move(kind: type[Step | Fail | Heartbeat | Crash]) -> None:
    """An action of an unknown worker is rejected, with its name, and changes nothing."""
    state, outcome = step(START, kind(worker="Z"))
    assert (state, outcome) == (START, Outcome(operation=Environment.NONE, rejected="there is no worker Z"))


@pytest.mark.parametrize("kind", [Fail, Heartbeat])
def test_a_worker_without_a_running_handler_cannot_fail_or_beat(kind: type[Fail | Heartbeat]) -> None:
    """Before the start and after the commit there is no handler to raise or to ask for time."""
    enqueued = run(START, Enqueue(key="k1"))
    leased = run(enqueued, Step(worker=A))
    committed = run(leased, Step(worker=A), Step(worker=A))
    for state in (enqueued, leased, committed):
        after, outcome = step(state, kind(worker=A))
        assert outcome.rejected == "worker A is not running a handler"
        assert after is state


@pytest.mark.parametrize("helper", [PRODUCER, RECONCILER])
def test_a_helper_may_crash_and_has_nothing_to_forget(helper: str) -> None:
    """A crash of the producer or of the reconciler leaves the state as it was."""
    state = run(START, Enqueue(key="k1"), Step(worker=A))
    assert step(state, Crash(worker=helper)) == (state, Outcome(operation=Environment.CRASH))


def test_a_crash_forgets_the_current_execution_of_the_worker_and_nothing_else() -> None:
    """Durable state and the other workers are as before; the worker is idle, without an execution."""
    before = run(START, Enqueue(key="k1"), Step(worker=A), Step(worker=A))
    after = run(before, Crash(worker=A))
    assert before.worker(A) != initial(settings=Settings(), workers=(A,)).worker(A)
    assert after == evolve(before, workers=START.workers)


# The time that an operation read.


@pytest.mark.parametrize("at", [999, 2_001])
@pytest.mark.parametrize("action", [Step(worker=A), Reconcile(), Enqueue(key="k2"), Tick(seconds=1)])
def test_a_time_before_the_last_change_or_after_now_is_rejected(at: int, action: Action) -> None:
    """An operation cannot have read a time before what it saw had happened, nor one that is still to come."""
    state = run(START, Tick(seconds=1), Enqueue(key="k1"), Tick(seconds=1))
    assert (state.changed_at, state.now) == (1_000, 2_000)
    after, outcome = step(state, action, at=at)
    assert after is state
    assert outcome.rejected is not None


@pytest.mark.parametrize("at", [1_000, 1_500, 2_000])
def test_an_operation_counts_from_the_time_it_read(at: int) -> None:
    """From the last change to now any time may have been read, and the lease runs from that time."""
    state = run(START, Tick(seconds=1), Enqueue(key="k1"), Tick(seconds=1))
    after, outcome = step(state, Step(worker=A), at=at)
    assert events_of(outcome) == [("leased", None)]
    assert after.durable.execution(1).lease_expires_at == at + LEASE_MS
    assert (after.changed_at, after.now) == (at, 2_000)


def test_an_operation_that_did_nothing_leaves_the_time_of_the_last_change() -> None:
    """A lease that finds no job, and a recovery with nothing to do, are no change."""
    state = run(START, Tick(seconds=1))
    for action in (Step(worker=A), Reconcile()):
        after, outcome = step(state, action)
        assert outcome.events == ()
        assert after == state


def test_a_loss_of_power_is_a_crash_of_everyone() -> None:
    """It takes nothing that was acknowledged: in every state it does what a crash of each worker does."""
    for state in small_scope().states:
        crashed = step(step(state, Crash(worker=A))[0], Crash(worker=B))[0]
        lost, outcome = step(state, PowerLoss())
        assert lost == crashed
        assert outcome == Outcome(operation=Environment.POWER_LOSS)
