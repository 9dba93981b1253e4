"""The schema, and how a file says that it is one of ours."""

from collections.abc import Iterable

from system.records import Status
from system.schema import EVENTS, INDEXES

APPLICATION_ID = 0x52484A51  # "RHJQ": says that a file is one of ours
SCHEMA_VERSION = 3

TABLES = ("jobs", "executions", "effects", "retries", "breaker", "audit")
"""None refers to a later one."""


def _one_of(column: str, words: Iterable[str]) -> str:
    """The rule that a column has one of these words.

    With IN, SQLite would fill a table with the words each time that it checks a row.
    """
    rule = " OR ".join([f"{column} = '{word}'" for word in words])
    return f"CONSTRAINT known_{column} CHECK ({rule})"


def _time(column: str, *, null: bool = False) -> str:
    """A column of times, which SQLite would let hold anything."""
    kind = f"typeof({column}) = 'integer'"
    return f"{column} INTEGER " + (
        f"CHECK ({column} IS NULL OR {kind})" if null else f"NOT NULL CHECK ({kind})"
    )


_TABLES = (
    f"""
    CREATE TABLE jobs (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        key          TEXT UNIQUE,
        payload      TEXT    NOT NULL CHECK (typeof(payload) = 'text'),
        attempts_max INTEGER NOT NULL CHECK (attempts_max > 0),
        {_time("enqueued_at")},
        {_time("available_at", null=True)},
        timed        INTEGER NOT NULL CHECK (timed IN (0, 1)),
        token        TEXT    NOT NULL
    )""",
    f"""
    CREATE TABLE executions (
        id               INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id           INTEGER NOT NULL REFERENCES jobs (id),
        attempt          INTEGER NOT NULL CHECK (attempt > 0),
        worker           TEXT    NOT NULL,
        status           TEXT    NOT NULL {_one_of("status", Status)},
        {_time("lease_expires_at")},
        token            TEXT    NOT NULL
    )""",
    """
    CREATE TABLE effects (
        id           INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id       INTEGER NOT NULL REFERENCES jobs (id),
        execution_id INTEGER NOT NULL,
        value        TEXT    NOT NULL,
        FOREIGN KEY (job_id, execution_id) REFERENCES executions (job_id, id)
    )""",
    f"""
    CREATE TABLE retries (
        id       INTEGER PRIMARY KEY,
        {_time("begun_at")}
    )""",
    f"""
    CREATE TABLE breaker (
        id            INTEGER PRIMARY KEY CHECK (id = 1),
        failures      INTEGER NOT NULL,
        {_time("open_until_at", null=True)}
    )""",
    f"""
    CREATE TABLE audit (
        id            INTEGER PRIMARY KEY AUTOINCREMENT,
        {_time("at")},
        actor         TEXT    NOT NULL,
        operation     TEXT    NOT NULL,
        event         TEXT    NOT NULL {_one_of("event", EVENTS)},
        job_id        INTEGER NOT NULL REFERENCES jobs (id),
        execution_id  INTEGER REFERENCES executions (id),
        before        TEXT {_one_of("before", Status)},
        after         TEXT {_one_of("after", Status)},
        reason        TEXT,
        detail        TEXT
    )""",
)
SCHEMA = tuple([" ".join(statement.split()) for statement in (*_TABLES, *INDEXES)])
"""The text of it is in the file, and fits on the first page: a damage elsewhere does not hide the tables."""
