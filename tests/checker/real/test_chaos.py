"""The chaos run: the faults that it injects, and the defects that its audit reports."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.real.chaos import run
from failure_modes.checker.real.chaos_audit import AuditReport, audit_report
from failure_modes.checker.real.chaos_process import ProcessConfiguration, build, read_log
from failure_modes.checker.real.database_location import DatabaseLocation
from failure_modes.checker.real.new_location import new_location
from failure_modes.checker.real.running_processes import Plan
from failure_modes.checker.subject.worlds import NoWorld
from system.clock import SystemClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from tests.checker.commands import invoke
from tests.conftest import not_at_hand
from tests.system.files import run as run_sql

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server


def _configuration(folder: Path, db: str) -> ProcessConfiguration:
    return ProcessConfiguration(
        role="worker",
        name="worker1",
        folder=str(folder),
        db=db,
        seed="0",
        lease_seconds=30,
        jobs_a_second=1,
        fault=None,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a run of two jobs leaves: one that succeeded, one that failed its only attempts."""
    path = tmp_path / "queue.db"
    store = SQLiteStore(path, clock=SystemClock(), create=True)
    queue = build(_configuration(tmp_path, str(path)), store)
    assert type(queue) is Queue
    said: list[list[object]] = []
    for key in ("p-0", "p-1"):
        job = queue.enqueue(key, key=key)
        said += [["asked", key], ["accepted", key, job.id]]
        while lease := queue.lease("worker1"):
            said.append(["ran", key, lease.execution.attempt])
            assert queue.start(lease.execution)
            if key == "p-1":
                assert queue.fail(lease.execution, detail="as it happens")
                run_sql(path, f"UPDATE jobs SET available_at = 0 WHERE id = {job.id} AND available_at > 0")
            else:
                assert queue.commit(lease.execution, key)
                said.append(["committed", lease.execution.id])
                assert queue.finish(lease.execution)
    store.close()
    lines = [json.dumps(words) for words in said]
    (tmp_path / "worker1.log").write_text("\n".join([*lines, '["ran", "p-']))  # killed in the midst of a line
    return tmp_path


def _audited(folder: Path, *died: str, settled: bool = True) -> AuditReport:
    with closing(SQLiteStore(folder / "queue.db", clock=SystemClock())) as store:
        return audit_report(store, folder, Counter(), died=[*died], settled=settled)


def test_an_audit_without_defects(folder: Path) -> None:
    """One job succeeded and one failed; nothing is wrong."""
    report = _audited(folder)
    assert report.clean
    assert (report.jobs, report.accepted, report.succeeded, report.failed) == (2, 2, 1, 1)
    assert report.audit["failed"] == 5


def _sql(statement: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        run_sql(folder / "queue.db", statement)

    return tamper


def _log(words: str) -> Callable[[Path], None]:
    def tamper(folder: Path) -> None:
        (folder / "producer1.log").write_text(words + "\n")

    return tamper


WRONG = {
    "an accepted job whose row is gone": (_sql("DELETE FROM jobs WHERE id = 1"), "lost"),
    "an accepted job that has another number": (_log('["accepted", "p-0", 77]'), "lost"),
    "two commits of one job": (
        _sql(
            "DROP INDEX executions_one_a_job;"
            " INSERT INTO executions SELECT id + 50, job_id, attempt, worker, status, lease_expires_at, token"
            " FROM executions WHERE status = 'DONE'"
        ),
        "duplicated",
    ),
    "a commit that was answered and is not there": (_log('["committed", 99]'), "lost"),
    "an effect of an execution that failed": (_sql("UPDATE effects SET execution_id = 3"), "inconsistent"),
    "an effect of another job's execution": (_sql("UPDATE effects SET execution_id = 2"), "inconsistent"),
    "an accepted job that is gone": (_log('["accepted", "p-9", 9]'), "lost"),
    "a success without an effect": (_sql("DELETE FROM effects"), "lost"),
    "two effects": (
        _sql(
            "DROP INDEX effects_one_a_job;"
            " INSERT INTO effects SELECT id + 1, job_id, execution_id, value FROM effects"
        ),
        "duplicated",
    ),
    "a job that is not done": (
        _sql("UPDATE executions SET status = 'COMMITTED' WHERE status = 'DONE'"),
        "stuck",
    ),
    "an effect of another value": (_sql("UPDATE effects SET value = '\"p-1\"'"), "inconsistent"),
    "an effect nobody worked for": (_sql("UPDATE effects SET value = '\"p-7\"'"), "inconsistent"),
    "a job nobody asked for": (_sql("UPDATE jobs SET key = 'q' WHERE id = 2"), "inconsistent"),
    "a failure in silence": (_sql("DELETE FROM audit WHERE event = 'buried'"), "inconsistent"),
}


@pytest.mark.parametrize("name", WRONG)
def test_an_audit_with_a_defect(folder: Path, name: str) -> None:
    """Each kind of defect is reported under its name."""
    tamper, kind = WRONG[name]
    tamper(folder)
    report = _audited(folder)
    assert not report.clean
    assert getattr(report, kind)


def test_a_line_that_was_cut_short_is_left_out(tmp_path: Path) -> None:
    """Its process died in the midst of it; the next one of that name begins on a line of its own."""
    log = tmp_path / "producer1.log"
    log.write_text('["asked", "p-0"]\n["accep\n["accepted", "p-0", 1]\n\n["asked", "p-1"]\n["ac')
    assert read_log(log) == [["asked", "p-0"], ["accepted", "p-0", 1], ["asked", "p-1"]]


def test_a_process_that_ended_and_a_job_that_is_left_are_reported(folder: Path) -> None:
    """A process that ended by itself, and a job that has not ended, are in the audit report."""
    report = _audited(folder, "worker1 ended by itself", settled=False)
    assert report.died == ("worker1 ended by itself",)
    assert report.inconsistent == ("a job is still pending or running after the time limit",)
    assert not report.clean


@pytest.fixture(params=list(StoreKind))
def location(request: pytest.FixtureRequest, tmp_path: Path) -> DatabaseLocation:
    """Each location that a run can have; a server is one that nobody else uses."""
    try:
        return new_location(request.param, tmp_path)
    except NoWorld as error:
        not_at_hand(f"PostgreSQL: {error}")


def test_a_short_run_injects_each_fault_and_holds(location: DatabaseLocation, tmp_path: Path) -> None:
    """In some seconds each possible fault is injected, all jobs end, and the audit finds no defect."""
    report = run(Plan(folder=tmp_path, location=location, seconds=6, seed=1), lambda _: None)
    assert report.clean, (report.lost, report.duplicated, report.stuck, report.inconsistent, report.died)
    fell = (
        {"kills", "stops"}
        | ({"cuts"} if location.cut else set())
        | ({"restarts"} if location.restart else set())
    )
    assert {kind for kind, count in report.injected.items() if count} >= fell
    assert report.succeeded + report.failed == report.jobs > 0
    assert not (tmp_path / "audit.jsonl").exists()


def test_a_fault_is_noticed_and_the_history_is_kept(location: DatabaseLocation, tmp_path: Path) -> None:
    """Leases run out under the handler, and nothing admits one commit only: jobs have two effects."""
    fault = f"failure_modes.{failure_mode('FM_001').folder.name}.scenario"
    plan = Plan(
        folder=tmp_path,
        location=location,
        seconds=1,
        seed=1,
        lease_seconds=0.02,
        fault=fault,
        constraints=False,
    )
    report = run(plan, lambda _: None)
    assert report.duplicated
    assert not report.died
    effects = [json.loads(line) for line in (tmp_path / "effects.jsonl").read_text().splitlines()]
    assert len(effects) > len({effect["job_id"] for effect in effects})
    assert (tmp_path / "server.txt").exists() is (location.log is not None)


def test_a_server_of_others_is_not_restarted(postgresql_server: "Server", tmp_path: Path) -> None:
    """Connections to it are cut; that it was not restarted is said."""
    told = subprocess.run(
        [sys.executable, "-m", "failure_modes", "chaos", "--store", "postgresql", "--minutes", "0.05"],
        env={**os.environ, "QUEUE_TEST_POSTGRESQL": postgresql_server.dsn, "TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert told.returncode in (0, 3), told
    injected, server = told.stdout.splitlines()[:2]
    assert re.search(r" [1-9]\d* cuts, 0 restarts", injected)
    assert server.endswith("named by QUEUE_TEST_POSTGRESQL, which cannot be restarted from here")


def test_an_address_is_not_repeated() -> None:
    """It may hold a password."""
    location = DatabaseLocation(db="postgresql://user:secret@host/queue")
    assert "secret" not in repr(location)
    assert "secret" not in repr(Plan(folder=Path(), location=location, seconds=1, seed=0))
    assert "secret" not in repr(_configuration(Path(), location.db))


def test_no_process_outlives_the_run(tmp_path: Path) -> None:
    """Whoever started them is killed, and cannot clean up: they end all the same."""
    begun = subprocess.Popen(
        [sys.executable, "-m", "failure_modes", "chaos", "--minutes", "5"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _eventually(lambda: len(_children(begun.pid)) >= 6)
        children = _children(begun.pid)
    finally:
        begun.kill()
        begun.wait()
    _eventually(lambda: not any(_runs(child) for child in children))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _eventually(happens: Callable[[], bool]) -> None:
    for _ in range(600):
        if happens():
            return
        SystemClock().sleep(0.05)
    raise AssertionError("it did not happen in 30 s")


@pytest.mark.parametrize(
    "wrong", [("--minutes", "0"), ("--minutes", "nan"), ("--seed", "-1"), ("--fault", "FM_999")]
)
def test_what_cannot_be_run_is_refused(wrong: tuple[str, str]) -> None:
    """No time at all, no seed, no failure mode."""
    assert invoke("chaos", *wrong).exit_code == 2
