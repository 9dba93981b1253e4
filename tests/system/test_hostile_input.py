"""Hostile values through the library: each is refused clearly, or carried byte for byte."""

import json
import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from system.clock import ManualClock
from system.queue import DEPTH_MAX, InvalidJob, Queue
from system.store import Job, StoreError
from system.worker import Context, Worker
from tests.system.databases import Database
from tests.system.test_queue import nested, started

SQL = (
    "'; DROP TABLE jobs; --",
    '"); DELETE FROM audit; --',
    "%s %d ? ?1 :x @x $x {x}",
    "' OR '1'='1",
    "x' WHERE 1; PRAGMA user_version = 9; --",
    "/* \\' \\0 \\",
    "\x00'; DROP TABLE jobs",
)
NO_NULL = "cannot keep text with a null byte$"
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
in_one_database = settings(
    deadline=None,
    derandomize=True,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def plain(value: object) -> str:
    """The JSON text that a value has, in ASCII and without spaces."""
    return json.dumps(value, separators=(",", ":"))


def carry(queue: Queue, clock: ManualClock, database: Database, value: object) -> None:
    """Take a value through the queue as a payload and as an effect, and compare each byte on the way."""
    seen: list[str] = []

    def handler(job: Job, context: Context) -> None:
        seen.append(job.payload_json)
        context.write(job.payload)

    job = queue.enqueue(value)
    Worker(queue, handler, name="A", clock=clock).drain()
    text = plain(value)
    assert database.kept("payload", "jobs", f"id = {job.id}") == [text.encode("ascii")]
    assert database.kept("value", "effects", f"job_id = {job.id}") == [text.encode("ascii")]
    assert [job.payload_json, *seen] == [text, text]
    assert plain(json.loads(text)) == text


@in_one_database
@given(value=ANY_JSON)
def test_any_json_value_is_carried_byte_for_byte(
    queue: Queue, clock: ManualClock, database: Database, value: Any
) -> None:
    """What is enqueued, what the database holds, what the handler sees and what it writes are the same text.

    Only two surrogates that a reader would make one character of are refused.
    """
    if _has_pair(value):
        with pytest.raises(InvalidJob, match="a high and a low surrogate"):
            queue.enqueue(value)
    else:
        carry(queue, clock, database, value)
        assert json.loads(plain(value)) == value


def _has_pair(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_has_pair(name) or _has_pair(inner) for name, inner in value.items())
    if isinstance(value, list):
        return any(map(_has_pair, value))
    return isinstance(value, str) and PAIR.search(value) is not None


@in_one_database
@given(text=ANY_TEXT)
def test_any_text_is_a_key_and_a_name_or_is_refused(queue: Queue, database: Database, text: str) -> None:
    """Key, actor, worker and failure are kept byte for byte; what is no Unicode or empty is refused.

    So is a null byte where the database cannot keep it.
    """
    before = queue.store.jobs()
    if not text or re.search("[\ud800-\udfff]", text):
        with pytest.raises(InvalidJob, match=r"the idempotency key is (empty|not valid Unicode)"):
            queue.enqueue(1, key=text)
        assert queue.store.jobs() == before
        return
    if "\x00" in text and not database.null_bytes:
        with pytest.raises(StoreError, match=NO_NULL):
            queue.enqueue(1, key=text)
        assert queue.store.jobs() == before
        return
    accepted = queue.accept(1, key=text, actor=text)
    assert (accepted.job.key, accepted.job.id) == (text, queue.accept(2, key=text).job.id)
    if not accepted.existed:
        assert queue.fail(started(queue, text), detail=text)
        where = f"job_id = {accepted.job.id}"
        kept = database.kept("worker", "executions", where)
        kept += database.kept("detail", "audit", f"{where} AND event = 'failed'")
        kept += database.kept("actor", "audit", f"{where} AND event = 'enqueued'")
        kept += database.kept("key", "jobs", f"id = {accepted.job.id}")
        assert kept == [text.encode()] * 4


@pytest.mark.parametrize("character", ["x", "\x00", "\U0001f600", "\ud800", "'", "\\"], ids=ascii)
@pytest.mark.parametrize("size", [0, 1, 4_096, 100_000])
def test_a_payload_of_any_size_is_carried(
    queue: Queue, clock: ManualClock, database: Database, size: int, character: str
) -> None:
    """From no character to many, also of those that are longer as JSON."""
    carry(queue, clock, database, character * size)


@pytest.mark.parametrize(
    "value",
    ["x" * 10_000_000, "\ud800" * 1_700_000, list(range(1_400_000)), {"k" * 10_000_000: None}],
    ids=["text", "escapes", "numbers", "a name"],
)
def test_a_payload_of_10_mb_is_carried(
    queue: Queue, clock: ManualClock, database: Database, value: object
) -> None:
    """Ten megabytes are a payload and an effect like others."""
    assert len(plain(value)) >= 10_000_000
    carry(queue, clock, database, value)


def test_nesting_is_carried_up_to_a_limit(queue: Queue, clock: ManualClock, database: Database) -> None:
    """Lists and objects as deep as the limit are read back; one deeper is refused, however it ends."""
    inner: object = {}
    for _ in range(DEPTH_MAX - 1):
        inner = {"": inner}
    for value in (nested(DEPTH_MAX - 1), inner):
        carry(queue, clock, database, value)
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
        (10**5000, "a whole number of more than 4,300 digits"),
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


def test_a_key_of_10000_characters_is_a_key(queue: Queue, database: Database) -> None:
    """Keys that differ in their last character are two; the same again is the same job."""
    keys = ["k" * 9_999 + last for last in "ab\U0001f600"]
    jobs = [queue.enqueue(number, key=key) for number, key in enumerate(keys)]
    assert [queue.accept(9, key=key).job for key in keys] == jobs
    assert database.kept("key", "jobs") == [key.encode() for key in keys]


@pytest.mark.parametrize("text", SQL)
def test_sql_in_every_text_is_only_text(
    queue: Queue, clock: ManualClock, database: Database, text: str
) -> None:
    """In payload, key, actor, worker, failure and effect it is carried, and the tables are as they were."""
    if not database.null_bytes:
        text = text.replace("\x00", "\x01")
    schema = database.schema()
    for _ in range(2):
        assert queue.enqueue({text: text}, key=text, actor=text).id == 1
    assert queue.fail(started(queue, text), detail=text)
    clock.advance(1_000)
    assert queue.commit_json(started(queue, text), plain({text: text}))
    clock.advance(30_000)
    assert queue.reconcile(actor=text).finished == 1
    assert database.rows("SELECT payload, key FROM jobs") == [(plain({text: text}), text)]
    assert database.rows("SELECT worker FROM executions") == [(text,)] * 2
    assert database.rows("SELECT value FROM effects") == [(plain({text: text}),)]
    assert database.rows("SELECT DISTINCT actor FROM audit") == [(text,)]
    assert database.rows("SELECT detail FROM audit WHERE event = 'failed'") == [(text,)]
    assert database.schema() == schema
    assert database.sound()


@pytest.mark.parametrize("text", ["\ud800", "a\udcffb"], ids=ascii)
def test_a_name_that_is_no_unicode_is_refused(queue: Queue, database: Database, text: str) -> None:
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
        with pytest.raises(StoreError) as raised:
            refused()
        assert str(raised.value) == f"{database.shown}: text that is not valid Unicode cannot be kept"
    assert (list(queue.store.audit()), len(queue.store.jobs())) == (before, 1)
    assert queue.commit(execution_id, text)


def test_a_number_that_the_database_cannot_hold_is_refused(queue: Queue, database: Database) -> None:
    """An id of more than 64 bits is an error that says so, and nothing changes."""
    queue.enqueue(1)
    held = started(queue)
    queue.enqueue(1)
    before = list(queue.store.audit())
    for refused in (
        lambda: queue.start(evolve(held, id=2**63)),
        lambda: queue.store.audit(job_id=-(2**64)),
    ):
        with pytest.raises(StoreError) as raised:
            refused()
        assert str(raised.value) == f"{database.shown}: a number of more than 64 bits cannot be kept"
    assert (list(queue.store.audit()), len(queue.store.jobs())) == (before, 2)
