"""The model's operations, where it is easy to be wrong: at one millisecond, and at the last attempt."""

import pytest
from attrs import evolve

from model.actions import PRODUCER, Action, Enqueue, Fail, Heartbeat, Reconcile, Step, Tick
from model.events import Event, Outcome
from model.state import Durable, Job, JobState, Settings, State, Status, initial
from model.step import step
from tests.model.exploring import events_of, run

A, B = "A", "B"
LEASE_MS = 30_000
START = initial(settings=Settings(), workers=(A, B))

# The fence, to the millisecond.

RUNNING = run(START, Enqueue(key="k1"), Step(worker=A), Step(worker=A))
LEASED = run(START, Enqueue(key="k1"), Step(worker=A))
FENCED = [
    pytest.param(LEASED, Step(worker=A), "started", id="start"),
    pytest.param(RUNNING, Heartbeat(worker=A), "extended", id="heartbeat"),
    pytest.param(RUNNING, Step(worker=A), "committed", id="commit"),
    pytest.param(RUNNING, Fail(worker=A), "failed", id="fail"),
]


@pytest.mark.parametrize(("state", "action", "event"), FENCED)
def test_the_fence_opens_until_the_last_millisecond_of_the_lease(
    state: State, action: Action, event: str
) -> None:
    """One millisecond before its lease expires an execution may go on."""
    late = evolve(state, now=LEASE_MS - 1)
    assert late.durable.execution(1).lease_expires_at - 1 == late.now
    _, outcome = step(late, action)
    assert [done for done, _ in events_of(outcome)] == [event]


@pytest.mark.parametrize(("state", "action", "event"), FENCED)
def test_the_fence_closes_at_the_millisecond_the_lease_expires(
    state: State, action: Action, event: str
) -> None:
    """At the time its lease expires an execution is refused, on the record, and changes nothing durable."""
    late = evolve(state, now=LEASE_MS)
    assert late.durable.execution(1).lease_expires_at == late.now
    after, outcome = step(late, action)
    assert events_of(outcome) == [("refused", "lease_expired")], f"not {event}"
    assert after.durable == state.durable


@pytest.mark.parametrize(("state", "action", "event"), FENCED)
def test_a_lease_that_was_taken_over_is_refused(state: State, action: Action, event: str) -> None:
    """Once the job was leased anew the old execution is refused, whatever the time."""
    taken_over = run(evolve(state, now=LEASE_MS), Step(worker=B))
    after, outcome = step(taken_over, action)
    assert events_of(outcome) == [("refused", "lease_lost")], f"not {event}"
    assert after.durable == taken_over.durable


def test_a_second_commit_is_refused_for_what_it_is() -> None:
    """When the job has its effect, a later commit is refused because of that, and adds none."""
    second = run(RUNNING, Tick(seconds=30), Step(worker=B), Step(worker=B), Step(worker=B))
    after, outcome = step(second, Step(worker=A))
    assert events_of(outcome) == [("refused", "already_committed")]
    assert len(after.durable.effects) == 1


@pytest.mark.parametrize(("now", "takes_over"), [(LEASE_MS - 1, False), (LEASE_MS, True)])
@pytest.mark.parametrize("action", [Step(worker=B), Reconcile()])
def test_a_lease_is_taken_over_at_the_millisecond_it_expires(
    action: Action, now: int, *, takes_over: bool
) -> None:
    """Neither the next worker nor recovery touches an execution before the time at which the fence closes."""
    after, outcome = step(evolve(RUNNING, now=now), action)
    assert (("expired", None) in events_of(outcome)) is takes_over
    assert (after.durable.execution(1).status is Status.ABORTED) is takes_over


@pytest.mark.parametrize(("now", "finishes"), [(LEASE_MS - 1, False), (LEASE_MS, True)])
def test_recovery_finishes_a_commit_once_its_lease_is_over(now: int, *, finishes: bool) -> None:
    """A COMMITTED execution is left to its worker until its lease expires; then recovery says DONE."""
    committed = run(RUNNING, Step(worker=A))
    after, outcome = step(evolve(committed, now=now), Reconcile())
    assert events_of(outcome) == ([("finished", "abandoned")] if finishes else [])
    assert after.durable.execution(1).status is (Status.DONE if finishes else Status.COMMITTED)


def test_a_worker_that_finishes_after_recovery_did_is_refused() -> None:
    """The execution is finished once; who comes second is refused, and is idle again."""
    recovered = run(RUNNING, Step(worker=A), Tick(seconds=30), Reconcile())
    after, outcome = step(recovered, Step(worker=A))
    assert events_of(outcome) == [("refused", "already_finished")]
    assert after.durable == recovered.durable
    assert after.workers == START.workers


def test_a_heartbeat_makes_the_lease_a_full_one_from_now() -> None:
    """The lease and the job's availability both move to now plus the lease, and the handler runs on."""
    after = run(evolve(RUNNING, now=10_000), Heartbeat(worker=A))
    assert after.durable.execution(1).lease_expires_at == 10_000 + LEASE_MS
    assert after.durable.job(1).available_at == 10_000 + LEASE_MS
    assert after.workers == RUNNING.workers


@pytest.mark.parametrize("taken_over", [False, True])
def test_a_handler_whose_heartbeat_is_refused_runs_on(*, taken_over: bool) -> None:
    """The queue cannot stop a handler: a refused heartbeat leaves it running, until its commit is refused."""
    late = evolve(RUNNING, now=LEASE_MS)
    before = run(late, Step(worker=B)) if taken_over else late
    after, outcome = step(before, Heartbeat(worker=A))
    assert events_of(outcome) == [("refused", "lease_lost" if taken_over else "lease_expired")]
    assert after.workers == before.workers
    idle, outcome = step(after, Step(worker=A))
    assert (outcome.operation, events_of(outcome)[0][0]) == ("commit", "refused")
    assert idle.worker(A) == START.worker(A)


# The retry policy.


def test_the_backoff_doubles_up_to_its_cap_and_the_budget_ends_it() -> None:
    """After the n-th failure a job waits 2 ** (n - 1) seconds, at most 5; after the last it is buried."""
    settings = Settings(attempts_max=6, backoff_ms=1_000, backoff_max_ms=5_000)
    state = run(initial(settings=settings, workers=(A,)), Enqueue(key="k1"))
    waits: list[int | None] = []
    for _ in range(settings.attempts_max):
        state = run(state, Step(worker=A), Step(worker=A), Fail(worker=A))
        available_at = state.durable.job(1).available_at
        waits.append(None if available_at is None else available_at - state.now)
        state = evolve(state, now=state.now + 5_000)
    assert waits == [1_000, 2_000, 4_000, 5_000, 5_000, None]
    assert state.durable.job_state(1) is JobState.FAILED
    assert events_of(step(state, Step(worker=A))[1]) == []


@pytest.mark.parametrize(("now", "leases"), [(999, False), (1_000, True)])
def test_a_failed_job_may_be_leased_at_the_millisecond_its_backoff_ends(now: int, *, leases: bool) -> None:
    """The backoff is over at the time it says, and not before."""
    failed = run(RUNNING, Fail(worker=A))
    _, outcome = step(evolve(failed, now=now), Step(worker=B))
    assert events_of(outcome) == ([("leased", None)] if leases else [])


@pytest.mark.parametrize("how", ["lease", "reconcile", "fail"])
def test_the_last_attempt_buries_the_job_however_it_ends(how: str) -> None:
    """A job that kills its worker spends its budget as one whose handler raises does, and says so."""
    settings = Settings(attempts_max=1)
    running = run(
        initial(settings=settings, workers=(A, B)), Enqueue(key="k1"), Step(worker=A), Step(worker=A)
    )
    ends: dict[str, Action] = {"lease": Step(worker=B), "reconcile": Reconcile(), "fail": Fail(worker=A)}
    before = running if how == "fail" else evolve(running, now=LEASE_MS)
    after, outcome = step(before, ends[how])
    aborted = ("failed", "handler_failed") if how == "fail" else ("expired", None)
    assert events_of(outcome) == [aborted, ("buried", "attempts_spent")]
    assert {event.operation for event in outcome.events} == {how}
    assert after.durable.job_state(1) is JobState.FAILED
    assert after.durable.job(1).available_at is None
    assert len(after.durable.executions) == 1


def test_a_lease_that_buries_one_job_takes_the_next_in_another_transaction() -> None:
    """A worker that finds a spent job buries it and is idle still; its next step reads a later time."""
    state = run(
        initial(settings=Settings(attempts_max=1), workers=(A, B)),
        Enqueue(key="k1"),
        Step(worker=A),
        Enqueue(key="k2"),
    )
    buried, outcome = step(evolve(state, now=LEASE_MS), Step(worker=B))
    assert events_of(outcome) == [("expired", None), ("buried", "attempts_spent")]
    assert buried.worker(B) == START.worker(B)
    after, outcome = step(evolve(buried, now=LEASE_MS + 5), Step(worker=B))
    assert [(event.event, event.job) for event in outcome.events] == [("leased", 2)]
    [execution] = after.durable.executions_of(2)
    assert (execution.attempt, execution.lease_expires_at) == (1, 2 * LEASE_MS + 5)


# Which job is leased first.


def leased_job(outcome: Outcome) -> int:
    """The job that was leased."""
    assert outcome.events[-1].event == "leased"
    return outcome.events[-1].job


def order(state: State) -> list[int]:
    """The jobs in the order in which one worker after the other leases them."""
    found = []
    state, outcome = step(state, Step(worker=A))
    while outcome.events:
        found.append(leased_job(outcome))
        state, outcome = step(evolve(state, workers=START.workers), Step(worker=A))
    return found


def test_a_retry_that_is_due_is_leased_before_a_new_job() -> None:
    """Also before one that was enqueued earlier than the retry became due; one that is not due waits."""
    failed = run(RUNNING, Fail(worker=A))
    state = run(evolve(failed, now=1), Enqueue(key="k2"))
    assert [(job.available_at, job.timed) for job in state.durable.jobs] == [(1_000, True), (1, False)]
    assert order(evolve(state, now=1_000)) == [1, 2]
    assert order(evolve(state, now=999)) == [2]


def test_retries_are_leased_by_their_due_time_and_then_by_number() -> None:
    """Equal times are decided by the number, whichever was touched last; new jobs by number alone."""
    state = run(START, *[Enqueue(key=f"k{number}") for number in range(1, 6)])
    for job, due_at in ((4, 7), (2, 7), (3, 5)):
        state = evolve(state, durable=state.durable.with_job(job, due_at))
    assert order(evolve(state, now=7)) == [3, 2, 4, 1, 5]


@pytest.mark.parametrize("enqueued_at", [0, 86_400_000])
def test_a_job_that_was_enqueued_while_the_clock_was_ahead_is_due_at_once(enqueued_at: int) -> None:
    """What the clock said at its enqueue does not count: new jobs go by number; a retry has to wait."""
    times = {1: enqueued_at, 2: enqueued_at, 3: 0}
    jobs = tuple(
        [
            Job(id=n, key=f"k{n}", payload=f"k{n}", attempts_max=3, enqueued_at=at, available_at=at)
            for n, at in times.items()
        ]
    )
    state = evolve(START, durable=Durable(jobs=jobs))
    assert [job.is_due(0) for job in jobs] == [True] * 3
    assert order(state) == [1, 2, 3]
    ahead = evolve(state, durable=state.durable.with_job(1, 86_400_000))
    assert order(ahead) == [2, 3]
    assert order(evolve(ahead, now=86_399_999)) == [2, 3]
    assert order(evolve(ahead, now=86_400_000))[0] == 1


def test_the_same_key_again_is_the_same_job_and_on_the_record() -> None:
    """A producer's retry adds no job, and leaves an audit row that says so."""
    state = run(START, Enqueue(key="k1"))
    after, outcome = step(state, Enqueue(key="k1"))
    assert after.durable == state.durable
    assert outcome.events == (Event(event="duplicate", operation="enqueue", actor=PRODUCER, job=1),)
    other = run(after, Enqueue(key="k2"))
    assert [(job.id, job.key) for job in other.durable.jobs] == [(1, "k1"), (2, "k2")]
