"""The halves of the judge of any queue: each rule of the weak model sees a history that no other rule sees.

The histories are recorded input, so no queue runs. A lease lasts 60 s. Each history of `TROUBLES` shows one
trouble; a history of `SILENT` is almost one of them, and shows none.
"""

from collections.abc import Iterable
from typing import Any

import pytest

from failure_modes.checker.experiment.moves import PRODUCER
from failure_modes.checker.oracle.deliveries import Deliveries, Kind, Trouble
from failure_modes.checker.subject.adapter import Status, Topic

Call = tuple[str, tuple[Any, ...], dict[str, Any]]
History = tuple[Call, ...]

LEASE_MS = 60_000
WAITING, RUNNING, DONE, FAILED = Status.WAITING, Status.RUNNING, Status.DONE, Status.FAILED


def _offered(key: str = "k") -> Call:
    return "offered", (key,), {}


def _accepted(key: str = "k") -> Call:
    return "accepted", (key,), {}


def _free(process: str, at: int) -> Call:
    return "free", (process, at), {}


def _started(process: str, at: int, key: str = "k") -> Call:
    return "started", (key, process, at), {}


def _ended(process: str, at: int, key: str = "k", *, raised: bool = False) -> Call:
    return "ended", (key, process, at), {"raised": raised}


def _killed(process: str, at: int = 0) -> Call:
    return "killed", (process, at), {}


def _observed(**statuses: Status) -> Call:
    return "observed", (statuses,), {}


def _at_end(**statuses: Status) -> Call:
    return "at_end", (statuses,), {}


def _moved(process: str) -> Call:
    return "moved", (process,), {"at_rest": False}


NEW = (_offered(), _accepted())
OTHER: History = (_offered("other"), _accepted("other"))
BOTH_LATE: History = (_free("A", LEASE_MS), _free("B", LEASE_MS))
TWO_LATE: History = (*BOTH_LATE, _started("A", LEASE_MS), _started("B", LEASE_MS))
RAN: History = (*NEW, _started("A", 0), _ended("A", 1))
RAISED: History = (*NEW, _started("A", 0), _ended("A", 1, raised=True))
CRASHED: History = (*NEW, _started("A", 0), _killed("A"))
TWICE: History = (*RAISED, _started("A", 2), _ended("A", 3, raised=True))

TROUBLES: dict[str, tuple[History, Kind, Topic]] = {
    "a second worker, before a lease can have run out": (
        (*NEW, _started("A", 0), _started("B", LEASE_MS - 1)),
        Kind.AT_ONCE,
        Topic.MULTI_PROCESS,
    ),
    "a second worker, where another lease may have run out": (
        (*NEW, _free("A", 1), _started("A", LEASE_MS), _started("B", LEASE_MS)),
        Kind.AT_ONCE,
        Topic.FENCED,
    ),
    "a second worker, long after the run began": (
        (*NEW, *TWO_LATE),
        Kind.AT_ONCE,
        Topic.MULTI_PROCESS,
    ),
    "a second worker, after a worker died that may have had the job": (
        (*NEW, _moved("C"), _killed("C"), *TWO_LATE),
        Kind.AT_ONCE,
        Topic.FENCED,
    ),
    "a second worker, after a worker died that was at rest": (
        (*NEW, _killed("C"), *TWO_LATE),
        Kind.AT_ONCE,
        Topic.MULTI_PROCESS,
    ),
    "a second worker, after a worker died in another job": (
        (
            *NEW,
            *OTHER,
            _started("C", 0, "other"),
            _killed("C"),
            *TWO_LATE,
        ),
        Kind.AT_ONCE,
        Topic.MULTI_PROCESS,
    ),
    "a second worker, while a third one is late": (
        (*NEW, _moved("C"), *TWO_LATE),
        Kind.AT_ONCE,
        Topic.FENCED,
    ),
    "again, long after it was done in time": (
        (*RAN, _free("A", 1), _observed(k=DONE), *BOTH_LATE, _started("B", LEASE_MS)),
        Kind.AGAIN,
        Topic.MULTI_PROCESS,
    ),
    "again, after it was done too late": (
        (*RAN, _free("A", LEASE_MS), _observed(k=DONE), _free("B", LEASE_MS), _started("B", LEASE_MS)),
        Kind.AGAIN,
        Topic.FENCED,
    ),
    "again, although it is done": (
        (*RAN, _observed(k=DONE), _started("B", 2)),
        Kind.AGAIN,
        Topic.MULTI_PROCESS,
    ),
    "again, although it was done once": (
        (*RAN, _observed(k=DONE), _observed(k=WAITING), _started("B", 2)),
        Kind.AGAIN,
        Topic.MULTI_PROCESS,
    ),
    "again, although its success is forgotten": (
        (*RAN, _observed(), _started("B", LEASE_MS)),
        Kind.AGAIN,
        Topic.FENCED,
    ),
    "a third time, after two errors": ((*TWICE, _started("A", 4)), Kind.BEYOND, Topic.MAX_ATTEMPTS),
    "a third time, after an error and a crash": (
        (*RAISED, _started("A", 2), _killed("A"), _started("B", 4)),
        Kind.BEYOND,
        Topic.COUNTS_CRASHES,
    ),
    "gone before it was started": ((*NEW, _at_end()), Kind.LOST, Topic.KEEPS_WAITING),
    "gone after its producer died": ((*NEW, _killed(PRODUCER), _at_end()), Kind.LOST, Topic.KEEPS_WAITING),
    "gone with its worker": ((*CRASHED, _at_end()), Kind.LOST, Topic.KEEPS_JOBS),
    "gone after one of two errors": ((*RAISED, _at_end()), Kind.LOST, Topic.KEEPS_WAITING),
    "waits after it was started": ((*CRASHED, _at_end(k=WAITING)), Kind.STUCK, Topic.RECOVERY),
    "runs for ever, and never called its handler": (
        (*NEW, _at_end(k=RUNNING)),
        Kind.STUCK,
        Topic.RECOVERY,
    ),
    "waits, and was never started": ((*NEW, _at_end(k=WAITING)), Kind.NEVER_RUN, Topic.RECOVERY),
    "failed, although it returned": (
        (*RAN, _free("A", LEASE_MS - 1), _at_end(k=FAILED)),
        Kind.FAILED,
        Topic.OUTCOME,
    ),
}

SILENT: dict[str, History] = {
    "a second worker, when the lease can have run out": (*NEW, _started("A", 0), _started("B", LEASE_MS)),
    "a second worker, when a lease before the handler can have run out": (
        *NEW,
        _free("A", 1),
        _started("A", LEASE_MS),
        _started("B", LEASE_MS + 1),
    ),
    "a second worker, after the first one has ended": (*RAISED, _started("B", 2)),
    "a second worker, after the first one was killed": (*CRASHED, _started("B", 2)),
    "again, and no success is recorded": (*RAN, _observed(k=RUNNING), _started("B", 2)),
    "again, where no handler returned": (*RAISED, _observed(k=DONE), _started("B", 2)),
    "a second time, of two": (*RAISED, _started("A", 2)),
    "gone, and never accepted": (_offered(), _at_end()),
    "gone, after it returned": (*RAN, _at_end()),
    "gone, after two errors": (*TWICE, _at_end()),
    "gone, after an error and a crash": (*RAISED, _started("A", 2), _killed("A"), _at_end()),
    "waits, and was never accepted": (_offered(), _at_end(k=WAITING)),
    "done at the end": (*RAN, _free("A", 2), _at_end(k=DONE)),
    "failed, and never started": (*NEW, _at_end(k=FAILED)),
    "failed, after its worker returned too late": (*RAN, _free("A", LEASE_MS), _at_end(k=FAILED)),
    "failed, after its worker returned and died": (*RAN, _killed("A", 2), _at_end(k=FAILED)),
    "failed, after an error and a success": (
        *RAISED,
        _started("A", 2),
        _ended("A", 3),
        _free("A", 4),
        _at_end(k=FAILED),
    ),
}


def _troubles(history: History, **options: Any) -> tuple[Trouble, ...]:
    """What the weak model says of the history."""
    deliveries = Deliveries(
        attempts_max=options.get("attempts_max", 2),
        lease_seconds=LEASE_MS / 1000,
        takes_ahead=options.get("takes_ahead", False),
    )
    found: list[Trouble] = []
    for name, arguments, keywords in history:
        answer: Iterable[Trouble] | None = getattr(deliveries, name)(*arguments, **keywords)
        found += answer or ()
    return tuple(found)


@pytest.mark.parametrize("name", TROUBLES)
def test_one_rule_alone_sees_a_history(name: str) -> None:
    """The weak model gives one trouble, of the right kind and topic: without its rule it would be silent."""
    history, kind, topic = TROUBLES[name]
    [trouble] = _troubles(history)
    assert (trouble.kind, trouble.topic, trouble.key) == (kind, topic, "k")


def test_the_lease_of_a_worker_that_died_in_the_job_may_have_run_out() -> None:
    """Two workers run the job at once, and the topic is the fence: a lease had to run out."""
    history = (*CRASHED, *TWO_LATE)
    [trouble] = _troubles(history, attempts_max=None)
    assert (trouble.kind, trouble.topic) == (Kind.AT_ONCE, Topic.FENCED)


@pytest.mark.parametrize("name", SILENT)
def test_a_history_that_is_almost_a_trouble_is_none(name: str) -> None:
    """What the model cannot know, and what the queue may do, is no trouble."""
    assert _troubles(SILENT[name]) == ()


TEXTS = {
    "a second worker, before a lease can have run out": (
        "B runs k while A runs it, and the lease has not run out"
    ),
    "again, although it is done": "B runs k again, although its success was recorded",
    "a third time, after two errors": "k runs for the 3. time; at most 2 are allowed",
    "gone before it was started": "k is gone and was never started",
    "gone with its worker": "k was started and is gone",
    "waits after it was started": "k is waiting for ever, after 1 executions",
    "waits, and was never started": "k waits for ever",
    "failed, although it returned": (
        "k is recorded as failed, although it returned in time and never raised an error"
    ),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_trouble_says_what_happened(name: str) -> None:
    """A reader knows the job, the workers and the reason."""
    [trouble] = _troubles(TROUBLES[name][0])
    assert trouble.text == TEXTS[name]


def test_a_worker_that_died_is_said_to_have() -> None:
    """On one line, with its error."""
    deliveries = Deliveries(attempts_max=2, lease_seconds=60, takes_ahead=False)
    assert deliveries.died("A", "ValueError:\n  no").text == "A died: ValueError: no"


def test_nothing_is_settled_while_a_job_waits_or_runs() -> None:
    """A job that is done, failed or forgotten has settled."""
    deliveries = Deliveries(attempts_max=2, lease_seconds=60, takes_ahead=False)
    assert deliveries.settled({"k": DONE, "l": FAILED})
    assert deliveries.settled({})
    assert not deliveries.settled({"k": DONE, "l": WAITING})
    assert not deliveries.settled({"k": DONE, "l": RUNNING})


def test_each_crash_counts() -> None:
    """After an error and two crashes a queue with three attempts may have given the job up; not before."""
    crashed = (*RAISED, _started("A", 2), _killed("A"))
    assert [one.kind for one in _troubles((*crashed, _at_end()), attempts_max=3)] == [Kind.LOST]
    twice = (*crashed, _started("B", 4), _killed("B"), _at_end())
    assert _troubles(twice, attempts_max=3) == ()


def test_without_a_maximum_an_error_may_end_a_job() -> None:
    """The queue may forget a job that raised; one that crashed it may not; and none runs too often."""
    assert _troubles((*RAISED, _at_end()), attempts_max=None) == ()
    assert [one.kind for one in _troubles((*CRASHED, _at_end()), attempts_max=None)] == [Kind.LOST]
    assert _troubles((*TWICE, _started("A", 4)), attempts_max=None) == ()


def test_a_process_that_takes_ahead_may_hold_its_lease_for_longer() -> None:
    """Its next job may have been taken when the last one began, so its lease may have run out sooner."""
    history = (
        *RAISED[:-1],
        _ended("A", LEASE_MS - 1, raised=True),
        _started("A", LEASE_MS - 1),
        _started("B", LEASE_MS),
    )
    assert [one.kind for one in _troubles(history, attempts_max=None)] == [Kind.AT_ONCE]
    assert _troubles(history, attempts_max=None, takes_ahead=True) == ()


def test_a_process_that_takes_ahead_has_recorded_its_jobs_when_it_is_at_rest() -> None:
    """Another thread may take its next job before the success of the last one is recorded."""
    next_job = (_offered("l"), _accepted("l"), _started("A", 2, "l"))
    began = (*RAN, *next_job, _at_end(k=FAILED, l=RUNNING))
    kinds = [one.kind for one in _troubles(began)]
    assert kinds == [Kind.FAILED, Kind.STUCK]
    assert [one.kind for one in _troubles(began, takes_ahead=True)] == [Kind.STUCK]
    rested = (*RAN, *next_job, _ended("A", 3, "l"), _free("A", 4), _at_end(k=FAILED, l=FAILED))
    assert [one.key for one in _troubles(rested, takes_ahead=True)] == ["k", "l"]
