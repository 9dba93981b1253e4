"""The bench: its document says what its values say, and no queue is compared that is less durable."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.contender import SQLITE_DURABLE, sqlite_durability
from tests.bench.document import DOCUMENT, MEASURED, document
from tests.bench.ours import OnSQLite
from tests.bench.parts import PARTS

VALUES = json.loads(MEASURED.read_text("utf-8"))


def test_the_document_has_the_values() -> None:
    """`python -m tests.bench --write` would write the same document from the same values."""
    assert DOCUMENT.read_text("utf-8") == document(VALUES)


@pytest.mark.parametrize("part", PARTS)
def test_each_part_was_measured(part: str) -> None:
    """Without the values of a part its section is left out."""
    assert VALUES[part]["machine"]
    rest = {name: of for name, of in VALUES.items() if name != part}
    assert len(document(rest)) < len(DOCUMENT.read_text("utf-8"))


def test_a_queue_that_does_not_wait_for_the_disk_is_seen(tmp_path: Path) -> None:
    """Our store has the settings that the bench asks for; a connection with less has others."""
    target = str(tmp_path / "queue.db")
    contender = OnSQLite()
    contender.create(target)
    assert contender.durability(target) == SQLITE_DURABLE
    with closing(sqlite3.connect(target)) as connection:
        connection.execute("PRAGMA synchronous = NORMAL")
        assert sqlite_durability(connection) != SQLITE_DURABLE
