"""A file that is not a trace is refused in one line: which file and line, what is wrong, what is right."""

from pathlib import Path

import pytest

from failure_modes.checker.traces.trace import TraceError
from failure_modes.checker.traces.trace_reader import load
from model import invariants
from tests.checker.sample_traces import SMALL_TEXT

KEYS = "a trace has format, failure_mode, scope, breaks, why, actions"
ONE_OBJECT = "a trace is one JSON object"
INVARIANTS = f"known are {', '.join([rule.id for rule in invariants.INVARIANTS])}, or null for a divergence"
KNOWN = (
    "known are Step, Enqueue, Tick, Crash, Fail, Heartbeat, Reconcile, "
    "PowerLoss, LostReply, ThreadHeartbeat, Rollback, ClockBack, Release, Hang, TimeOut, ClockSkew"
)
SECONDS = "'seconds' must be from 0.001 to 1e9, in whole milliseconds, not "
ONCE = "each key occurs once"
WORKERS = "this scope has A, B, producer, reconciler"
POSITIVE = "it is positive, and at most 1e9"
HUGE = "1" * 5_000
DEEP = "[" * 100_000 + "]" * 100_000


def refusal(path: Path, content: str | bytes) -> str:
    """What is said of a file, after its name. Fails if that is not one line, or repeats the whole file."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(TraceError) as refused:
        load(path)
    text = str(refused.value)
    assert text.startswith(f"{path}:")
    assert text.isprintable(), "one line, without control characters"
    assert len(text) < len(str(path)) + 400
    return text.removeprefix(f"{path}:")


# Each case: what is changed in the small trace, into what, and what is said of it (line: what; right).
# The lines of the small trace: 2 format, 3 failure_mode, 4 scope, 5 breaks, 6 why, 7 actions, 8 Enqueue,
# 9 Step, 10 Tick, 11 Reconcile.

HEAD = [
    ('"format": 2,', '"format": 3,', "2: unknown format 3; this program reads format 1 and 2"),
    ('"format": 2,', '"format": "1",', '2: unknown format "1"; this program reads format 1 and 2'),
    ('"format": 2,', '"format": true,', "2: unknown format true; this program reads format 1 and 2"),
    ('"format": 2,', '"format": 1.0,', "2: unknown format 1.0; this program reads format 1 and 2"),
    ('"format": 2,', '"format": null,', "2: unknown format null; this program reads format 1 and 2"),
    ('"format": 2,', f'"format": {HUGE},', "2: unknown format Infinity; this program reads format 1 and 2"),
    ('  "format": 2,\n', "", f"1: 'format' is missing; {KEYS}"),
    ('  "why": "Nothing in particular.",\n', "", f"1: 'why' is missing; {KEYS}"),
    ('"why"', '"wy"', f"1: 'why' is missing; {KEYS}"),
    ('"format": 2,', '"format": 1,\n"extra": 0,', f'3: unknown key "extra"; {KEYS}'),
    ('"format": 2,', '"format": 1,\n"a\\nb": 0,', f'3: unknown key "a\\nb"; {KEYS}'),
    ('"format": 2,', '"format": 1,\n"format": 1,', f'3: "format" occurs twice; {ONCE}'),
    ('"why": "Noth', '"why": 3, "wh\\u0079": "Noth', f'6: "why" occurs twice; {ONCE}'),
    ('"Nothing in particular."', "7", "6: 'why' is 7; it is a string"),
    ('"Nothing in particular."', '{"actions": []}', "6: 'why' is {\"actions\": []}; it is a string"),
    ('"FM_001"', "1", "3: 'failure_mode' is 1; it is FM_ and three digits, or null"),
    ('"FM_001"', '""', "3: 'failure_mode' is \"\"; it is FM_ and three digits, or null"),
    ('"FM_001"', '"FM_001\\n"', "3: 'failure_mode' is \"FM_001\\n\"; it is FM_ and three digits, or null"),
    (
        '"FM_001"',
        '"FM_\\u0660\\u0660\\u0661"',
        "3: 'failure_mode' is \"FM_\\u0660\\u0660\\u0661\"; it is FM_ and three digits, or null",
    ),
]

SCOPE = [
    ('"workers": 2, ', '"workers": 2, "workers": 2, ', f'4: "workers" occurs twice; {ONCE}'),
    ('"workers": 2', '"workers": true', "4: 'workers' is true; it is a whole number"),
    ('"workers": 2', '"workers": 2.0', "4: 'workers' is 2.0; it is a whole number"),
    ('"workers": 2', '"workers": "2"', "4: 'workers' is \"2\"; it is a whole number"),
    ('"workers": 2', f'"workers": {HUGE}', "4: 'workers' is Infinity; it is a whole number"),
    ('"workers": 2', '"workers": 0', f"4: 'workers' is 0; {POSITIVE}"),
    ('"workers": 2', '"workers": 9', "4: 'workers' is 9; it is at most 8"),
    ('"transaction"', '"row"', "4: 'granularity' is \"row\"; it is transaction or statement"),
    ('"transaction"', "1", "4: 'granularity' is 1; it is a string"),
    ('"lease_seconds": 30', '"lease_seconds": false', "4: 'lease_seconds' is false; it is a number"),
    ('"lease_seconds": 30', '"lease_seconds": [30]', "4: 'lease_seconds' is [30]; it is a number"),
    ('"lease_seconds": 30', '"lease_seconds": 0', f"4: 'lease_seconds' is 0; {POSITIVE}"),
    ('"lease_seconds": 30', '"lease_seconds": -30', f"4: 'lease_seconds' is -30; {POSITIVE}"),
    ('"lease_seconds": 30', '"lease_seconds": NaN', f"4: 'lease_seconds' is NaN; {POSITIVE}"),
    ('"lease_seconds": 30', '"lease_seconds": 1e400', f"4: 'lease_seconds' is Infinity; {POSITIVE}"),
    ('"lease_seconds": 30', f'"lease_seconds": {HUGE}', f"4: 'lease_seconds' is Infinity; {POSITIVE}"),
    (
        '"lease_seconds": 30',
        '"lease_seconds": 0.0001',
        "4: 'lease_seconds' is 0.0001; it is in whole milliseconds",
    ),
    (
        '"workers": 2',
        '"workers": 2, "power_loss": 1',
        "4: 'power_loss' is 1; it is true or false",
    ),
    (
        '"workers": 2',
        '"workers": 2, "power_loss": true, "rollback": true',
        "4: 'scope' has rollback and power_loss; it has one of them",
    ),
    (
        '"workers": 2',
        '"workers": 2, "external": 1',
        "4: 'external' is 1; it is true or false",
    ),
    (
        '"workers": 2',
        f'"workers": 2, "jitter_seed": {2**63}',
        f"4: 'jitter_seed' is {2**63}; it has at most 64 bits",
    ),
    ('"attempts_max": 3', '"attempts_max": 0', f"4: 'attempts_max' is 0; {POSITIVE}"),
    ('"attempts_max": 3', '"attempts_max": 1.5', "4: 'attempts_max' is 1.5; it is a whole number"),
]

BREAKS = [
    (
        '{"invariant": "INV_001", "step": 3}',
        '"INV_001"',
        "5: 'breaks' is \"INV_001\"; it is an object of invariant, step",
    ),
    (', "step": 3', "", '5: \'breaks\' is {"invariant": "INV_001"}; it is an object of invariant, step'),
    (
        '"INV_001"',
        '"INV_009"',
        f'5: unknown invariant "INV_009"; {INVARIANTS}',
    ),
    ('"INV_001"', "[]", f"5: unknown invariant []; {INVARIANTS}"),
    *[
        (
            '"step": 3',
            f'"step": {wrong}',
            f"5: 'step' is {told}; it is from 1 to 4, or null for the recovery",
        )
        for wrong, told in {
            "0": "0",
            "5": "5",
            "-1": "-1",
            "true": "true",
            "3.0": "3.0",
            '"3"': '"3"',
            "NaN": "NaN",
            HUGE: "Infinity",
        }.items()
    ],
]

ACTIONS = [
    ('"Step"', '"Stp"', f'9: unknown action "Stp"; {KNOWN}'),
    ('"Step"', '"step"', f'9: unknown action "step"; {KNOWN}'),
    ('{"action": "Step", "worker": "A"}', "7", '9: 7 is not an action; write {"action": NAME, …}'),
    ('{"action": "Step", "worker": "A"}', "null", '9: null is not an action; write {"action": NAME, …}'),
    ('{"action": "Step", ', "{", '9: {"worker": "A"} is not an action; write {"action": NAME, …}'),
    (
        '"action": "Step"',
        '"action": 1',
        '9: {"action": 1, "worker": "A"} is not an action; write {"action": NAME, …}',
    ),
    ('"Step", "worker": "A"', '"Step"', "9: Step has no arguments; it takes worker"),
    ('"Step", "worker"', '"Step", "name"', '9: Step has "name"; it takes worker'),
    ('"Step", "worker"', '"Step", "a\\nb"', '9: Step has "a\\nb"; it takes worker'),
    (
        '"Reconcile"',
        '"Reconcile", "worker": "A"',
        '11: Reconcile has "worker"; it takes no arguments, and may have process',
    ),
    ('"Tick", ', '"Tick", "worker": "A", ', '10: Tick has "worker", "seconds"; it takes seconds'),
    ('"Step", ', '"Step", "worker": "B", ', f'9: "worker" occurs twice; {ONCE}'),
    ('"worker": "A"', '"worker": 1', '9: Step: bad argument {"worker": 1}; worker is a non-empty string'),
    ('"worker": "A"', '"worker": ""', '9: Step: bad argument {"worker": ""}; worker is a non-empty string'),
    ('"worker": "A"', '"worker": "C"', f'9: there is no worker "C"; {WORKERS}'),
    ('"worker": "A"', '"worker": "A\\n"', f'9: there is no worker "A\\n"; {WORKERS}'),
    ('"key": "k1"', '"key": ""', '8: Enqueue: bad argument {"key": ""}; key is a non-empty string'),
    (
        '"key": "k1"',
        '"name": "k1"',
        '8: Enqueue has "name"; it takes key, and may have poison, and may have payload',
    ),
    (
        '"key": "k1"',
        '"key": "k1", "poison": 1',
        '8: Enqueue: bad argument {"key": "k1", "poison": 1}; '
        "key is a non-empty string and poison is true or false",
    ),
    (
        '"key": "k1"',
        '"key": "k1", "payload": 1',
        '8: Enqueue: bad argument {"key": "k1", "payload": 1}; '
        "key is a non-empty string and payload is a string",
    ),
    ('"key": "k1"', '"key": null', '8: Enqueue: bad argument {"key": null}; key is a non-empty string'),
    *[
        ("0.5", wrong, f'10: Tick: bad argument {{"seconds": {told}}}; {SECONDS}{repr_}')
        for wrong, told, repr_ in (
            ("0", "0", "0"),
            ("-1", "-1", "-1"),
            ("0.0005", "0.0005", "0.0005"),
            ("NaN", "NaN", "nan"),
            ("1e400", "Infinity", "inf"),
            ("-Infinity", "-Infinity", "-inf"),
            (HUGE, "Infinity", "inf"),
            ("1" + "0" * 18, "1" + "0" * 18, "1" + "0" * 18),
        )
    ],
    *[
        (
            "0.5",
            wrong,
            f"10: Tick: bad argument {{\"seconds\": {wrong}}}; 'seconds' must be a number, not {repr_}",
        )
        for wrong, repr_ in (("true", "True"), ('"1"', "'1'"), ("null", "None"), ("[1]", "[1]"))
    ],
]

CASES = [*HEAD, *SCOPE, *BREAKS, *ACTIONS]


@pytest.mark.parametrize(("good", "bad", "said"), CASES, ids=[case[2][:60] for case in CASES])
def test_a_bad_value_is_refused_where_it_stands(tmp_path: Path, good: str, bad: str, said: str) -> None:
    """The line, what stands there, and what would be right, whatever is wrong with the file."""
    assert SMALL_TEXT.count(good) == 1, "a case changes one thing"
    assert refusal(tmp_path / "trace.json", SMALL_TEXT.replace(good, bad)) == said


@pytest.mark.parametrize("bad", ["", '"workers": 2, "more": 1, '])
def test_a_scope_names_all_its_settings_and_no_others(tmp_path: Path, bad: str) -> None:
    """A scope with a key too few or too many is refused, with the keys it has."""
    said = refusal(tmp_path / "trace.json", SMALL_TEXT.replace('"workers": 2, ', bad))
    assert said.startswith("4: 'scope' is {")
    assert said.endswith(
        "; it is an object of workers, granularity, lease_seconds, attempts_max, backoff_seconds, "
        "backoff_max_seconds"
    )


WHOLE_FILES = [
    pytest.param("", f"1: the file ends too early; {ONE_OBJECT}", id="empty"),
    pytest.param("\n\n", f"3: the file ends too early; {ONE_OBJECT}", id="blank"),
    pytest.param('{\n"format": 1,\n', f"3: the file ends too early; {ONE_OBJECT}", id="cut short"),
    pytest.param(
        "{\n'format': 1}",
        f"2: not JSON: Expecting property name enclosed in double quotes; {ONE_OBJECT}",
        id="not JSON",
    ),
    pytest.param("{}\n{}", f"2: not JSON: Extra data; {ONE_OBJECT}", id="two objects"),
    pytest.param("[]", f"1: the file holds a list; {ONE_OBJECT}", id="a list"),
    pytest.param("null", f"1: the file holds a NoneType; {ONE_OBJECT}", id="null"),
    pytest.param(HUGE, f"1: the file holds a float; {ONE_OBJECT}", id="a number of 5,000 digits"),
    pytest.param("{}", f"1: 'format' is missing; {KEYS}", id="an object without keys"),
    pytest.param(DEEP, "1: too many levels of nesting; a trace has three levels", id="nested 100,000 deep"),
    pytest.param(
        SMALL_TEXT.replace('"A"', DEEP),
        "9: too many levels of nesting; a trace has three levels",
        id="an argument nested",
    ),
    pytest.param(
        SMALL_TEXT.replace("\n", "\r\n").replace('"Step"', '"Stp"'),
        f'9: unknown action "Stp"; {KNOWN}',
        id="lines that end in CR LF",
    ),
    pytest.param(
        "\n" + SMALL_TEXT.replace("\n", "").replace('{"action": "Step"', '\n{"action": "Stp"'),
        f'3: unknown action "Stp"; {KNOWN}',
        id="another layout",
    ),
    pytest.param(
        SMALL_TEXT.replace('"actions"', '"\\u0061ctions"').replace('"Step"', '"Stp"'),
        f'9: unknown action "Stp"; {KNOWN}',
        id="a key written in another way",
    ),
    pytest.param(b'{\n"why": "\xff"}', "2: byte 10 is not UTF-8; a trace is UTF-8 JSON", id="not UTF-8"),
    pytest.param(SMALL_TEXT.encode("utf-16"), "1: byte 0 is not UTF-8; a trace is UTF-8 JSON", id="UTF-16"),
    pytest.param(
        SMALL_TEXT.encode("utf-8-sig"),
        f"1: not JSON: Unexpected UTF-8 BOM (decode using utf-8-sig); {ONE_OBJECT}",
        id="a byte order mark",
    ),
]


@pytest.mark.parametrize(("content", "said"), WHOLE_FILES)
def test_a_file_that_is_no_trace_at_all_is_refused(tmp_path: Path, content: str | bytes, said: str) -> None:
    """Whatever a file holds, the line says where reading it came to an end."""
    assert refusal(tmp_path / "trace.json", content) == said


@pytest.mark.parametrize("value", ["{}", '"Step"', "null"])
def test_the_actions_are_a_list(tmp_path: Path, value: str) -> None:
    """Anything else in the place of the list is refused, at its line."""
    head, _, _ = SMALL_TEXT.partition('"actions": ')
    said = refusal(tmp_path / "trace.json", f'{head}"actions": {value}}}')
    assert said.startswith("7: 'actions' is a ")
    assert said.endswith("; it is a list")


def test_a_long_value_is_not_repeated_in_full(tmp_path: Path) -> None:
    """A message stays one short line, however long the value is that it is about."""
    said = refusal(tmp_path / "trace.json", SMALL_TEXT.replace('"Step"', f'"{"x" * 10_000}"'))
    assert said.startswith('9: unknown action "xxx')
    assert said.endswith(f"x…; {KNOWN}")


def test_a_file_that_cannot_be_read_is_refused_by_name(tmp_path: Path) -> None:
    """A path that is missing, a directory, below a file, or no path at all is named, with what to give."""
    file = tmp_path / "file"
    file.touch()
    for path, what in (
        (tmp_path / "missing.json", "no such file or directory"),
        (tmp_path, "is a directory"),
        (file / "below.json", "not a directory"),
        (tmp_path / "a\0b", "embedded null byte"),
        (tmp_path / ("x" * 300), "file name too long"),
    ):
        with pytest.raises(TraceError) as refused:
            load(path)
        assert str(refused.value) == f"{path}: {what}; give the path of a trace"
