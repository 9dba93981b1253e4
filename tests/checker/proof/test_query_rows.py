"""The rows on which a query depends, by its text: fewer than the table only where no other row can count."""

import sqlite3
from contextlib import closing

import pytest

from failure_modes.checker.proof.query_rows import rows_read
from failure_modes.checker.proof.seen_step import EVERY
from failure_modes.checker.simulation.constraints import constraints_of
from failure_modes.checker.simulation.subject import Layout

OPEN = "FROM executions WHERE status IN ('LEASED', 'DONE') AND "
EXISTS = "EXISTS (SELECT 1 FROM jobs WHERE jobs.id = executions.job_id)"
WHOLE = ("executions", None, None)


def test_a_query_by_words_depends_on_the_rows_with_these_words() -> None:
    """The words may stand in several parts of the query, if they are the same in each."""
    taken = ("executions", "status", frozenset({"LEASED", "DONE"}))
    one = f"SELECT id {OPEN}{EXISTS} AND lease_expires_at <= ?"
    assert rows_read("executions", one) == taken
    assert rows_read("executions", f"SELECT * FROM ({one}) UNION ALL SELECT * FROM ({one} LIMIT ?)") == taken


def test_a_query_for_the_presence_of_a_row_depends_on_one_column() -> None:
    """No other column of the jobs can change the answer."""
    assert rows_read("jobs", f"SELECT id {OPEN}{EXISTS} AND attempt > ?") == ("jobs", "id", EVERY)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT id {OPEN}attempt = ? OR id = ?",
        f"SELECT max(id) {OPEN}attempt = ?",
        f"SELECT id {OPEN}json(token) = ?",
        f"SELECT id {OPEN}attempt = (SELECT 1 FROM executions)",
        f"SELECT id {OPEN}attempt = ? UNION SELECT id FROM executions WHERE status IN ('DONE') AND id = ?",
        "SELECT id FROM executions WHERE status NOT IN ('DONE') AND id = ?",
        "SELECT id FROM executions WHERE status IN ('DONE')",
        "SELECT id FROM executions WHERE id = ? AND status IN ('DONE') AND attempt = ?",
        "SELECT id FROM executions, jobs WHERE status IN ('DONE') AND attempt = ?",
        "SELECT id FROM jobs WHERE EXISTS (SELECT 1 FROM executions WHERE executions.job_id = jobs.id OR 1)",
        "SELECT id FROM jobs WHERE EXISTS (SELECT 1 FROM executions WHERE executions.job_id = jobs.id)"
        " AND EXISTS (SELECT 1 FROM executions WHERE executions.attempt = jobs.id)",
    ],
)
def test_each_other_query_depends_on_the_whole_table(sql: str) -> None:
    """Another row may be taken, too, or another column, or a function may fail at another row."""
    assert rows_read("executions", sql) == WHOLE


@pytest.mark.parametrize(("index", "exact"), [("", True), (" COLLATE NOCASE", False)])
def test_text_is_not_compared_here_where_the_database_may_take_two_texts_for_one(
    index: str, *, exact: bool
) -> None:
    """A schema that names a collation may compare any text by it: in its columns or in its indexes."""
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE words (id INTEGER PRIMARY KEY, word TEXT)")
        connection.execute(f"CREATE UNIQUE INDEX once ON words (word{index})")
        found = constraints_of(connection, Layout(tables=("words",)))
    assert found is not None
    assert found.tables["words"].comparable == ({"id": int, "word": str} if exact else {"id": int})
    assert found.tables["words"].unique == (("word" if exact else None),)
