"""The halves of the judgement of disk images: what an image may hold, and how its recovery is judged.

The images are recorded input: only the content of each is given, and no disk is watched.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.real import power
from failure_modes.checker.real.power import STORE, check_images
from failure_modes.checker.simulation.content import Content
from failure_modes.checker.simulation.disk.operations import Sync
from system.clock import ManualClock
from system.policies import Policies
from system.queue import Queue
from system.sqlite import SQLiteStore
from tests.system.files import run as run_sql

FIRST, SECOND, THIRD, OTHER = [(("jobs", ((number, "k"),)),) for number in range(4)]
COMMITS = ((0, FIRST), (2, SECOND), (4, THIRD))
"""After so many file operations each content was acknowledged."""

IMAGES: dict[str, tuple[int, Content | None, tuple[int, int], str]] = {
    "the last acknowledged commit": (2, SECOND, (0, 0), ""),
    "the commit in progress": (2, THIRD, (0, 0), ""),
    "the first content, before any commit": (0, FIRST, (0, 0), ""),
    "an older commit": (4, SECOND, (1, 0), "commit 1 of 2 acknowledged"),
    "a commit that is acknowledged now": (2, FIRST, (1, 0), "commit 0 of 1 acknowledged"),
    "a commit that has not begun": (1, THIRD, (0, 1), "commit 2 of 0 acknowledged"),
    "the content after no commit": (4, OTHER, (0, 1), "commit unknown of 2 acknowledged"),
    "no database": (4, None, (0, 1), "file is not a database"),
}
"""After how many operations power fails; the content; images that are lost and corrupt; the problem."""


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_is_judged_by_its_content(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds the last acknowledged commit or the one in progress; or it has lost one, or is corrupt."""
    at, content, judged, problem = IMAGES[name]
    run: Any = vars(power)["_Run"](first=None, operations=(Sync(""),) * 4, commits=COMMITS)
    found = vars(power)["_ImageContent"](content, problem if content is None else "")
    monkeypatch.setattr(power, "_recorded", lambda *_: run)
    monkeypatch.setattr(power, "_images", lambda *_: [(at, True, "some writes", {})])
    monkeypatch.setattr(vars(power)["_ImageChecker"], "found", lambda *_: found)
    report = check_images(STORE, 1)
    assert (report.lost, report.corrupt) == judged
    assert report.first_problem.endswith(problem)
    assert bool(report.first_problem) is any(judged)
    assert (report.commits, report.checkpoints, report.images, report.at_risk) == (2, 4, 1, 1)


def _left(path: Path) -> None:
    """A database with a job that succeeded, and one whose worker died."""
    with closing(SQLiteStore(path, clock=ManualClock(), create=True)) as store:
        queue = Queue(store=store, policies=Policies())
        for key in ("k1", "k2"):
            queue.enqueue(key, key=key)
            lease = queue.lease("A")
            assert lease is not None
            assert queue.start(lease.execution)
            if key == "k1":
                assert queue.commit(lease.execution, key)
                assert queue.finish(lease.execution)


RECOVERED = {
    "a whole database": ("SELECT 1", None),
    "two effects of a job": (
        "DROP INDEX effects_one_a_job;"
        " INSERT INTO effects SELECT id + 1, job_id, execution_id, value FROM effects",
        "INV_001",
    ),
    "a job that nothing ends": (
        "UPDATE jobs SET available_at = NULL; UPDATE executions SET status = 'ABORTED' WHERE job_id = 2",
        "INV_004",
    ),
    "a job that was given up in silence": (
        "UPDATE jobs SET available_at = NULL, attempts_max = 1;"
        " UPDATE executions SET status = 'ABORTED' WHERE job_id = 2",
        "INV_005",
    ),
}


@pytest.mark.parametrize("name", RECOVERED)
def test_a_recovered_database_is_judged(name: str, tmp_path: Path) -> None:
    """By the invariants on a commit and by those at the end."""
    statements, invariant = RECOVERED[name]
    path = tmp_path / "queue.db"
    _left(path)
    run_sql(path, statements)
    violation = vars(power)["_recover_and_judge"](path)
    assert (violation and violation.partition(":")[0]) == invariant
