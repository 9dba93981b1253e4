"""The handlers that run: two threads of a process may be in one job."""

from failure_modes.checker.oracle.handlers import Handlers
from failure_modes.checker.simulation.foreign import Arrival, Where

IN_JOB = Arrival(where=Where.HANDLER, label="HANDLE#1", key="job-1")
SECOND = "thread 2 of A"


def test_the_second_thread_in_a_job_has_its_own_name() -> None:
    """Its end and its death are its own; another job or process has nothing to do with it."""
    handlers = Handlers()
    assert [handlers.began("A", "job-1") for _ in range(2)] == ["A", SECOND]
    assert (handlers.began("A", "job-2"), handlers.began("B", "job-1")) == ("A", "B")
    assert [handlers.ended("A", "job-1"), handlers.ended("A", "job-1")] == [SECOND, "A"]
    assert list(handlers.killed("A")) == ["A", SECOND]
    assert list(handlers.killed("A")) == ["A"]
    assert handlers.began("A", "job-1") == "A"


def test_a_job_fails_once_where_it_runs() -> None:
    """Only the process that goes on inside this job raises the error."""
    handlers = Handlers()
    handlers.let_fail("job-1")
    assert not handlers.may_fail("job-1")
    assert not handlers.fails(Arrival(where=Where.HANDLER, key="job-2"))
    assert not handlers.fails(Arrival(where=Where.BOUNDARY, key="job-1"))
    assert handlers.fails(IN_JOB)
    assert not handlers.fails(IN_JOB)
