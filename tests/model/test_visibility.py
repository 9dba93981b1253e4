"""What the database chooses for a step: ids, the jobs it sees, and the time of the last change."""

from attrs import evolve

from model.actions import Enqueue, Reconcile, Step, Tick
from model.draft import Visibility
from model.state import Settings, State, Status, initial
from model.step import step

START = initial(settings=Settings(), workers=("A", "B"))


def two_jobs() -> State:
    """Jobs 4 and 2, in the order in which they were committed."""
    state, _ = step(START, Enqueue(key="k1"), visibility=Visibility(job=4))
    return step(state, Enqueue(key="k2"), visibility=Visibility(job=2))[0]


def test_ids_are_as_they_were_given_and_rows_in_their_order() -> None:
    """A job that was added later may have the lower id: it comes first, and goes first if both are due."""
    state = two_jobs()
    assert [(job.id, job.key) for job in state.durable.jobs] == [(2, "k2"), (4, "k1")]
    leased, _ = step(state, Step(worker="A"), visibility=Visibility(execution=9))
    again, _ = step(leased, Step(worker="B"), visibility=Visibility(execution=7))
    assert [(one.id, one.job) for one in again.durable.executions] == [(7, 4), (9, 2)]


def test_a_fencing_token_grows() -> None:
    """An id that is not above those of the job's earlier executions is not used."""
    state, _ = step(two_jobs(), Step(worker="A"), visibility=Visibility(execution=9))
    state, _ = step(state, Tick(seconds=30))
    state, _ = step(state, Step(worker="B"), visibility=Visibility(execution=5, jobs_seen=frozenset({2})))
    assert [(one.id, one.status) for one in state.durable.executions] == [
        (9, Status.ABORTED),
        (10, Status.LEASED),
    ]


def test_a_lease_passes_over_what_it_cannot_see() -> None:
    """It takes the oldest of those that nobody holds; none if all are held."""
    state = two_jobs()
    _, outcome = step(state, Step(worker="A"), visibility=Visibility(jobs_seen=frozenset({4})))
    assert [event.job for event in outcome.events] == [4]
    same, outcome = step(state, Step(worker="A"), visibility=Visibility(jobs_seen=frozenset()))
    assert (same, outcome.events) == (state, ())


def test_a_lease_that_buries_looks_again_in_its_next_transaction() -> None:
    """A job out of attempts is buried; the worker's next step looks anew, at what it can see by then."""
    once = initial(settings=Settings(attempts_max=1), workers=("A", "B"))
    for key in ("k1", "k2", "k3"):
        once, _ = step(once, Enqueue(key=key))
    once, _ = step(once, Step(worker="A"))
    once = evolve(once, now=30_000)
    buried, outcome = step(once, Step(worker="B"), visibility=Visibility(jobs_seen=frozenset({1, 2})))
    assert [(event.event, event.job) for event in outcome.events] == [("expired", 1), ("buried", 1)]
    _, outcome = step(buried, Step(worker="B"), visibility=Visibility(jobs_seen=frozenset({3})))
    assert [(event.event, event.job) for event in outcome.events] == [("leased", 3)]


def test_reconciliation_passes_over_what_it_cannot_see() -> None:
    """The execution of a job that another holds is left for the next time."""
    state = two_jobs()
    for _ in range(2):
        state, _ = step(state, Step(worker="A"))
        state = evolve(state, workers=START.workers)
    state = evolve(state, now=30_000)
    _, outcome = step(state, Reconcile(), visibility=Visibility(jobs_seen=frozenset({4})))
    assert [(event.event, event.job) for event in outcome.events] == [("expired", 4)]


def test_a_time_is_judged_by_the_last_change_to_what_was_touched() -> None:
    """Something else may have been changed later; without that word, nothing may."""
    state = evolve(two_jobs(), now=5_000, changed_at=3_000)
    _, outcome = step(state, Step(worker="A"), at=1_000, visibility=Visibility(since=0))
    assert outcome.rejected is None
    same, outcome = step(state, Step(worker="A"), at=1_000)
    assert (same, outcome.rejected) == (state, "the operation read a time before the last change")


def test_a_job_that_is_held_is_due_when_its_lease_has_run_out() -> None:
    """Until then it is not, and an execution that has ended holds nothing; each job has its own."""
    state, _ = step(two_jobs(), Step(worker="A"))
    [held] = state.durable.executions
    closed = state.durable.with_job(held.job, None)
    ends = held.lease_expires_at
    assert [closed.is_due(held.job, at) for at in (ends - 1, ends)] == [False, True]
    other = next(job.id for job in closed.jobs if job.id != held.job)
    assert not closed.with_job(other, None).is_due(other, ends)
    done = evolve(closed, executions=(evolve(held, status=Status.DONE),))
    assert not done.is_due(held.job, ends)
