"""What another role puts into the search path: no statement of the queue calls any of it.

A role that may create in a schema of the path can define a function or an operator that fits the types of a
call better than the built-in one does. It then runs with the rights of the queue's user. Two things keep it
out: every type in every statement is exact, and the search path is pinned to the schema of the queue.
"""

import re
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from attrs import evolve
from psycopg import conninfo

from system.clock import Clock, ManualClock
from system.policies import CircuitBreaker, Policies, Retry, RetryBudget
from system.postgresql import Connect, PostgreSQLStore, connecting
from system.queue import Queue
from tests.system.connections import Run, Watched, watching
from tests.system.test_queue import leased, started

TYPES = (
    *("smallint", "integer", "bigint", "numeric", "real", "double precision", "oid", "boolean"),
    *("text", "varchar", "bpchar", "name", '"char"', "bytea", "timestamptz", "anyelement"),
)
"""What a statement's types may be near to."""

FUNCTIONS = {"floor", "max", "min", "count", "current_schema", "current_setting", "set_config", "quote_ident"}
OPERATORS = {"=", "<>", "<", "<=", ">", ">=", "*", "+", "-", "||"}

HOSTILE = """
SET search_path = pg_catalog;
CREATE SEQUENCE {schema}.called;
GRANT USAGE ON SEQUENCE {schema}.called TO PUBLIC;
DO $do$
DECLARE
    types CONSTANT text[] := '{{{types}}}';
    few CONSTANT text[] := '{{text,name,integer,boolean}}';
    body CONSTANT text := $$ LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_catalog.nextval(''{schema}.called''); RAISE EXCEPTION ''hostile''; END' $$;
    one text; two text; three text; name text; operator text;
BEGIN
    FOREACH one IN ARRAY types LOOP
        EXECUTE pg_catalog.format('CREATE FUNCTION {schema}.step(text, %s) RETURNS text' || body, one);
        FOREACH two IN ARRAY types LOOP
            EXECUTE pg_catalog.format(
                'CREATE FUNCTION {schema}.op(%s, %s) RETURNS boolean' || body, one, two);
            FOREACH operator IN ARRAY '{{{operators}}}'::text[] LOOP
                EXECUTE pg_catalog.format(
                    'CREATE OPERATOR {schema}.%s (FUNCTION = {schema}.op, LEFTARG = %s, RIGHTARG = %s)',
                    operator, one, two);
            END LOOP;
        END LOOP;
    END LOOP;
    FOREACH name IN ARRAY '{{{functions}}}'::text[] LOOP
        FOREACH one IN ARRAY types LOOP
            IF EXISTS (SELECT FROM pg_proc WHERE proname = name AND prokind = 'a') THEN
                EXECUTE pg_catalog.format(
                    'CREATE AGGREGATE {schema}.%I (%s) (SFUNC = {schema}.step, STYPE = text)', name, one);
                CONTINUE;
            END IF;
            EXECUTE pg_catalog.format('CREATE FUNCTION {schema}.%I (%s) RETURNS bigint' || body, name, one);
            FOREACH two IN ARRAY types LOOP
                EXECUTE pg_catalog.format(
                    'CREATE FUNCTION {schema}.%I (%s, %s) RETURNS bigint' || body, name, one, two);
            END LOOP;
        END LOOP;
        FOREACH one IN ARRAY few LOOP
            FOREACH two IN ARRAY few LOOP
                FOREACH three IN ARRAY few LOOP
                    EXECUTE pg_catalog.format(
                        'CREATE FUNCTION {schema}.%I (%s, %s, %s) RETURNS text' || body,
                        name, one, two, three);
                END LOOP;
            END LOOP;
        END LOOP;
    END LOOP;
END $do$;
"""
"""Each function and operator for each of the types, of one argument, of two, and of three."""


def live(dsn: str, connect: Connect = connecting) -> None:
    """Do all that the queue can do, by the server's clock and by another: `init`, then every operation."""
    policies = Policies(
        retry=Retry(attempts_max=3, backoff_seconds=0, jitter_seed=1),
        budget=RetryBudget(retries_max=50),
        breaker=CircuitBreaker(failures_max=9),
    )
    clock = ManualClock(10_000_000_000_000)
    by: tuple[Clock | None, ...] = (None, clock)
    for its in by:
        with closing(PostgreSQLStore(dsn, clock=its, create=True, connect=connect)) as store:
            queue = Queue(store=store, policies=policies)
            once = "server" if its is None else "manual"
            for key in (once, once, None):
                queue.accept({"n": 1}, key=key)
            assert queue.fail(started(queue), detail="no")
            execution_id = started(queue)
            assert queue.heartbeat(execution_id)
            assert queue.commit(execution_id, 1)
            assert not queue.commit(execution_id, 1)
            assert queue.finish(execution_id)
            abandoned = evolve(queue, lease_seconds=0.001)
            leased(abandoned)
            while not store.counts().abandoned:
                clock.advance(1)
            assert queue.reconcile().aborted == 1
            assert len(store.jobs()) == (2 if its is None else 4)
            assert all((list(store.audit(job_id=1)), store.executions(), store.effects(), store.retries()))
            store.breaker()


def names(dsn: str, statements: list[str]) -> tuple[set[str], set[str]]:
    """The built-in functions and operators that the statements name."""
    bare = [re.sub("'[^']*'", "''", sql) for sql in statements]
    functions = {name for sql in bare for name in re.findall(r"(\w+)\s*\(", sql)}
    operators = {name for sql in bare for name in re.findall(r"[-+*/<>=~!@#%^&|`?]+", sql)}
    with psycopg.connect(dsn, autocommit=True) as connection:
        return (
            functions & {name for (name,) in connection.execute("SELECT proname FROM pg_proc")},
            operators & {name for (name,) in connection.execute("SELECT oprname FROM pg_operator")},
        )


@pytest.fixture
def hostile(postgresql_dsn: str) -> Iterator[str]:
    """A role of that name, which may create in the schemas `public` and `later`, on the search path both."""
    name = f"{conninfo.conninfo_to_dict(postgresql_dsn)['dbname']}_hostile"
    with psycopg.connect(postgresql_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {name}")
        admin.execute(f"CREATE SCHEMA later; GRANT ALL ON SCHEMA public, later TO {name}")
        admin.execute("GRANT USAGE ON SCHEMA public, later TO PUBLIC")
        admin.execute(f'ALTER DATABASE "{admin.info.dbname}" SET search_path = public, later')
    yield name
    with psycopg.connect(postgresql_dsn, autocommit=True) as admin:
        admin.execute(f"SET search_path = pg_catalog; DROP OWNED BY {name}; DROP ROLE {name}")


def define(dsn: str, role: str, schema: str, functions: set[str], operators: set[str]) -> None:
    """Define them all, as that role."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(f"SET ROLE {role}")
        connection.execute(
            HOSTILE.format(
                schema=schema,
                types=",".join(TYPES).replace('"', r"\""),
                functions=",".join(sorted(functions)),
                operators=",".join(sorted(operators)),
            )
        )


def called(dsn: str, schema: str) -> bool:
    """Whether any of them was called."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return bool(connection.execute(f"SELECT is_called FROM {schema}.called").fetchall()[0][0])


INEXACT = (
    "SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)",
    "SELECT pg_advisory_xact_lock(7)",
    "SELECT 1 WHERE 1.5 <= 7",
    "SELECT max(x) FROM (VALUES (true)) AS of (x)",
)
"""Statements whose types no built-in function has exactly."""


@pytest.fixture
def statements(postgresql_dsn: str) -> list[str]:
    """Every statement of the queue, as it was run in a schema of its own."""
    found: list[str] = []

    def remember(_: Watched, sql: str, run: Run) -> Any:
        found.append(sql)
        return run()

    with psycopg.connect(postgresql_dsn, autocommit=True) as admin:
        admin.execute("CREATE SCHEMA apart")
    live(f"{postgresql_dsn}&options=-csearch_path%3Dapart", watching(remember))
    return found


@pytest.mark.parametrize("schema", ["public", "later"])
def test_no_statement_calls_what_another_role_defined(
    postgresql_dsn: str, hostile: str, statements: list[str], schema: str
) -> None:
    """In the queue's own schema it is kept out by types that are exact, in a later one by the pin as well.

    What is defined is every function and operator that a statement names, for all types. An inexact statement
    does call them, over a connection that is not the queue's.
    """
    functions, operators = names(postgresql_dsn, statements)
    assert {"floor", "pg_advisory_xact_lock", "current_schema"} <= functions
    assert {"=", "<=", ">", "*"} <= operators
    define(postgresql_dsn, hostile, schema, functions | FUNCTIONS, operators | OPERATORS)
    live(postgresql_dsn)
    assert not called(postgresql_dsn, schema)
    for inexact in INEXACT:
        with (
            psycopg.connect(postgresql_dsn, autocommit=True) as connection,
            pytest.raises(psycopg.errors.RaiseException, match="hostile"),
        ):
            connection.execute(inexact)
    assert called(postgresql_dsn, schema)


def test_what_is_in_a_later_schema_is_out_of_reach(postgresql_dsn: str, hostile: str) -> None:
    """Over the queue's own connection an inexact statement finds the built-in function."""
    define(postgresql_dsn, hostile, "later", FUNCTIONS | {"pg_advisory_xact_lock"}, OPERATORS)
    seen: list[Watched] = []

    def remember(watched: Watched, _: str, run: Run) -> Any:
        seen.append(watched)
        return run()

    with closing(PostgreSQLStore(postgresql_dsn, create=True, connect=watching(remember))):
        for inexact in INEXACT[:-1]:
            seen[-1].connection.execute(inexact)
        with pytest.raises(psycopg.errors.UndefinedFunction):
            seen[-1].connection.execute(INEXACT[-1])
    assert not called(postgresql_dsn, "later")
