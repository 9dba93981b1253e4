"""The command line on a queue of an older version: each command works, or says which one helps."""

import json
import os
from pathlib import Path

import pytest

from tests.system.commands import fine, refused
from tests.system.databases import PostgreSQL, SQLite
from tests.system.old_queues import NEXT_ID, OldQueue, old_postgresql, old_sqlite
from tests.system.processes import HANDLERS

COMMANDS = (
    ("status",),
    ("audit", "1"),
    ("reconcile",),
    ("enqueue", "1"),
    ("work", "handlers:echo", "--drain"),
)


@pytest.fixture(params=["sqlite 1", "sqlite 2", "postgresql 1"])
def old(request: pytest.FixtureRequest, path: Path, monkeypatch: pytest.MonkeyPatch) -> OldQueue:
    """Each old queue there is, as the database that commands use."""
    kind, version = request.param.split()
    old = (
        old_sqlite(path, int(version))
        if kind == "sqlite"
        else old_postgresql(request.getfixturevalue("postgresql_dsn"))
    )
    monkeypatch.chdir(path.parent)
    monkeypatch.syspath_prepend(path.parent)
    path.with_name("handlers.py").write_text(HANDLERS)
    monkeypatch.setenv(
        "QUEUE_DB", old.database.dsn if isinstance(old.database, PostgreSQL) else old.database.named
    )
    return old


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_brings_a_file_up_and_names_init_for_a_database(
    old: OldQueue, command: tuple[str, ...]
) -> None:
    """A file needs nothing more; a database of a server is left as it is until `init` has run, once."""
    if isinstance(old.database, PostgreSQL):
        before = old.whole()
        assert refused(*command) == (
            f"error: {old.database.shown}: schema version 1, and this program knows 2: "
            "`python -m system init` brings it up to that"
        )
        assert old.whole() == before
        fine("init")
    fine(*command)
    fine("init")
    assert old.database.sound()


def test_init_says_which_upgrade_it_made(old: OldQueue) -> None:
    """The version that was there and the one that is there now; a second `init` upgrades nothing."""
    queue = os.environ["QUEUE_DB"] if isinstance(old.database, SQLite) else old.database.shown
    assert fine("init") == f"{queue}: upgraded from schema version {old.version} to {old.wanted}\n"
    assert fine("init") == f"{queue}: a queue is there already\n"


def test_an_old_queue_is_worked_off_by_the_commands(old: OldQueue) -> None:
    """What it says of the jobs before, what is done, what it says after; history from before is shown."""
    fine("init")
    before = json.loads(fine("status", "--json"))
    assert [before[name] for name in ("pending", "running", "succeeded", "failed")] == [5, 4, 1, 1]
    assert (before["abandoned"], before["duplicates_refused"]) == (4, 2)
    assert "postponed" in fine("audit", "8")
    assert fine("enqueue", '"new"') == f"{NEXT_ID}\n"
    fine("reconcile")
    fine("work", "handlers:echo", "--drain", "--name", "new")
    after = json.loads(fine("status", "--json"))
    assert [after[name] for name in ("pending", "running", "succeeded", "failed")] == [0, 0, 11, 1]
    assert fine("audit", "12").splitlines()[-1].split()[-3:] == ["COMMITTED", "->", "DONE"]
    assert old.database.rows("SELECT value FROM effects WHERE job_id = 3") == [('"leased"',)]
