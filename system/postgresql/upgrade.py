"""Upgrades a queue of an older schema, in one transaction: wholly or not at all.

The upgrade locks the table with the version. Each transaction of the queue reads that table first, and locks
it until its end. So no transaction runs while the tables change, and the next one reads the new version. A
program of the older version does not read it; the rows it would add lack a token.
"""

from typing import Any

import psycopg

from system.postgresql.errors import rule_of
from system.postgresql.schema import EFFECT_OF_ITS_JOB, MARK, SCHEMA_VERSION, VACUUMED
from system.schema import BREACHES, EVENTS, INDEXES, STATUSES, Upgraded, breached, not_upgraded, one_of

OLDEST = 1
_OLD_INDEXES = (
    "jobs_available",
    "executions_job",
    "executions_open",
    "effects_job",
    "audit_job",
    "audit_duplicates",
)
_TABLES = (
    "ALTER TABLE jobs ADD COLUMN timed boolean, ADD COLUMN token text NOT NULL DEFAULT ''",
    "UPDATE jobs SET timed = EXISTS (SELECT FROM executions e WHERE e.job_id = jobs.id)",
    "ALTER TABLE jobs ALTER COLUMN timed SET NOT NULL, ALTER COLUMN token DROP DEFAULT",
    "ALTER TABLE executions ADD COLUMN token text NOT NULL DEFAULT '', ADD CHECK (attempt > 0)",
    "ALTER TABLE executions ALTER COLUMN token DROP DEFAULT",
    f"ALTER TABLE audit ADD CHECK (event IN ({one_of(EVENTS)})),"
    f" ADD CHECK (before IN ({STATUSES})), ADD CHECK (after IN ({STATUSES}))",
    "ALTER TABLE effects DROP CONSTRAINT effects_execution_id_fkey",
    *[f"ALTER TABLE {table} SET {VACUUMED.removeprefix('WITH ')}" for table in ("jobs", "executions")],
)
Connection = psycopg.Connection[tuple[Any, ...]]


def upgrade(connection: Connection) -> Upgraded | None:
    """Bring the queue up to this version; None if another process has done it. Within a transaction.

    Raises StoreError if the rows contradict what this version promises; then nothing is changed.
    """
    connection.execute(f"LOCK TABLE {MARK} IN ACCESS EXCLUSIVE MODE")
    [(version,)] = connection.execute(f"SELECT max(version) FROM {MARK}").fetchall()
    if not OLDEST <= version < SCHEMA_VERSION:
        return None
    for rule, breach in BREACHES.items():
        for (job_id,) in connection.execute(breach).fetchall():
            raise not_upgraded(version, SCHEMA_VERSION, breached(rule, job_id))
    drops = [f"DROP INDEX {name}" for name in _OLD_INDEXES]
    try:
        for statement in (*drops, *_TABLES, *INDEXES, EFFECT_OF_ITS_JOB):
            connection.execute(statement)
    except psycopg.IntegrityError as error:
        why = f"a row is against a rule ({rule_of(error)})"
        raise not_upgraded(version, SCHEMA_VERSION, why) from error
    connection.execute(f"UPDATE {MARK} SET version = {SCHEMA_VERSION}")
    return Upgraded(before=version, after=SCHEMA_VERSION)
