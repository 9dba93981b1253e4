"""A worker that lives on after a rollback, a lost reply or a clock that was set back keeps what it knows."""

from attrs import evolve

from model.actions import (
    ClockBack,
    Enqueue,
    Heartbeat,
    LostReply,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    thread_of,
)
from model.draft import Visibility
from model.events import Operation, Reason
from model.state import Phase, Settings, State, initial
from model.step import step
from tests.model.exploring import events_of, run

A, B = Step(worker="A"), Step(worker="B")
K1, K2 = Enqueue(key="k1"), Enqueue(key="k2")
EXTERNAL, FUSED = Settings(external=True), Settings(fused=True)


def _start(settings: Settings | None = None, *, rollback: bool = True) -> State:
    return initial(settings=settings or Settings(), workers=("A", "B"), rollback=rollback)


def test_earlier_states_are_remembered_only_where_they_are_asked_for() -> None:
    """Without them a rollback is rejected, and the reason is given."""
    assert initial(settings=Settings(), workers=("A",)).earlier is None
    state = run(_start(rollback=False), K1)
    assert state.earlier is None
    after, outcome = step(state, Rollback(commits=1))
    assert (after, outcome.rejected) == (state, "no earlier state is remembered")
    assert run(_start(), K1, Rollback(commits=1)).durable == _start().durable


def test_a_handler_runs_on_for_an_execution_that_is_lost() -> None:
    """After a heartbeat in vain it still knows the key of its job, and calls the gateway for that."""
    state = run(_start(EXTERNAL), K1, A, A, Rollback(commits=2), Heartbeat(worker="A"))
    assert (state.workers[0].phase, state.workers[0].lost_key) == (Phase.RUNNING, "k1")
    assert run(state, A).durable.charges == ("k1",)


def test_a_worker_that_leases_again_forgets_what_it_lost() -> None:
    """Its new execution is in the store."""
    state = run(_start(), K1, A, A, Rollback(commits=2), A, A)
    assert (state.workers[0].phase, state.workers[0].lost_key) == (Phase.LEASED, None)


def test_a_fused_worker_that_lost_its_execution_takes_the_next_job() -> None:
    """B has an execution of that number, so the finish is refused by its token, and a lease follows."""
    state = run(_start(FUSED), K1, K2, A, A, Rollback(commits=2), B)
    assert state.workers[0].lost_key == "k1"
    state, outcome = step(state, A)
    assert [event.operation for event in outcome.events] == [
        Operation.FINISH,
        Operation.LEASE,
        Operation.START,
    ]
    assert events_of(outcome)[0] == ("refused", Reason.UNKNOWN_TOKEN)
    assert (state.workers[0].execution, state.workers[0].lost_key) == (2, None)
    assert state.durable.execution(1).worker == "B"


def test_a_heartbeat_of_the_second_thread_outlives_its_handler() -> None:
    """The handler ends in vain, and the second thread still sends what it has begun."""
    state = run(_start(), K1, A, A, ThreadHeartbeat(worker="A"), Tick(seconds=30), B, A)
    assert (state.workers[0].phase, state.workers[0].heartbeat) == (Phase.IDLE, 1)
    state, outcome = step(state, Step(worker=thread_of("A")))
    assert [(event.operation, event.event) for event in outcome.events] == [("heartbeat", "refused")]
    assert state.workers[0].heartbeat is None


def test_the_reply_of_the_gateway_is_not_the_reply_to_a_commit() -> None:
    """So it cannot be lost as one: the step is rejected, and changes nothing."""
    state = run(_start(EXTERNAL), K1, A, A)
    after, outcome = step(state, LostReply(worker="A"))
    assert (after, outcome.rejected) == (state, "a call of the gateway has no commit")


def test_after_the_clock_was_set_back_an_operation_may_read_the_earlier_time() -> None:
    """The last change counts as one of now; before the clock was set back that time was too early."""
    state = run(_start(), Tick(seconds=5), K1)
    assert step(state, A, at=4_000)[1].rejected == "the operation read a time before the last change"
    state = run(state, ClockBack(seconds=2))
    assert (state.now, state.changed_at) == (3_000, 3_000)
    assert run(_start(), Tick(seconds=5), ClockBack(seconds=2)).changed_at == 0
    assert run(state, A).durable.execution(1).lease_expires_at == 33_000


def test_an_operation_that_read_its_time_before_it_got_its_lock_is_rejected() -> None:
    """The reason says so."""
    state = run(_start(), K1, Tick(seconds=5))
    early = evolve(Visibility(), locked_at=5_000)
    assert step(state, A, at=4_999, visibility=early)[1].rejected == (
        "the operation read a time before it got its lock"
    )
    assert step(state, A, at=5_000, visibility=early)[1].rejected is None


def test_a_finish_that_read_its_time_before_the_locks_that_it_needed_is_rejected() -> None:
    """A lock that the operation got after it had finished its execution does not count for the finish."""
    state = run(_start(), K1, Tick(seconds=5))
    finished = evolve(Visibility(), locked_at=5_000, finished_at=4_999)
    assert step(state, A, at=5_000, visibility=finished)[1].rejected is None
    assert step(state, A, at=5_000, visibility=evolve(finished, locked_before_writes_at=5_000))[
        1
    ].rejected == ("the operation read a time before it got its lock")


def test_a_second_thread_sends_one_heartbeat_at_a_time_and_only_beside_a_handler() -> None:
    """Each rejected action changes nothing, and says why."""
    state = run(_start(), K1, A, A, ThreadHeartbeat(worker="A"))
    thread = Step(worker=thread_of("A"))
    for before, action, reason in (
        (_start(), ThreadHeartbeat(worker="C"), "there is no worker C"),
        (_start(), ThreadHeartbeat(worker="A"), "worker A is not running a handler"),
        (state, ThreadHeartbeat(worker="A"), "the second thread of worker A sends a heartbeat already"),
        (_start(), thread, "the second thread of worker A sends no heartbeat"),
    ):
        after, outcome = step(before, action)
        assert (after, outcome.rejected) == (before, reason)
    later, outcome = step(run(state, Tick(seconds=9)), thread)
    assert [(event.operation, event.event, event.actor) for event in outcome.events] == [
        (Operation.HEARTBEAT, "extended", "A")
    ]
    assert later.durable.execution(1).lease_expires_at == 39_000
    assert later.workers[0].heartbeat is None


def test_a_rollback_takes_back_as_many_commits_as_it_says() -> None:
    """All of them if there are fewer; the charges stay, since they are in another system."""
    state = run(_start(EXTERNAL), K1, K2, A, A, A, Tick(seconds=5))
    assert state.durable.charges == ("k1",)
    for commits, keys, executions in ((1, ["k1", "k2"], 1), (2, ["k1", "k2"], 0), (3, ["k1"], 0)):
        back = run(state, Rollback(commits=commits))
        assert [job.key for job in back.durable.jobs] == keys
        assert len(back.durable.executions) == executions
        assert (back.durable.charges, back.changed_at) == (("k1",), 5_000)
        assert back.workers[0].lost_key == (None if executions else "k1")
        assert back.earlier == (state.earlier or ())[commits:]
    assert run(_start(), K1, Rollback(commits=3)).durable.jobs == ()
    assert run(_start(), Rollback(commits=1)) == _start()
