"""Hostile values through the library: each is refused clearly, or carried byte for byte."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from system.clock import ManualClock
from system.policies import Policies, Retry
from system.queue import DEPTH_MAX, InvalidJob, Queue
from system.sqlite import SQLiteStore
from system.store import Job, StoreError
from system.worker import Context, Worker
from tests.system.files import rows, sound
from tests.system.test_queue import leased, nested, started

SQL = (
    "'; DROP TABLE jobs; --",
    '"); DELETE FROM audit; --',
    "%s %d ? ?1 :x @x $x {x}",
    "' OR '1'='1",
    "x' WHERE 1; PRAGMA user_version = 9; --",
    "/* \\' \\0 \\",
    "\x00'; DROP TABLE jobs",
)
PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(10**4299), 10**4299)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([-0.0, 5e-324, 1.7976931348623157e308, 2**63, -(2**63) - 1])
    | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)
in_one_file = settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def plain(value: object) -> str:
    """The JSON text that a value has, in ASCII and without spaces."""
    return json.dumps(value, separators=(",", ":"))


def carry(queue: Queue, clock: ManualClock, path: Path, value: object) -> None:
    """Take a value through the queue as a payload and as an effect, and compare each byte on the way."""
    seen: list[str] = []

    def handler(job: Job, context: Context) -> None:
        seen.append(job.payload)
        context.write(json.loads(job.payload))

    job = queue.enqueue(value)
    Worker(queue, handler, name="A", clock=clock).drain()
    text = plain(value)
    kept = rows(
        path,
        "SELECT CAST(payload AS BLOB), CAST(value AS BLOB), typeof(payload), typeof(value)"
        f" FROM jobs JOIN effects ON job_id = jobs.id WHERE jobs.id = {job.id}",
    )
    assert kept == [(text.encode("ascii"), text.encode("ascii"), "text", "text")]
    assert [job.payload, *seen] == [text, text]
    assert plain(json.loads(text)) == text


@in_one_file
@given(value=ANY_JSON)
def test_any_json_value_is_carried_byte_for_byte(
    queue: Queue, clock: ManualClock, path: Path, value: Any
) -> None:
    """What is enqueued, what the file holds, what the handler sees and what it writes are the same text.

    Only two surrogates that a reader would make one character of are refused.
    """
    if _has_pair(value):
        with pytest.raises(InvalidJob, match="a high and a low surrogate"):
            queue.enqueue(value)
    else:
        carry(queue, clock, path, value)
        assert json.loads(plain(value)) == value


def _has_pair(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_pair(name) or _has_pair(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(map(_has_pair, value))
    return isinstance(value, str) and PAIR.search(value) is not None


@in_one_file
@given(text=ANY_TEXT)
def test_any_text_is_a_key_and_a_name_or_is_refused(queue: Queue, path: Path, text: str) -> None:
    """Key, actor, worker and failure are kept byte for byte; what is no Unicode or empty is refused."""
    before = queue.store.jobs()
    if not text or re.search("[\ud800-\udfff]", text):
        with pytest.raises(InvalidJob, match=r"the idempotency key is (empty|not valid Unicode)"):
            queue.enqueue(1, key=text)
        assert queue.store.jobs() == before
        return
    accepted = queue.accept(1, key=text, actor=text)
    assert (accepted.job.key, accepted.job.id) == (text, queue.accept(2, key=text).job.id)
    if not accepted.existed:
        assert queue.fail(started(queue, text), detail=text)
        where = f"job_id = {accepted.job.id}"
        kept = rows(path, f"SELECT CAST(worker AS BLOB) FROM executions WHERE {where}")
        kept += rows(path, f"SELECT CAST(detail AS BLOB) FROM audit WHERE {where} AND event = 'failed'")
        kept += rows(path, f"SELECT CAST(actor AS BLOB) FROM audit WHERE {where} AND event = 'enqueued'")
        kept += rows(path, f"SELECT CAST(key AS BLOB) FROM jobs WHERE id = {accepted.job.id}")
        assert kept == [(text.encode(),)] * 4


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600", "\ud800", "'", "\\"], ids=ascii)
@pytest.mark.parametrize("size", [0, 1, 4_096, 100_000])
def test_a_payload_of_any_size_is_carried(
    queue: Queue, clock: ManualClock, path: Path, size: int, character: str
) -> None:
    """From no character to many, also of those that are longer as JSON."""
    carry(queue, clock, path, character * size)


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, "\ud800" * 1_700_000, list(range(1_400_000)), {"k" * 10_000_000: None}],
    ids=["text", "escapes", "numbers", "a name"],
)
def test_a_payload_of_10_mb_is_carried(queue: Queue, clock: ManualClock, path: Path, value: object) -> None:
    """Ten megabytes are a payload and an effect like others."""
    assert len(plain(value)) >= 10_000_000
    carry(queue, clock, path, value)


def test_what_is_larger_than_the_database_takes_is_refused(path: Path, clock: ManualClock) -> None:
    """SQLite has a limit (here lowered): the error names the file, and nothing is written."""

    def connect(target: str) -> sqlite3.Connection:
        connection = sqlite3.connect(target, isolation_level=None, uri=True)
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 1_000_000)
        return connection

    with closing(SQLiteStore(path, clock=clock, create=True, connect=connect)) as store:
        queue = Queue(store=store)
        with pytest.raises(StoreError, match=r"queue\.db: string or blob too big"):
            queue.enqueue("x" * 1_000_000)
        assert queue.enqueue("x" * 900_000).id == 1
        execution_id = started(queue)
        with pytest.raises(StoreError, match=r"queue\.db: string or blob too big"):
            queue.commit(execution_id, "x" * 1_000_000)
        assert queue.commit(execution_id, 1)


def test_nesting_is_carried_up_to_a_limit(queue: Queue, clock: ManualClock, path: Path) -> None:
    """Lists and objects as deep as the limit are read back; one deeper is refused, however it ends."""
    inner: object = {}
    for _ in range(DEPTH_MAX - 1):
        inner = {"": inner}
    for value in (nested(DEPTH_MAX - 1), inner):
        carry(queue, clock, path, value)
    count = len(queue.store.jobs())
    for value in (nested(DEPTH_MAX), {"": inner}, [nested(DEPTH_MAX - 1), 1], (inner,)):
        with pytest.raises(InvalidJob, match=f"^not JSON: nested more than {DEPTH_MAX} deep$"):
            queue.enqueue(value)
    assert len(queue.store.jobs()) == count


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({1: "a", "1": "b"}, "the name 1 in an object is not text"),
        ([{None: 1}], "the name None in an object is not text"),
        ({"a": {True: 1}}, "the name True in an object is not text"),
        (["\ud83d\ude00"], "a high and a low surrogate in text are read back as one character"),
        ({"\ud83d\ude00": 1}, "a high and a low surrogate in text are read back as one character"),
        ({"a": [float("nan")]}, "Out of range float values are not JSON compliant"),
        (10**5000, "Exceeds the limit .* for integer string conversion"),
    ],
    ids=["number as a name", "null as a name", "true as a name", "pair", "pair as a name", "nan", "digits"],
)
def test_what_would_be_read_back_as_something_else_is_refused(queue: Queue, value: object, why: str) -> None:
    """As a payload and as an effect: the error says why, and nothing is written."""
    with pytest.raises(InvalidJob, match=f"^not JSON: {why}"):
        queue.enqueue(value)
    queue.enqueue(1)
    execution_id = started(queue)
    with pytest.raises(InvalidJob, match=f"^not JSON: {why}"):
        queue.commit(execution_id, value)
    assert (len(queue.store.jobs()), queue.store.effects()) == (1, ())


def test_a_key_of_10000_characters_is_a_key(queue: Queue, path: Path) -> None:
    """Keys that differ in their last character are two; the same again is the same job."""
    keys = ["k" * 9_999 + last for last in "ab\U0001f600"]
    jobs = [queue.enqueue(number, key=key) for number, key in enumerate(keys)]
    assert [queue.accept(9, key=key).job for key in keys] == jobs
    assert rows(path, "SELECT key FROM jobs ORDER BY id") == [(key,) for key in keys]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_every_text_is_only_text(queue: Queue, clock: ManualClock, path: Path, text: str) -> None:
    """In payload, key, actor, worker, failure and effect it is carried, and the tables are as they were."""
    schema = rows(path, "SELECT * FROM sqlite_schema ORDER BY name")
    for _ in range(2):
        assert queue.enqueue({text: text}, key=text, actor=text).id == 1
    assert queue.fail(started(queue, text), detail=text)
    clock.advance(1_000)
    assert queue.commit_json(started(queue, text), plain({text: text}))
    clock.advance(30_000)
    assert queue.reconcile(actor=text).finished == 1
    assert rows(path, "SELECT payload, key FROM jobs") == [(plain({text: text}), text)]
    assert rows(path, "SELECT worker FROM executions") == [(text,)] * 2
    assert rows(path, "SELECT value FROM effects") == [(plain({text: text}),)]
    assert rows(path, "SELECT DISTINCT actor FROM audit") == [(text,)]
    assert rows(path, "SELECT detail FROM audit WHERE event = 'failed'") == [(text,)]
    assert rows(path, "SELECT * FROM sqlite_schema ORDER BY name") == schema
    assert sound(path)


def test_sql_in_the_name_of_the_file_is_only_a_name(path: Path, clock: ManualClock) -> None:
    """Quotes, question marks and percent signs in it name that file, and no other is made."""
    for text in SQL[1:4]:
        named = path.with_name(text)
        with closing(SQLiteStore(named, clock=clock, create=True)) as store:
            Queue(store=store).enqueue(text)
        assert rows(named, "SELECT payload FROM jobs") == [(plain(text),)]
    assert sorted(entry.name for entry in path.parent.iterdir()) == sorted(SQL[1:4])


def test_a_null_byte_in_a_name_is_kept_and_sqlite_shows_what_stands_before_it(
    queue: Queue, path: Path
) -> None:
    """The bytes are whole and compared whole; SQLite's own functions, and so its shell, stop at the null."""
    queue.enqueue(1, key="a\x00b", actor="c\x00d")
    leased(queue, "e\x00f")
    assert rows(path, "SELECT key, length(key), hex(key) FROM jobs") == [("a\x00b", 1, "610062")]
    assert rows(path, "SELECT hex(actor) FROM audit") == [("630064",), ("650066",)]
    assert rows(path, "SELECT count(*) FROM jobs WHERE key = 'a'") == [(0,)]


def test_a_null_byte_in_the_name_of_the_file_is_refused(path: Path, clock: ManualClock) -> None:
    """SQLite would open the file of the name before it, so it is told instead, and none is made."""
    for create in (True, False):
        with pytest.raises(
            StoreError, match=r"queue\.db\\x00x': a null byte cannot be in the name of a file"
        ):
            SQLiteStore(f"{path}\x00x", clock=clock, create=create)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"], ids=ascii)
def test_a_name_that_is_no_unicode_is_refused(queue: Queue, text: str) -> None:
    """As actor, worker, failure or ready-made effect it is one line of error, and nothing changes."""
    queue.enqueue(1)
    with pytest.raises(StoreError, match="not valid Unicode"):
        queue.lease(text)
    execution_id = started(queue)
    before = list(queue.store.audit())
    for refused in (
        lambda: queue.enqueue(1, actor=text),
        lambda: queue.reconcile(actor=text) if queue.fail(execution_id, detail=text) else None,
        lambda: queue.commit_json(execution_id, text),
    ):
        with pytest.raises(StoreError, match=r"queue\.db: text that is not valid Unicode cannot be kept$"):
            refused()
    assert (list(queue.store.audit()), len(queue.store.jobs())) == (before, 1)
    assert queue.commit(execution_id, text)


def test_a_number_that_the_database_cannot_hold_is_refused(queue: Queue) -> None:
    """An id, a lease or a budget of more than 64 bits is an error that says so, and nothing changes."""
    queue.enqueue(1)
    before = list(queue.store.audit())
    for refused in (
        lambda: queue.start(2**63),
        lambda: evolve(queue, lease_seconds=1e300).lease("A"),
        lambda: evolve(queue, policies=Policies(retry=Retry(attempts_max=2**63))).enqueue(1),
        lambda: queue.store.audit(job_id=-(2**64)),
    ):
        with pytest.raises(StoreError, match=r"queue\.db: a number of more than 64 bits cannot be kept$"):
            refused()
    assert (list(queue.store.audit()), len(queue.store.jobs())) == (before, 1)
