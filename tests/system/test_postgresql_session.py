"""The settings of a session that the queue's promises rest on: what is overruled, and what stays so."""

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from system.postgresql import PostgreSQLStore
from system.queue import Queue
from tests.system.connections import Run, Watched, watching
from tests.system.test_postgresql import Admin, create, one
from tests.system.test_postgresql import admin as admin

if TYPE_CHECKING:
    from failure_modes.checker.support.postgresql.server import Server


def shows(dsn: str, name: str) -> str:
    """A setting of a store's own connection."""
    seen: list[Watched] = []

    def around(watched: Watched, _: str, run: Run) -> Any:
        seen.append(watched)
        return run()

    with closing(PostgreSQLStore(dsn, connect=watching(around), busy_seconds=2.5)):
        return str(one(seen[-1].connection, f"SHOW {name}"))


@pytest.mark.parametrize(
    ("name", "wrong", "value"),
    [
        ("synchronous_commit", "off", "on"),
        ("synchronous_commit", "remote_apply", "remote_apply"),
        ("synchronous_commit", "local", "local"),
        ("lock_timeout", "'1h'", "2500ms"),
        ("client_connection_check_interval", "0", "10s"),
        ("search_path", "public, pg_catalog", "public, pg_temp"),
        ("idle_in_transaction_session_timeout", "0", "10s"),
        ("default_transaction_isolation", "'serializable'", "read committed"),
        ("client_encoding", "'latin1'", "UTF8"),
    ],
)
def test_what_a_database_sets_otherwise_is_overruled(
    postgresql_dsn: str, admin: Admin, name: str, wrong: str, value: str
) -> None:
    """A commit is on disk before it is answered, and nobody waits for ever, whatever the defaults are."""
    create(postgresql_dsn).close()
    admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET {name} = {wrong}')
    assert shows(postgresql_dsn, name) == value


def test_text_is_carried_whatever_encoding_the_address_names(postgresql_queue_dsn: str) -> None:
    """A `client_encoding` in it is overruled: the connection speaks UTF-8."""
    assert shows(f"{postgresql_queue_dsn}&client_encoding=latin1", "client_encoding") == "UTF8"


@pytest.fixture
def reconfigured(postgresql_server: "Server", admin: Admin) -> Iterator[Admin]:
    """A connection of somebody else, to a server whose configuration may be changed. It is set back later."""
    if not postgresql_server.own:
        pytest.skip(f"{postgresql_server.describe()}: not started here, and so not reconfigured")
    yield admin
    admin.execute("ALTER SYSTEM RESET synchronous_commit")
    admin.execute("SELECT pg_reload_conf()")


@pytest.mark.parametrize(("configured", "kept"), [("on", "on"), ("off", "on"), ("local", "local")])
def test_a_commit_stays_durable_when_the_server_is_reconfigured(
    postgresql_queue_dsn: str, reconfigured: Admin, configured: str, kept: str
) -> None:
    """A session that was open before goes on to wait for the disk, whatever it was given at first.

    A session that is not the queue's is told of the change: that is how this test knows that it has come.
    """
    _reconfigure(reconfigured, configured)
    seen: list[Watched] = []

    def around(watched: Watched, _: str, run: Run) -> Any:
        seen.append(watched)
        return run()

    with closing(PostgreSQLStore(postgresql_queue_dsn, connect=watching(around))) as store:
        _reconfigure(reconfigured, "off")
        Queue(store=store).enqueue(1)
        with store.transaction() as tx:
            assert tx.now
            assert one(seen[-1].connection, "SHOW synchronous_commit") == kept


def _reconfigure(admin: Admin, value: str) -> None:
    """Change the server's configuration, and wait until a session has heard of it."""
    admin.execute(f"ALTER SYSTEM SET synchronous_commit = {value}")
    admin.execute("SELECT pg_reload_conf()")
    while one(admin, "SHOW synchronous_commit") != value:
        pass


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.InvalidParameterValue("must be set to 0 on this platform"),
        psycopg.errors.UndefinedObject("unrecognized configuration parameter"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_server_that_cannot_look_for_its_clients_is_used_all_the_same(
    postgresql_queue_dsn: str, error: psycopg.Error
) -> None:
    """An old one does not know the setting, and some systems refuse it."""

    def around(_: Watched, sql: str, run: Run) -> Any:
        if "client_connection_check_interval" in sql:
            refused.append(sql)
            raise error
        return run()

    refused: list[str] = []
    with closing(PostgreSQLStore(postgresql_queue_dsn, connect=watching(around))) as store:
        assert Queue(store=store).enqueue(1).id == 1
    assert len(refused) == 1


def test_a_schema_of_any_name_can_be_pinned(postgresql_dsn: str, admin: Admin) -> None:
    """Quotes, commas and capitals in its name are part of it."""
    admin.execute("""CREATE SCHEMA "A ""b"", public"; CREATE SCHEMA "$x" """)
    for path in ("""%22A%5C%20%22%22b%22%22,%5C%20public%22""", """%22$x%22"""):
        dsn = f"{postgresql_dsn}&options=-csearch_path%3D{path}"
        create(dsn).close()
    found = admin.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'jobs' ORDER BY 1").fetchall()
    assert found == [("$x",), ("""A "b", public""",)]


def test_a_connection_that_is_made_anew_comes_to_the_same_schema(postgresql_dsn: str, admin: Admin) -> None:
    """A schema that has come first on the search path since, with a queue in it, is not taken for it."""
    admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET search_path = early, public')
    seen: list[Watched] = []

    def around(watched: Watched, _: str, run: Run) -> Any:
        seen.append(watched)
        return run()

    with closing(PostgreSQLStore(postgresql_dsn, create=True, connect=watching(around))) as store:
        admin.execute("CREATE SCHEMA early")
        create(postgresql_dsn).close()
        seen[-1].connection.close()
        assert Queue(store=store).enqueue("mine").id == 1
    assert one(admin, "SELECT count(*) FROM public.jobs") == 1
    assert one(admin, "SELECT count(*) FROM early.jobs") == 0
