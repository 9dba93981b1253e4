"""What each store promises of text: it is carried byte for byte, or refused clearly."""

import pytest

from system.queue import Queue
from system.store import StoreError
from tests.system.databases import Database
from tests.system.test_contract import everything
from tests.system.test_queue import started

EVERY_PLANE = "".join(chr((plane << 16) + 0xABCD - (plane == 0)) for plane in range(17))


def test_text_of_every_plane_is_carried(queue: Queue, database: Database) -> None:
    """A character of each plane of Unicode, as a key, a worker's name and a failure, byte for byte."""
    text = f"{EVERY_PLANE}\x01\x7f\ufffe\uffff\r\n"
    assert queue.enqueue(1, key=text, actor=text).key == text
    assert queue.fail(started(queue, text), detail=text)
    assert database.kept("key", "jobs") == [text.encode()]
    assert database.kept("worker", "executions") == [text.encode()]
    assert database.kept("detail", "audit") == [text.encode()]
    assert {row.actor for row in queue.store.audit()} == {text}
    assert queue.accept(2, key=text).existed


@pytest.mark.parametrize("where", ["key", "actor", "worker", "detail"])
def test_a_null_byte_is_carried_or_refused(queue: Queue, database: Database, where: str) -> None:
    """In each text, whole; or with an error that says that it cannot be kept, and nothing is changed."""
    text = "a\x00b"
    queue.enqueue(1)
    held = started(queue)
    before = everything(queue.store)

    def write() -> object:
        if where in ("key", "actor"):
            return queue.enqueue(2, **{where: text})
        if where == "detail":
            return queue.fail(held, detail=text)
        queue.enqueue(2)
        return queue.lease(text)

    if database.null_bytes:
        assert write()
        table, column = {"key": ("jobs", "key"), "worker": ("executions", "worker")}.get(
            where, ("audit", where)
        )
        assert text.encode() in database.kept(column, table)
        return
    with pytest.raises(StoreError) as raised:
        write()
    assert str(raised.value) == f"{database.shown}: PostgreSQL cannot keep text with a null byte"
    if where != "worker":
        assert everything(queue.store) == before
    assert queue.commit(held, text), "what is JSON has it as an escape"
