"""How long a text may be: what is longer is refused where it is given, and ends no worker."""

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import pytest

from system.clock import ManualClock
from system.payload import read_payload
from system.queue import KEY_MAX, TEXT_MAX, InvalidJob, Queue, to_json
from system.store import Job
from system.worker import Context, Worker
from tests.system.commands import fine, refused
from tests.system.test_contract import everything
from tests.system.test_queue import started


@pytest.fixture
def hundred(monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of 100 characters, in place of one that takes a second to reach."""
    monkeypatch.setattr("system.queue.TEXT_MAX", 100)
    monkeypatch.setattr("system.payload.TEXT_MAX", 100)


def test_the_longest_text_is_carried_and_no_longer_one() -> None:
    """The limit is of the JSON text, quotes and escapes included."""
    assert len(to_json("x" * (TEXT_MAX - 2))) == TEXT_MAX
    with pytest.raises(InvalidJob, match=r"^JSON text of 100,000,002 characters, and 100,000,000 are the"):
        to_json("x" * TEXT_MAX)


def test_sqlite_can_keep_the_longest_text(path: Path) -> None:
    """With room for the rest of the row. PostgreSQL's limit, a gigabyte, is the same everywhere."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.getlimit(sqlite3.SQLITE_LIMIT_LENGTH) > TEXT_MAX + 5 * KEY_MAX


@pytest.mark.usefixtures("hundred")
@pytest.mark.parametrize("value", ["x" * 99, "\u00e9" * 17, [1] * 50], ids=["text", "escapes", "list"])
def test_a_payload_or_an_effect_that_is_too_long_is_refused(queue: Queue, value: object) -> None:
    """Nothing is written."""
    queue.enqueue("x" * 98)
    execution_id = started(queue)
    before = everything(queue.store)
    for write in (lambda: queue.enqueue(value), lambda: queue.commit(execution_id, value)):
        with pytest.raises(InvalidJob, match=r"^JSON text of 10\d characters, and 100 are the most$"):
            write()
    assert everything(queue.store) == before


@pytest.mark.usefixtures("hundred")
def test_a_handler_that_writes_too_much_has_failed(queue: Queue, clock: ManualClock) -> None:
    """Its attempt fails, the reason is on record, and the worker goes on to the next job."""
    for size in (200, 50):
        queue.enqueue(size)

    def handler(job: Job, context: Context) -> None:
        context.write("x" * job.payload)

    Worker(queue, handler, name="A", clock=clock).drain()
    told = [row.detail for row in queue.store.audit() if row.event == "failed"]
    assert told == ["InvalidJob: JSON text of 202 characters, and 100 are the most"]
    assert [effect.job_id for effect in queue.store.effects()] == [2]


@pytest.mark.usefixtures("hundred", "folder")
def test_the_command_line_refuses_a_payload_that_is_too_long(path: Path) -> None:
    """As an argument and on stdin; nothing is created."""
    long = f'"{"x" * 99}"'
    name = "./queue.db"
    why = "error: PAYLOAD is JSON text of 101 characters, and 100 are the most"
    assert refused("--db", name, "enqueue", long) == why
    assert refused("--db", name, "enqueue", "-", stdin=f'"{"é" * 17}"') == why.replace("101", "104")
    assert refused("--db", name, "enqueue", "-", stdin=f"1{' ' * 100}") == (
        "error: PAYLOAD on stdin is longer than 100 bytes"
    )
    assert not path.exists()
    assert fine("--db", name, "enqueue", "-", stdin=f"1{' ' * 99}") == "1\n"


def test_no_more_is_read_from_stdin_than_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is there, so that the memory it takes has a limit."""
    read: list[int] = []

    class Endless:
        def read(self, size: int = -1) -> bytes:
            read.append(size)
            return b"1"

    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Endless()))
    assert read_payload("-") == 1
    assert read == [TEXT_MAX + 1]


def test_a_key_that_is_too_long_is_refused(queue: Queue) -> None:
    """It may have 10,000 characters, whatever their size in bytes."""
    assert queue.enqueue(1, key="\U0001f600" * KEY_MAX).id == 1
    with pytest.raises(InvalidJob, match=r"^the idempotency key has 10,001 characters, and 10,000 are the"):
        queue.enqueue(1, key="k" * (KEY_MAX + 1))
    assert len(queue.store.jobs()) == 1


@pytest.mark.usefixtures("folder")
def test_the_command_line_refuses_a_key_or_a_name_that_is_too_long(path: Path) -> None:
    """The line shows how it begins."""
    long = "k" * (KEY_MAX + 1)
    shown = f"'{'k' * 99}..."
    assert refused("--db", "./queue.db", "enqueue", "1", "--key", long) == (
        f"error: --key {shown}: the idempotency key has 10,001 characters, and 10,000 are the most"
    )
    assert refused("--db", "./queue.db", "work", "handlers:echo", "--name", long) == (
        f"error: --name {shown} must be text in Unicode, of 1 to 10,000 characters"
    )
    assert not path.exists()
