"""What the model answers to callers, and what it counts."""

from model.actions import Action, Enqueue, Reconcile, Step, Tick
from model.answers import Accepted, Answer, Reconciled, answer, count
from model.events import Event, Operation, Outcome
from model.state import Settings, State, initial
from model.step import step
from tests.model.exploring import run

START = initial(settings=Settings(attempts_max=1), workers=("A", "B"))
JOB = Enqueue(key="k1")
A = Step(worker="A")
B = Step(worker="B")
EXPIRY = Tick(seconds=30)


def taken(state: State, action: Action) -> tuple[Answer | None, State, Outcome]:
    """The answer to the operation of the action, and what the action led to."""
    after, outcome = step(state, action)
    assert isinstance(outcome.operation, Operation)
    return answer(outcome.operation, outcome.events, after.durable), after, outcome


def test_an_enqueue_answers_the_job_and_whether_it_existed() -> None:
    """The same key again has the same job."""
    new, state, _ = taken(START, JOB)
    again, _, _ = taken(state, JOB)
    assert new == Answer(Operation.ENQUEUE, Accepted(job=1, existed=False))
    assert again == Answer(Operation.ENQUEUE, Accepted(job=1, existed=True))


def test_a_lease_answers_its_execution_or_no_job() -> None:
    """A lease that buries a job answers nothing: another transaction looks for the next job."""
    assert taken(START, A)[0] == Answer(Operation.LEASE, None)
    leased, state, _ = taken(run(START, JOB), A)
    assert leased == Answer(Operation.LEASE, state.durable.execution(1))
    buries, _, outcome = taken(run(state, EXPIRY), B)
    assert (buries, [event.event for event in outcome.events]) == (None, ["expired", "buried"])


def test_the_holder_is_answered_true_unless_refused() -> None:
    """A start is done while the lease lives, and refused after it."""
    leased = run(START, JOB, A)
    assert taken(leased, A)[0] == Answer(Operation.START, True)
    assert taken(run(leased, EXPIRY), A)[0] == Answer(Operation.START, False)


def test_a_reconciliation_answers_how_many_it_ended() -> None:
    """A committed execution is finished, an uncommitted one is aborted."""
    state = run(START, JOB, Enqueue(key="k2"), A, A, A, B, EXPIRY)
    assert taken(state, Reconcile())[0] == Answer(Operation.RECONCILE, Reconciled(finished=1, aborted=1))


def test_the_counts_are_those_of_the_rows_and_of_the_audit() -> None:
    """One job waits, one has lost its worker, one has succeeded, and one enqueue was a duplicate."""
    state, events = START, tuple[Event, ...]()
    for action in (JOB, A, A, A, A, Enqueue(key="k2"), B, EXPIRY, Enqueue(key="k3"), JOB):
        state, outcome = step(state, action)
        events += outcome.events
    counts = count(state.durable, events, state.now)
    assert (counts.pending, counts.running, counts.succeeded, counts.failed) == (1, 1, 1, 0)
    assert (counts.oldest_due_at, counts.latest_due_at, counts.abandoned) == (30_000, 30_000, 1)
    assert (counts.duplicates_refused, counts.enqueued_in_future, counts.counted_at) == (1, 0, 30_000)
