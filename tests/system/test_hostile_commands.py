"""Hostile values through the command line: each is refused in one line, or carried byte for byte."""

import json
import re
from pathlib import Path

import pytest

from system.queue import DEPTH_MAX
from tests.system.commands import fine, refused
from tests.system.databases import Database
from tests.system.processes import ran
from tests.system.test_hostile_input import SQL, plain

pytestmark = pytest.mark.usefixtures("folder")

HOSTILE = """
def copy(job, context):
    context.write(job.payload)


def fail(job, context):
    raise ValueError(job.payload)
"""
NULL = "\\u0000"
PAYLOADS = {
    "no character": '""',
    "10 MB": f'"{"x" * 10_000_000}"',
    "10 MB of escapes": f'"{NULL * 1_700_000}"',
    "nesting": "[" * DEPTH_MAX + "]" * DEPTH_MAX,
    "lone surrogates": '["\\ud800","\\udc00\\ud800","\\udfff"]',
    "a huge integer": "-" + "9" * 4_300,
    "null bytes": '{"\\u0000":"\\u0000\\u0000"}',
    "floats": "[-0.0,5e-324,1.7976931348623157e+308,0.1,1e+16]",
    "SQL": plain(SQL),
}


@pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)
def test_a_payload_on_stdin_is_carried_byte_for_byte(payload: str, database: Database, folder: Path) -> None:
    """What a real process reads, what the file holds and what a handler copies are the same bytes."""
    (folder / "hostile.py").write_text(HOSTILE)
    enqueued = ran(folder, "enqueue", "-", stdin=payload.encode())
    assert (enqueued.returncode, enqueued.stdout, enqueued.stderr) == (0, b"1\n", b"")
    assert ran(folder, "work", "hostile:copy", "--drain").returncode == 0
    kept = database.kept("payload", "jobs") + database.kept("value", "effects")
    assert kept == [payload.encode()] * 2
    assert json.loads(kept[0]) == json.loads(payload)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("1.10", "1.1"),
        ("1E2", "100.0"),
        ("0.10000000000000001", "0.1"),
        ("0.1000000000000000055511151231257827", "0.1"),
        ("123456789012345680000.0", "1.2345678901234568e+20"),
        ("0.0e5", "0.0"),
        ("-0.000", "-0.0"),
        ('{ "\u00e9" : [ ] }', '{"\\u00e9":[]}'),
        ('"\\ud83d\\ude00"', '"\\ud83d\\ude00"'),
        ('"\\/"', '"/"'),
    ],
    ids=ascii,
)
def test_a_payload_is_kept_in_one_spelling(given: str, kept: str, database: Database) -> None:
    """The value is the same: a number is spelt as short as can be, text in ASCII, without spaces."""
    fine("enqueue", "--", given)
    assert database.rows("SELECT payload FROM jobs") == [(kept,)]
    assert json.loads(kept) == json.loads(given)


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "Expecting value"),
        (b" \n", "Expecting value"),
        (b"\x00", "Expecting value"),
        (b'"\x00"', "Invalid control character"),
        (b"\xef\xbb\xbf1", "Unexpected UTF-8 BOM"),
        ('"x"'.encode("utf-16"), "PAYLOAD on stdin is not UTF-8"),
        (b'"\xed\xa0\x80"', "PAYLOAD on stdin is not UTF-8"),
        (b"[NaN]", "NaN is not a JSON number"),
        (b"-1e400", "Out of range"),
        (b"1e-400", "JSON that cannot be kept: 1e-400 would become 0.0; put it in quotes"),
        (b"1e-99999999999999999999", "would become 0.0"),
        (b"9007199254740993.0", "9007199254740993.0 would become 9007199254740992.0"),
        (b"[12345678901234567890.12]", "would become 1.2345678901234567e+19"),
        (b"9" * 4_301, "a whole number has 4,301 digits, and 4,300 are the most"),
        (b'{"a": 1, "a": 2}', "JSON that cannot be kept: an object has the name 'a' 2 times"),
        (b'[{"b": {"\\u0061\\n": 1, "a\\n": 1}}]', r"the name 'a\n' 2 times"),
        (b"[" * (DEPTH_MAX + 1) + b"]" * (DEPTH_MAX + 1), f"nested more than {DEPTH_MAX} deep"),
        (b'{"":' * 100_000 + b"1" + b"}" * 100_000, "nested more than 500 deep"),
        (SQL[0].encode(), "PAYLOAD is not JSON: "),
    ],
    ids=lambda text: ascii(text)[:24],
)
def test_a_payload_that_cannot_be_kept_is_refused(payload: bytes, why: str, path: Path) -> None:
    """It is told in one line, and nothing is created."""
    assert why in refused("enqueue", "-", stdin=payload)
    assert not path.exists()


@pytest.mark.parametrize(
    "payload",
    [f"0.{'1' * 10_000_000}", f'{{"{"k" * 5_000_000}":1,"{"k" * 5_000_000}":1}}'],
    ids=["digits", "names"],
)
def test_a_refusal_is_short_also_where_the_payload_is_not(payload: str, path: Path) -> None:
    """Of 10 MB that cannot be kept the line shows how they begin."""
    assert len(refused("enqueue", "-", stdin=payload)) < 250
    assert not path.exists()


def test_a_key_and_a_name_of_10000_characters_are_carried(database: Database) -> None:
    """As arguments they are kept whole, and a key that differs in its last character is another."""
    key, name = "k" * 10_000, "w" * 10_000
    assert [fine("enqueue", "1", "--key", text) for text in (key, key[:-1] + "x", key)] == [
        "1\n",
        "2\n",
        "1\n",
    ]
    fine("work", "handlers:echo", "--once", "--name", name)
    assert name in fine("audit", "1")
    assert database.rows("SELECT key FROM jobs ORDER BY id") == [(key,), (key[:-1] + "x",)]
    assert database.rows("SELECT worker FROM executions") == [(name,)]
    assert f"--key '{'k' * 99}...: " in refused("enqueue", "1", "--key", f"{key[:-1]}\udcff")


@pytest.mark.parametrize("text", [text for text in SQL if "\x00" not in text])
def test_sql_in_every_argument_is_only_text(text: str, database: Database, folder: Path) -> None:
    """In payload, key, name, failure and effect it is carried, and the tables are as they were."""
    (folder / "hostile.py").write_text(HOSTILE)
    assert ran(folder, "enqueue", plain(text), "--key", text).stdout == b"1\n"
    schema = database.schema()
    for handler in ("fail", "copy"):
        fine("enqueue", plain(text), "--key", handler)
        fine("work", f"hostile:{handler}", "--drain", "--name", text)
    assert database.rows("SELECT payload, key FROM jobs WHERE id = 1") == [(plain(text), text)]
    assert database.rows("SELECT DISTINCT worker FROM executions") == [(text,)]
    assert set(database.rows("SELECT detail FROM audit WHERE event = 'failed'")) == {(f"ValueError: {text}",)}
    assert database.rows("SELECT value FROM effects") == [(plain(text),)]
    assert database.schema() == schema
    assert database.sound()
    assert f"ValueError: {text}" in fine("audit", "1")


@pytest.mark.parametrize("text", SQL)
def test_sql_elsewhere_is_refused(text: str, database: Database) -> None:
    """As a handler, a job's id or a number it is bad usage, told in one line."""
    fine("enqueue", "1")
    for arguments in (
        ("work", text),
        ("work", f"handlers:{text}"),
        ("audit", text),
        ("enqueue", "1", "--attempts", text),
        ("work", "handlers:echo", "--lease-seconds", text),
    ):
        refused(*arguments)
    assert database.rows("SELECT count(*) FROM audit") == [(1,)]


def test_null_bytes_are_shown_as_escapes(database: Database) -> None:
    """A null byte cannot be in an argument; one that an exception has is kept as an escape."""
    Path("hostile.py").write_text(HOSTILE)
    fine("enqueue", '"a\\u0000b"')
    fine("work", "hostile:fail", "--once")
    assert database.kept("detail", "audit") == [rb"ValueError: a\x00b"]
    assert fine("audit", "1").splitlines()[-1].endswith(r"ValueError: a\x00b")
    last = json.loads(fine("audit", "1", "--json"))["history"][-1]
    assert last["detail"] == r"ValueError: a\x00b"


def test_a_module_that_raises_what_is_no_exception_is_refused() -> None:
    """Whatever an import raises, and also what cannot be shown, is told in one line."""
    Path("leaving.py").write_text("class Own(BaseException):\n    pass\n\n\nraise Own('no\\nway')\n")
    Path("mute.py").write_text(
        "class Mute(Exception):\n    def __str__(self):\n        raise SystemExit(0)\n\n\nraise Mute\n"
    )
    fine("enqueue", "1")
    for module, told in (("leaving", r"Own: no\\nway"), ("mute", "Mute")):
        assert re.search(f"importing '{module}' raised {told}$", refused("work", f"{module}:f"))
