"""The bench: its document says what its values say, and no queue is compared that is less durable."""

import json
import sqlite3
import sys
import time
from contextlib import closing
from pathlib import Path
from subprocess import Popen

import pytest

from tests.bench import machine
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


def test_a_machine_is_busy_while_another_process_works() -> None:
    """The work of others is counted, not the load of the last minute, to which the bench itself belongs."""
    if not machine.CPU_TIMES.exists():
        pytest.skip("this system does not count the work of its cores")
    with Popen([sys.executable, "-c", "while True: pass"]) as other:
        busy = machine.cores_at_work(0.5)
        other.kill()
    assert busy > machine.BUSY_CORES


def test_the_work_of_the_cores_is_read_from_the_first_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle time and waits for the disk are no work."""
    times = tmp_path / "stat"
    monkeypatch.setattr(machine, "CPU_TIMES", times)
    before = "cpu  100 0 50 9000 70 5 5 0 0 0\ncpu0 1 2 3\n"
    times.write_text(before)
    monkeypatch.setattr(time, "sleep", lambda _: times.write_text(before.replace("9000 70", "9900 99")))
    assert machine.cores_at_work(0) == 0
    monkeypatch.setattr(time, "sleep", lambda _: times.write_text(before.replace("100 0", "300 0")))
    assert machine.cores_at_work(0) > 1
