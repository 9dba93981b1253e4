"""A queue from Python: opened by name, worked on, and asked for its jobs."""

import re
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import system
from system.policies import Retry
from tests.system.databases import Database, PostgreSQL

ROOT = Path(__file__).parents[2]


def address(database: Database) -> str:
    """What `system.open` is given."""
    return database.dsn if isinstance(database, PostgreSQL) else database.named


@pytest.fixture
def queue(database: Database, folder: Path) -> system.OpenQueue:
    """A queue in each database, opened by its name."""
    del folder
    opened = system.open(address(database), create=True)
    assert isinstance(opened, system.OpenQueue)
    return opened


def add(job: system.Job, context: system.Context) -> None:
    """Write the sum of the payload."""
    context.write(sum(job.payload))


def do_nothing(job: system.Job, context: system.Context) -> None:
    """Write no effect."""
    del job, context


def fail(job: system.Job, context: system.Context) -> None:
    """Fail."""
    del context
    raise ValueError(f"no {job.payload}")


@pytest.mark.parametrize("document", ["README.md", "docs/queue.md"])
def test_the_program_in_the_documents_runs_as_printed(document: str, tmp_path: Path) -> None:
    """It prints the result of its job; run again it finds the job done."""
    text = (ROOT / document).read_text(encoding="utf-8")
    [program] = re.findall(r"```python\n(import system\n.*?)```", text, re.DOTALL)
    assert len(program.splitlines()) <= 15
    (tmp_path / "program.py").write_text(program)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-W", "error", "program.py"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "{'charged': 5}\n"


def test_a_file_is_made_and_one_that_must_be_there_is_not(tmp_path: Path) -> None:
    """`create=False` makes none."""
    with pytest.raises(system.StoreError, match="no such file"):
        system.open(tmp_path / "queue.db", create=False)
    with system.open(tmp_path / "queue.db") as queue:
        assert queue.store.jobs() == ()
    with pytest.raises(system.StoreError, match="closed"):
        queue.enqueue(1)


def test_a_job_is_followed_from_its_id(queue: system.OpenQueue) -> None:
    """State, result and history, before and after its work."""
    with queue:
        job = queue.enqueue([2, 3], key="order-1")
        assert queue.state(job.id) is system.JobState.PENDING
        with pytest.raises(system.NoResult, match=f"job {job.id} is PENDING"):
            queue.result(job.id)
        lease = queue.lease("A")
        assert lease is not None
        assert queue.state(job.id) is system.JobState.RUNNING
        assert queue.start(lease.execution)
        assert queue.fail(lease.execution, detail="later")
        assert queue.job(job.id).why == "later"
        assert queue.job(job.id).attempts == 1
        events = [row.event for row in queue.history(job.id)]
        assert events == ["enqueued", "leased", "started", "failed"]


def test_work_gives_results(queue: system.OpenQueue) -> None:
    """`work` drains the queue; an effect that is null is a result, too."""
    with queue:
        first, second = queue.enqueue([2, 3]), queue.enqueue([])
        queue.work(add, drain=True)
        assert [queue.result(job.id) for job in (first, second)] == [5, 0]
        silent = queue.enqueue(None)
        queue.work(do_nothing, drain=True)
        assert queue.result(silent.id) is None
        assert queue.state(silent.id) is system.JobState.SUCCEEDED


def test_a_limit_of_work_is_refused_by_its_name(queue: system.OpenQueue) -> None:
    """Each time that `work` takes is one that its worker uses: what cannot be a time is refused."""
    limits = ("poll_seconds", "handler_seconds", "grace_seconds", "reconcile_seconds")
    with queue:
        for limit in limits:
            times: dict[str, float] = {limit: -1.0}
            with pytest.raises(ValueError, match=limit):
                queue.work(add, drain=True, **times)  # type: ignore[arg-type]


def test_failed_jobs_are_listed_with_their_reason(database: Database, folder: Path) -> None:
    """The latest first, as many as asked; the result of one says why there is none."""
    del folder
    policies = system.Policies(retry=Retry(attempts_max=1))
    with system.open(address(database), create=True, policies=policies) as queue:
        jobs = [queue.enqueue(number) for number in range(3)]
        queue.work(fail, drain=True)
        assert [found.job.id for found in queue.failed()] == [job.id for job in reversed(jobs)]
        assert [found.why for found in queue.failed(limit=1)] == ["ValueError: no 2"]
        with pytest.raises(system.NoResult, match="is FAILED, and has no result: ValueError: no 0"):
            queue.result(jobs[0].id)


def test_a_key_that_is_used_again_is_told(queue: system.OpenQueue) -> None:
    """With the same payload nothing is said; with another one a warning names the job that has the key."""
    with queue:
        job = queue.enqueue({"a": 1}, key="k")
        assert queue.enqueue({"a": 1}, key="k") == job
        with pytest.warns(system.KeyReused, match=f"job {job.id} has this key, 'k', and another payload"):
            assert queue.enqueue({"a": 2}, key="k") == job
        assert queue.accept({"a": 2}, key="k").same_payload is False
        assert len(queue.store.jobs()) == 1


def test_an_unknown_job_is_an_error(queue: system.OpenQueue) -> None:
    """Each question about it raises NoSuchJob."""
    with queue:
        for ask in (queue.job, queue.state, queue.result, queue.history):
            with pytest.raises(system.NoSuchJob, match="there is no job 7"):
                ask(7)


def test_any_thread_may_ask(queue: system.OpenQueue) -> None:
    """A job that one thread has enqueued is worked on in a second and read in a third."""
    with queue:
        answers: list[object] = []
        for step in (
            lambda: answers.append(queue.enqueue([1, 2]).id),
            lambda: queue.work(add, drain=True),
            lambda: answers.append(queue.result(answers[0])),  # type: ignore[arg-type]
        ):
            thread = threading.Thread(target=step)
            thread.start()
            thread.join()
        assert answers[1:] == [3]
