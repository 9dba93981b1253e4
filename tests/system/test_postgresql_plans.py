"""How PostgreSQL finds the rows of each operation, with ten thousand jobs in the queue."""

import json
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from system.clock import ManualClock
from system.postgresql import PostgreSQLStore
from system.queue import Queue
from tests.system.connections import Run, Watched, watching
from tests.system.test_queue import leased
from tests.system.test_sqlite import OPERATIONS

ROWS = 10_000
FEW = 1_000
FILL = f"""
INSERT INTO jobs (key, key_digest, payload, attempts_max, enqueued_at, available_at, timed, token)
    SELECT 'key-' || n, sha256(n::text::bytea), '1', 3, n,
        CASE n % 5 WHEN 0 THEN 2000000 + n WHEN 1 THEN n END, n % 5 <> 1, ''
    FROM generate_series(1, {ROWS}) AS n;
INSERT INTO executions (job_id, attempt, worker, status, lease_expires_at, token)
    SELECT id, 1, 'A', CASE WHEN id % 500 = 0 THEN 'IN_PROGRESS' ELSE 'DONE' END, 5000000 + id, ''
    FROM jobs WHERE id > 2 AND available_at IS NULL OR id % 500 = 0;
INSERT INTO effects (job_id, execution_id, value)
    SELECT job_id, id, '1' FROM executions WHERE status = 'DONE';
INSERT INTO audit (at, actor, operation, event, job_id, execution_id)
    SELECT n, 'A', 'o', 'leased', id, NULL FROM jobs, generate_series(1, 4) AS n WHERE id > 2;
ANALYZE jobs, executions, effects, audit;
"""


def plans(dsn: str, mode: str, sql: str, values: tuple[object, ...]) -> Iterator[dict[str, Any]]:
    """Each node of the plan of a statement, with what stands above it."""
    numbered = sql
    for number in range(len(values)):
        numbered = numbered.replace("%s", f"${number + 1}", 1)
    places = ", ".join(["%s"] * len(values))
    with psycopg.connect(dsn, autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        connection.execute(f"SET plan_cache_mode = {mode}")
        connection.execute(f"PREPARE asked AS {numbered}")
        explain = f"EXPLAIN (FORMAT JSON) EXECUTE asked{f'({places})' if values else ''}"
        [[found]] = connection.execute(explain, values).fetchall()
    yield from nodes((found if isinstance(found, list) else json.loads(found))[0]["Plan"])


def nodes(plan: dict[str, Any], limited: bool = False) -> Iterator[dict[str, Any]]:
    """The node and those below it; `limited` where a limit above ends the reading early."""
    limited = limited or plan["Node Type"] == "Limit"
    yield plan | {"limited": limited}
    for below in plan.get("Plans", ()):
        yield from nodes(
            below, limited and plan["Node Type"] in ("Limit", "LockRows", "Nested Loop", "Result")
        )


def reads_too_much(node: dict[str, Any]) -> bool:
    """Whether it goes through a whole table, or sorts more than a batch."""
    if node.get("Relation Name") in ("breaker", "retries"):
        return False
    kind = node["Node Type"]
    if "Sort" in kind or "Hash" in kind:
        return bool(node["Plan Rows"] > FEW)
    whole = kind.startswith("Index") and "Index Cond" not in node and not node["limited"]
    return kind in ("Seq Scan", "Parallel Seq Scan") or whole


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_operation_finds_its_rows_by_an_index(postgresql_queue_dsn: str, operation: str) -> None:
    """No statement of it reads a whole table or sorts one, also when it was planned for any values."""
    statements: list[tuple[str, tuple[Any, ...]]] = []

    def remember(watched: Watched, sql: str, run: Run) -> Any:
        statements.append((sql, watched.values))
        return run()

    clock = ManualClock(1_000_000)
    with closing(PostgreSQLStore(postgresql_queue_dsn, clock=clock, connect=watching(remember))) as store:
        queue = Queue(store=store)
        for number in range(2):
            queue.enqueue(number, key=str(number))
        held = leased(queue, "dead").execution
        with psycopg.connect(postgresql_queue_dsn, autocommit=True) as behind:
            behind.execute(FILL)
        clock.advance(30_000 if operation in ("lease", "reconcile") else 0)
        statements.clear()
        OPERATIONS[operation](queue, held)
    work = [
        one
        for one in statements
        if not one[0].startswith(("BEGIN", "LOCK", "SELECT pg_catalog.pg_adv", "COMMIT"))
    ]
    assert work, "the operation ran a statement"
    for sql, values in work:
        for mode in ("force_custom_plan", "force_generic_plan"):
            found = list(plans(postgresql_queue_dsn, mode, sql, values))
            assert [node for node in found if reads_too_much(node)] == [], sql
            if "SKIP LOCKED" in sql:
                indexes = {"lease": {"jobs_timed", "jobs_new"}, "reconcile": {"executions_open"}}[operation]
                assert indexes <= {node.get("Index Name") for node in found}


def test_the_dead_entries_of_jobs_that_were_worked_off_are_cleared_early(postgresql_queue_dsn: str) -> None:
    """A vacuum clears the index of jobs also when few of many rows are dead: a lease reads none of them."""
    fill = (
        "INSERT INTO jobs (payload, attempts_max, enqueued_at, available_at, timed, token)"
        " SELECT '1', 3, n, n, FALSE, '' FROM generate_series(1, 100000) AS n"
    )
    worked_off = "UPDATE jobs SET available_at = NULL, timed = TRUE WHERE id <= 1000"
    asked = "SELECT FROM jobs WHERE NOT timed AND available_at IS NOT NULL ORDER BY id LIMIT 1"
    with (
        closing(PostgreSQLStore(postgresql_queue_dsn)),
        psycopg.connect(postgresql_queue_dsn, autocommit=True) as connection,
    ):
        for statement in (fill, worked_off, "VACUUM jobs"):
            connection.execute(statement)
        explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {asked}"
        [[[found]]] = connection.execute(explain).fetchall()
    plan = found["Plan"]
    assert plan["Actual Rows"] == 1
    assert plan["Shared Hit Blocks"] + plan["Shared Read Blocks"] <= 10
