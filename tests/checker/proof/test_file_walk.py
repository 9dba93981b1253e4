"""A file is created, or brought up from an older schema, while a second process opens and uses it.

Every interleaving of their statements is walked, with a crash of either at each boundary. Nothing else in the
checker sees the breakages here: everywhere else the queue is there when a run begins.
"""

import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.proof.file_walk import FileWalk, WalkResult, walk
from failure_modes.checker.simulation.file_process import Connect, FileProgram
from failure_modes.checker.support import temporary
from system.clock import ManualClock
from system.queue import Queue
from system.sqlite import SQLiteStore
from system.store import StoreError
from tests.checker.proof.broken_openings import (
    ChecksTheVersionBefore,
    MarksFirst,
    TrustsTheFirstLook,
    UsesNoTransaction,
)
from tests.system.databases import SQLite
from tests.system.old_queues import COLUMNS, catalogue, old_sqlite

NOW = 40_000
NEWER = 4
REFUSED = "refused"
Store = Callable[..., SQLiteStore]
Programs = Callable[[Store, Path], Mapping[str, FileProgram]]


def opens(store: Store, path: Path, key: str) -> FileProgram:
    """Open the file, or create it, and enqueue a job."""

    def program(connect: Connect) -> object:
        opened = store(path, clock=ManualClock(NOW), create=True, connect=connect, tokens=lambda: "token")
        Queue(store=opened).enqueue(key, key=key)
        return key

    return program


def enqueues_as_before(path: Path, key: str) -> FileProgram:
    """A program of the older version, which has checked the version before: it enqueues a job."""

    def program(connect: Connect) -> object:
        connection = connect(f"file:{path}?mode=rw")
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.execute(
                "INSERT INTO jobs (key, payload, attempts_max, enqueued_at, available_at)"
                f" VALUES ('{key}', '\"{key}\"', 3, {NOW}, {NOW})"
            )
        except sqlite3.IntegrityError:
            connection.execute("ROLLBACK")
            return REFUSED
        connection.execute("COMMIT")
        return key

    return program


def brings_up_further(path: Path) -> FileProgram:
    """A program of a newer version: it brings the file up to its own schema."""

    def program(connect: Connect) -> object:
        connection = connect(f"file:{path}?mode=rw")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE jobs SET payload = '\"newer\"'")
        connection.execute(f"PRAGMA user_version = {NEWER}")
        connection.execute("COMMIT")
        return "newer"

    return program


def two_open(store: Store, path: Path) -> Mapping[str, FileProgram]:
    """Two processes of this version."""
    return {"A": opens(store, path, "a"), "B": opens(store, path, "b")}


def one_is_older(store: Store, path: Path) -> Mapping[str, FileProgram]:
    """A process of this version, and one of the older version."""
    return {"A": opens(store, path, "a"), "older": enqueues_as_before(path, "b")}


def one_is_newer(store: Store, path: Path) -> Mapping[str, FileProgram]:
    """A process of this version, and one of a newer version."""
    return {"A": opens(store, path, "a"), "newer": brings_up_further(path)}


@cache
def template(version: int | None) -> Path:
    """A file of that version; None for one of this version."""
    path = temporary.own() / f"walk-{version}.db"
    if version is None:
        SQLiteStore(path, clock=ManualClock(NOW), create=True).close()
    else:
        old_sqlite(path, version)
    return path


def schema(path: Path) -> list[list[tuple[Any, ...]]]:
    """The schema, without the journal mode: WAL mode is set before a file is created."""
    return catalogue(SQLite(path))[:3]


@cache
def whole_schemas(version: int | None) -> tuple[list[list[tuple[Any, ...]]], ...]:
    """The schemas that a file may have after a commit: that of before, and that of this version."""
    nothing: list[list[tuple[Any, ...]]] = [[], [(0,)], [(0,)]]
    return (nothing if version is None else schema(template(version)), schema(template(None)))


def rows_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """What the columns of the older versions hold."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT {columns} FROM {table} ORDER BY id").fetchall()
            for table, columns in COLUMNS.items()
        }


def judge_change(version: int | None, path: Path) -> str | None:
    """No commit may leave the file between two schemas."""
    if schema(path) in whole_schemas(version):
        return None
    return "the schema is neither the one of before nor the one of this version"


def judge_end(version: int | None, path: Path, answers: Mapping[str, object]) -> str | None:
    """Every row of before is there, and the job of each process that was told so, once; nothing else is."""
    wrong = [f"{name}: {answer}" for name, answer in answers.items() if isinstance(answer, Exception)]
    try:
        SQLiteStore(path, clock=ManualClock(NOW), create=True).close()
    except StoreError as error:
        wrong.append(str(error))
    if wrong:
        return "; ".join(wrong)
    if schema(path) != schema(template(None)):
        return "the schema is not that of this version"
    before = {table: [] for table in COLUMNS} if version is None else rows_of(template(version))
    now = rows_of(path)
    for table, rows in before.items():
        if now[table][: len(rows)] != rows:
            return f"{table}: a row of before is gone or changed"
    with closing(sqlite3.connect(path)) as connection:
        if connection.execute("SELECT 1 FROM jobs WHERE id > 57 AND key = 'a' AND token = ''").fetchall():
            return "the job of a process of this version has no token"
    added = sorted([row[1] for row in now["jobs"][len(before["jobs"]) :]])
    told = sorted([str(answer) for answer in answers.values() if answer in ("a", "b")])
    possible = sorted({*told, *[key for key, name in (("a", "A"), ("b", "B")) if answers.get(name) is None]})
    unknown = [key for key in added if key not in possible and answers.get("older") is not None]
    if unknown or [key for key in told if added.count(key) != 1] or len(set(added)) != len(added):
        return f"jobs {', '.join(added)} were added, and {', '.join(told)} were acknowledged"
    return None


def judge_newer(path: Path, answers: Mapping[str, object]) -> str | None:
    """A process of this version changes nothing once the file is of a newer version."""
    with closing(sqlite3.connect(path)) as connection:
        version = connection.execute("PRAGMA user_version").fetchall()[0][0]
        payloads = [payload for (payload,) in connection.execute("SELECT payload FROM jobs").fetchall()]
    if version == NEWER and payloads not in ([], ['"newer"']):
        return "a process of this version worked on the newer schema"
    answer = answers["A"]
    refused = isinstance(answer, StoreError) and f"schema version {NEWER}" in str(answer)
    return None if refused or answer in ("a", None) else f"A: {answer}"


def walked(programs: Programs, version: int | None, store: Store) -> WalkResult:
    """Walk from a file of that version; None: from no file. A newer program finds a file of this version."""
    newer = programs is one_is_newer

    def prepare(path: Path) -> None:
        if newer or version is not None:
            shutil.copyfile(template(version), path)

    spec = FileWalk(
        prepare=prepare,
        programs=partial(programs, store),
        judge_change=(lambda _: None) if newer else partial(judge_change, version),
        judge_end=judge_newer if newer else partial(judge_end, version),
    )
    return walk(spec, temporary.own())


GUARDED = (
    pytest.param(two_open, None, (1776, 60), id="two create"),
    pytest.param(two_open, 2, (1028, 20), id="two upgrade"),
    pytest.param(one_is_older, 1, (296, 6), id="one is older"),
    pytest.param(one_is_newer, None, (78, 6), id="one is newer"),
)


@pytest.mark.parametrize(("programs", "version", "counts"), GUARDED)
def test_every_interleaving_leaves_a_whole_queue(
    programs: Programs, version: int | None, counts: tuple[int, int]
) -> None:
    """Two processes, a crash of either at any boundary: the walk is complete, and nothing is wrong."""
    result = walked(programs, version, SQLiteStore)
    assert (result.wrong, (result.states, result.endings)) == (None, counts)


def test_an_older_program_enqueues_before_the_upgrade_and_is_refused_after_it() -> None:
    """Both happen in the walk."""
    answered = set[object]()

    def judge(_: Path, answers: Mapping[str, object]) -> None:
        answered.add(answers["older"])

    spec = FileWalk(
        prepare=partial(shutil.copyfile, template(2)),
        programs=partial(one_is_older, SQLiteStore),
        judge_change=lambda _: None,
        judge_end=judge,
        crashes=0,
    )
    assert walk(spec, temporary.own()).wrong is None
    assert answered == {"b", REFUSED}


BROKEN = (
    pytest.param(two_open, None, UsesNoTransaction, "neither", id="a creation without a transaction"),
    pytest.param(two_open, 2, UsesNoTransaction, "neither", id="an upgrade without a transaction"),
    pytest.param(two_open, None, MarksFirst, "neither", id="a file that is marked too early"),
    pytest.param(two_open, 2, TrustsTheFirstLook, "", id="a version that is read before the lock"),
    pytest.param(one_is_newer, None, ChecksTheVersionBefore, "newer schema", id="a check before the lock"),
)


@pytest.mark.parametrize(("programs", "version", "store", "wrong"), BROKEN)
def test_the_walk_finds(programs: Programs, version: int | None, store: Store, wrong: str) -> None:
    """A breakage of what comes before the first operation is found, and its moves find it again."""
    result = walked(programs, version, store)
    assert result.wrong is not None
    assert wrong in result.wrong
    assert result.moves
