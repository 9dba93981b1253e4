"""The command line on PostgreSQL: `init`, and what is refused, in one line and without a password."""

import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import quote

import psycopg
import pytest
from psycopg import conninfo

from system.postgresql import PostgreSQLStore, shown
from system.postgresql.schema import MARK, SCHEMA_VERSION, TABLES
from tests.system.commands import call, fine, refused
from tests.system.databases import Database, PostgreSQL

pytestmark = pytest.mark.usefixtures("folder")

COMMANDS = (
    ("init",),
    ("enqueue", "1"),
    ("work", "handlers:echo", "--drain"),
    ("reconcile",),
    ("status",),
    ("audit", "1"),
)
each_command = pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])


@pytest.fixture
def database(postgresql_dsn: str) -> Database:
    """A new database with nothing in it. QUEUE_DB names it."""
    return PostgreSQL(postgresql_dsn)


def run(dsn: str, *statements: str) -> None:
    """Change a database behind the store's back."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def tables(dsn: str) -> list[str]:
    """The tables of the database."""
    found = PostgreSQL(dsn).rows("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    return sorted(name for (name,) in found)


def test_init_makes_a_queue_once(postgresql_dsn: str) -> None:
    """It says whether it has; a second time it changes nothing, and a job that is there stays."""
    name = shown(postgresql_dsn)
    assert fine("init") == f"{name}: a new queue\n"
    assert tables(postgresql_dsn) == sorted([*TABLES, MARK])
    assert fine("enqueue", "1") == "1\n"
    assert fine("init") == f"{name}: a queue is there already\n"
    assert fine("status").split()[:2] == ["PENDING", "1"]


def test_both_spellings_of_an_address_are_taken(postgresql_dsn: str) -> None:
    """`postgres://` is what `postgresql://` is, after `--db` too."""
    other = postgresql_dsn.replace("postgresql://", "postgres://")
    assert fine("--db", other, "init") == f"{shown(postgresql_dsn)}: a new queue\n"
    assert fine("--db", other, "enqueue", "1") == "1\n"
    assert fine("status").split()[:2] == ["PENDING", "1"]


@pytest.mark.parametrize("command", COMMANDS[1:], ids=lambda command: command[0])
def test_a_database_without_a_queue_needs_init(command: tuple[str, ...], postgresql_dsn: str) -> None:
    """No other command creates one, not even `enqueue`; each says which one does."""
    why = "no queue in this database; `python -m system init` creates one"
    assert refused(*command) == f"error: {shown(postgresql_dsn)}: {why}"
    assert tables(postgresql_dsn) == []


@each_command
def test_another_version_is_left_alone(command: tuple[str, ...], postgresql_dsn: str) -> None:
    """No command touches a queue that a newer version of the program wrote."""
    fine("init")
    run(postgresql_dsn, f"UPDATE {MARK} SET version = 9")
    knows = f"schema version 9, and this program knows {SCHEMA_VERSION}"
    why = f"{knows}: use the version of the program that wrote it"
    assert refused(*command).startswith(f"error: {shown(postgresql_dsn)}: {why}")


@each_command
def test_a_table_of_somebody_else_is_left_alone(command: tuple[str, ...], postgresql_dsn: str) -> None:
    """A table `jobs` that is not a queue's stays as it is, and nothing comes beside it."""
    run(postgresql_dsn, "CREATE TABLE jobs (mine text)", "INSERT INTO jobs VALUES ('mine')")
    why = "has a table 'jobs' that is not a queue's; name another" if command == ("init",) else "no queue in"
    assert f"{shown(postgresql_dsn)}: {why}" in refused(*command)
    assert tables(postgresql_dsn) == ["jobs"]
    assert PostgreSQL(postgresql_dsn).rows("SELECT mine FROM jobs") == [("mine",)]


@each_command
def test_an_unknown_database_is_told(command: tuple[str, ...], postgresql_dsn: str) -> None:
    """The line names it, and not the user, where that is a plain name."""
    for name, seen in (("nowhere", "nowhere"), ("nowhere to be found", "...")):
        line = refused("--db", conninfo_url(postgresql_dsn, dbname=name), *command)
        assert line.endswith(f"/{seen}: the server has no such database")


def conninfo_url(dsn: str, **changed: str) -> str:
    """The address with parameters changed."""
    given = conninfo.conninfo_to_dict(dsn, **changed)
    return "postgresql:///?" + "&".join(
        f"{name}={quote(str(value), safe='')}" for name, value in given.items()
    )


@each_command
def test_an_encoding_that_cannot_keep_everything_is_refused(
    command: tuple[str, ...], postgresql_dsn: str
) -> None:
    """A database in LATIN1 is no place for a queue."""
    name = f"{conninfo.conninfo_to_dict(postgresql_dsn)['dbname']}_latin"
    run(postgresql_dsn, f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'")
    try:
        line = refused("--db", conninfo_url(postgresql_dsn, dbname=name), *command)
    finally:
        run(postgresql_dsn, f"DROP DATABASE {name}")
    assert line.endswith(f"/{name}: the encoding of the database must be UTF8")


@pytest.fixture
def reader(postgresql_dsn: str) -> Iterator[str]:
    """The address for a role that may look at the queue, and no more."""
    name = f"{conninfo.conninfo_to_dict(postgresql_dsn)['dbname']}_reader"
    fine("init")
    fine("enqueue", "1")
    run(
        postgresql_dsn,
        f"CREATE ROLE {name}",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {name}",
        "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
    )
    yield f"{postgresql_dsn}&options=-crole%3D{name}"
    run(postgresql_dsn, f"DROP OWNED BY {name}", f"DROP ROLE {name}")


def test_who_may_only_read_can_look(reader: str, postgresql_dsn: str) -> None:
    """`status`, `audit` and an `init` that has nothing to do work; what writes says that it may not."""
    assert fine("--db", reader, "status").split()[:2] == ["PENDING", "1"]
    assert "enqueued" in fine("--db", reader, "audit", "1")
    assert "a queue is there already" in fine("--db", reader, "init")
    for command in COMMANDS[1:4]:
        result = refused_after_notes("--db", reader, *command)
        assert result.startswith(f"error: {shown(postgresql_dsn)}: permission denied for table ")
    assert PostgreSQL(postgresql_dsn).rows("SELECT count(*) FROM audit") == [(1,)]


def test_who_may_read_and_write_rows_can_do_all_but_init(reader: str, postgresql_dsn: str) -> None:
    """Producers and workers need not be those who may create tables."""
    role = reader.rpartition("%3D")[2]
    run(postgresql_dsn, f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
    assert fine("--db", reader, "enqueue", "1", "--key", "k") == "2\n"
    fine("--db", reader, "work", "handlers:echo", "--drain")
    fine("--db", reader, "reconcile")
    assert fine("--db", reader, "status").splitlines()[2].split() == ["SUCCEEDED", "2"]
    with closing(PostgreSQLStore(reader)) as store, store.transaction() as tx:
        tx.add_retry(forget_until=tx.now + len(tx.retries()))
        tx.set_breaker(tx.breaker())


def refused_after_notes(*arguments: str) -> str:
    """The line of error of a command that may have said before that it begins."""
    result = call(*arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    *notes, line = result.stderr.splitlines()
    assert all(note.startswith("worker ") for note in notes)
    return line


def test_who_may_not_create_tables_is_told(reader: str, postgresql_dsn: str) -> None:
    """`init` in an empty schema ends in the server's words, and creates nothing."""
    run(postgresql_dsn, *[f"DROP TABLE {name} CASCADE" for name in (*TABLES, MARK)])
    assert "permission denied for schema public" in refused("--db", reader, "init")
    assert tables(postgresql_dsn) == []


def test_a_server_that_takes_no_writes_is_told(postgresql_dsn: str) -> None:
    """As a standby: what reads works, what writes says why it does not."""
    fine("init")
    standby = f"{postgresql_dsn}&options=-cdefault_transaction_read_only%3Don"
    assert fine("--db", standby, "status").split()[:2] == ["PENDING", "0"]
    line = refused("--db", standby, "enqueue", "1")
    assert line == f"error: {shown(postgresql_dsn)}: the server takes no writes: it may be a standby"


def test_a_lock_is_told_after_the_wait(postgresql_dsn: str) -> None:
    """Whoever locks a table holds up what needs it, for so long as was said."""
    fine("init")
    with psycopg.connect(postgresql_dsn) as other:
        other.execute("LOCK TABLE jobs")
        line = refused("--busy-seconds", "0", "enqueue", "1")
    why = "a lock was held by another transaction for more than 0 s; nothing happened, try again"
    assert line == f"error: {shown(postgresql_dsn)}: {why}"


# What needs no server.


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


@each_command
def test_a_server_that_cannot_be_reached_is_told(command: tuple[str, ...]) -> None:
    """The line names the server and the cause, and neither user nor password."""
    port = free_port()
    line = refused("--db", f"postgresql://me:hunter2@127.0.0.1:{port}/db", *command)
    assert line.startswith(f"error: postgresql://127.0.0.1:{port}/db: ")
    assert "refused" in line
    assert "hunter2" not in line


WITH_ENCRYPTION = (b"\x04\xd2\x16\x2f", b"\x04\xd2\x16\x30")
"""How a client begins that asks for TLS, or for GSS."""


@contextmanager
def guarded() -> Iterator[int]:
    """A port on which every password is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    client, _ = listening.accept()
                except OSError:
                    return
                with client:
                    while client.recv(4096)[4:8] in WITH_ENCRYPTION:
                        client.sendall(b"N")  # no
                    client.sendall(b"R\x00\x00\x00\x08\x00\x00\x00\x03")  # asks for a password
                    client.recv(4096)
                    said = b'SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'
                    client.sendall(b"E" + (len(said) + 4).to_bytes(4) + said)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield int(listening.getsockname()[1])
        listening.shutdown(socket.SHUT_RDWR)
    thread.join(60)


@each_command
def test_a_wrong_password_is_told_and_not_repeated(command: tuple[str, ...]) -> None:
    """Wherever in the address it stands."""
    with guarded() as port:
        for address in (f"me:hunter2@127.0.0.1:{port}/db", f"127.0.0.1:{port}/db?user=me&password=hunter2"):
            line = refused("--db", f"postgresql://{address}", *command)
            assert line.startswith(f"error: postgresql://127.0.0.1:{port}/db: ")
            assert line.endswith(": the server refused the user or the password")


@pytest.mark.parametrize(
    "rest",
    [
        "me:hun/ter2@host/db",
        "me:hun@ter2@host/db",
        "me:12/ter2@host/db",
        "me:hun%ter2@host/db",
        "me:hunter2@host:port/db",
        "me:hunter2@[::1/db",
        "me:hunter2@[::1]x/db",
        "me:hunter2@host/db?nope=1",
        "me:hunter2@host/db?nope",
        "me:hunter2@host/db?sslmode=a=b",
        "me:hunter2@host/%00",
    ],
)
@pytest.mark.parametrize("command", COMMANDS[:2], ids=lambda command: command[0])
def test_what_is_no_address_is_told_without_the_password(command: tuple[str, ...], rest: str) -> None:
    """The line says how one is written, and repeats no part of it that may be of a password."""
    line = refused("--db", f"postgresql://{rest}", *command)
    assert line.startswith("error: not a PostgreSQL address: ")
    assert "; write postgresql://USER:PASSWORD@HOST:PORT/DATABASE" in line
    assert "hun" not in line
    assert "ter2" not in line


@each_command
def test_a_missing_driver_is_told(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without psycopg the line says what to install; a queue in a file does not need it."""
    for name in [name for name in sys.modules if f"{name}.".startswith(("system.postgresql.", "psycopg."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    line = refused("--db", "postgresql://me:hunter2@host/db", *command)
    assert line.startswith("error: PostgreSQL needs the driver psycopg, which cannot be imported (")
    assert line.endswith("; pip install 'reliability-habits[postgresql]'")
    assert fine("--db", "queue.db", "enqueue", "1") == "1\n"
