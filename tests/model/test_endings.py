"""The invariants that are judged when a run has ended: each sentence they can say is provoked once."""

from itertools import product

import pytest
from attrs import evolve

from model.actions import PRODUCER, RECONCILER
from model.events import Event
from model.invariants import INVARIANTS, Ending, InjectedFault, condensed, invariant
from model.state import Durable, Status
from tests.model.rows import ABORTED, DONE, EFFECT, EXEC, JOB, SPENT, audit, rows

SUCCEEDED = rows(DONE, EFFECT)
FAILED = rows(SPENT, ABORTED)
BURIED = Event(event="buried", operation="fail", actor="A", job=1, reason="attempts_spent")
CRASH = InjectedFault(kind="crash", job=1, execution=1)
FAILURE = InjectedFault(kind="failure", job=1)
DUPLICATE = InjectedFault(kind="duplicate", job=1)


def ending(
    final: Durable,
    *events: Event,
    accepted: tuple[str, ...] = ("k1",),
    faults: tuple[InjectedFault, ...] = (),
    settled: bool = True,
) -> Ending:
    """A run that has ended; settled, with its one job accepted, unless said otherwise."""
    return Ending(final=final, events=events, accepted=accepted, faults=faults, settled=settled)


EXPIRED_ROW = audit("expired", "reconcile", Status.IN_PROGRESS, Status.ABORTED, RECONCILER)
FINISHED_ROW = audit("finished", "reconcile", Status.COMMITTED, Status.DONE, RECONCILER)
FAILED_ROW = audit("failed", "fail", Status.IN_PROGRESS, Status.ABORTED)

OPENED_ROW = Event(event="opened", operation="fail", actor="A", job=1, execution=1)

KEYLESS = evolve(SUCCEEDED, jobs=tuple([evolve(job, key=None) for job in SUCCEEDED.jobs]))
"""One job without a key: it may be any job that was asked for, and no more than one."""

BAD_ENDINGS = [
    (
        "INV_005",
        ending(SUCCEEDED, FAILED_ROW, OPENED_ROW, faults=(FAILURE, FAILURE)),
        "no audit row records the failure of job-1",
    ),
    ("INV_004", ending(Durable()), "the job of key 'k1' was accepted and is missing"),
    (
        "INV_004",
        evolve(ending(KEYLESS), accepted=("k1", "k2")),
        "the job of key 'k1' was accepted and is missing",
    ),
    ("INV_004", evolve(ending(SUCCEEDED), external=True), "job-1 is SUCCEEDED and was never charged"),
    ("INV_004", evolve(ending(KEYLESS), external=True), "job-1 is SUCCEEDED and was never charged"),
    ("INV_004", ending(rows(JOB)), "job-1 is stuck in PENDING"),
    ("INV_004", ending(rows(EXEC)), "job-1 is stuck in RUNNING"),
    ("INV_004", ending(rows(DONE)), "job-1 is SUCCEEDED with 0 effects"),
    ("INV_004", ending(rows(DONE, EFFECT, EFFECT)), "job-1 is SUCCEEDED with 2 effects"),
    ("INV_004", ending(rows(SPENT, ABORTED, EFFECT)), "job-1 is FAILED with 1 effects"),
    (
        "INV_004",
        ending(SUCCEEDED, settled=False),
        "something still changes after every round that was allowed",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, faults=(CRASH,)),
        "no audit row records the crash of exec-1 of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, audit("refused", "reconcile", None, None, RECONCILER), faults=(CRASH,)),
        "no audit row records the crash of exec-1 of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, evolve(EXPIRED_ROW, execution=2), faults=(CRASH,)),
        "no audit row records the crash of exec-1 of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, evolve(FINISHED_ROW, operation="finish"), faults=(CRASH,)),
        "no audit row records the crash of exec-1 of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, EXPIRED_ROW, faults=(FAILURE,)),
        "no audit row records the failure of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, FAILED_ROW, faults=(DUPLICATE,)),
        "no audit row records the duplicate of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, evolve(FAILED_ROW, job=2), faults=(FAILURE,)),
        "no audit row records the failure of job-1",
    ),
    (
        "INV_005",
        ending(SUCCEEDED, audit("refused", "commit", None, None), faults=(FAILURE,)),
        "no audit row records the failure of job-1",
    ),
    ("INV_005", ending(FAILED), "job-1 is FAILED and no audit row says why"),
    ("INV_005", ending(FAILED, evolve(BURIED, job=2)), "job-1 is FAILED and no audit row says why"),
]


@pytest.mark.parametrize(
    ("rule", "bad", "text"),
    BAD_ENDINGS,
    ids=[f"{number}-{case[2]}" for number, case in enumerate(BAD_ENDINGS)],
)
def test_a_breach_at_the_end_has_words_of_its_own(rule: str, bad: Ending, text: str) -> None:
    """The invariant that a run's end breaks says which job is not as it should be, and how."""
    predicate = invariant(rule).at_end
    assert predicate is not None
    assert predicate(bad) == text


GOOD_ENDINGS = {
    "nothing was asked for": ending(Durable(), accepted=()),
    "a job succeeded": ending(SUCCEEDED),
    "a job failed and was buried": ending(FAILED, BURIED),
    "a crash was recorded by the expired lease": ending(SUCCEEDED, EXPIRED_ROW, faults=(CRASH,)),
    "a crash was recorded by the recovered commit": ending(SUCCEEDED, FINISHED_ROW, faults=(CRASH,)),
    "a failure was recorded": ending(SUCCEEDED, FAILED_ROW, faults=(FAILURE,)),
    "a failure that came too late was recorded by its refusal": ending(
        SUCCEEDED, audit("refused", "fail", None, None), faults=(FAILURE,)
    ),
    "a duplicate was recorded": ending(
        SUCCEEDED,
        Event(event="duplicate", operation="enqueue", actor=PRODUCER, job=1),
        faults=(DUPLICATE,),
    ),
}


@pytest.mark.parametrize("rule", [rule.id for rule in INVARIANTS if rule.at_end])
@pytest.mark.parametrize("name", GOOD_ENDINGS)
def test_an_ending_that_is_right_breaks_nothing(name: str, rule: str) -> None:
    """Each way a run may end well breaks no invariant."""
    predicate = invariant(rule).at_end
    assert predicate is not None
    assert predicate(GOOD_ENDINGS[name]) is None


def test_a_condensed_history_is_judged_as_the_whole_one() -> None:
    """Wherever a history is cut and what lies before is condensed, each ending is answered as without."""
    again = audit("duplicate", "enqueue", None, None, PRODUCER)
    judge = invariant("INV_005").at_end
    assert judge is not None
    broken = 0
    for history in product((BURIED, FAILED_ROW, again), repeat=3):
        for faults in product((FAILURE, DUPLICATE), repeat=2):
            whole = judge(ending(FAILED, *history, faults=faults))
            for cut, crash_faults in product(range(4), range(3)):
                rows, unrecorded = condensed(history[:cut], faults[:crash_faults])
                rest = ending(FAILED, *rows, *history[cut:], faults=(*unrecorded, *faults[crash_faults:]))
                assert (judge(rest) is None) == (whole is None), (history, faults, cut, crash_faults)
            broken += whole is not None
    assert 0 < broken < 3**3 * 2**2


def test_condensing_drops_what_is_recorded_and_nothing_else() -> None:
    """A fault goes with the row that records it. A fault without a row stays, and so does a job given up."""
    history = (EXPIRED_ROW, BURIED, BURIED, FAILED_ROW)
    assert condensed(history, (CRASH, FAILURE, FAILURE, DUPLICATE)) == ((BURIED,), (FAILURE, DUPLICATE))
    assert condensed((FAILED_ROW,), ()) == ((FAILED_ROW,), ())


def test_two_faults_need_two_rows() -> None:
    """One row does not tell of a second duplicate, nor the row that buries a job of its handler's failure."""
    again = audit("duplicate", "enqueue", None, None, PRODUCER)
    judge = invariant("INV_005").at_end
    assert judge is not None
    assert judge(ending(SUCCEEDED, again, faults=(DUPLICATE,))) is None
    assert judge(ending(SUCCEEDED, again, faults=(DUPLICATE, DUPLICATE))) is not None
    assert judge(ending(FAILED, BURIED, faults=(FAILURE,))) is not None
    assert judge(ending(FAILED, BURIED, FAILED_ROW, faults=(FAILURE,))) is None
    assert judge(ending(FAILED, BURIED, EXPIRED_ROW, faults=(CRASH, CRASH))) is None


@pytest.mark.parametrize("final", [SUCCEEDED, KEYLESS], ids=["with a key", "without a key"])
def test_what_a_job_asked_for_was_charged_whether_or_not_the_job_has_a_key(final: Durable) -> None:
    """The charge is known by what was done, and not by the job's key: a job may have none."""
    charged = evolve(ending(evolve(final, charges=("k1",))), external=True)
    judge = invariant("INV_004").at_end
    assert judge is not None
    assert judge(charged) is None


def test_a_condensed_history_keeps_who_gave_up_each_job() -> None:
    """Of two jobs that were buried, both rows are kept, and of each the first."""
    second = evolve(BURIED, job=2)
    assert condensed((BURIED, second, BURIED, second), ()) == ((BURIED, second), ())
