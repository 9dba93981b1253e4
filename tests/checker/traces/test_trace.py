"""The JSON form of a trace: what is written can be read, and reads as what was written."""

import json
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.scope import WORKER_NAMES
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.trace import Trace, TraceError, to_json
from failure_modes.checker.traces.trace_reader import load
from model.actions import (
    PRODUCER,
    RECONCILER,
    RECONCILERS,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    Reconcile,
    Step,
    Tick,
)
from tests.checker.sample_traces import SMALL, SMALL_TEXT, traces

KEPT = [path for path, _ in all_kept()]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a trace may be written."""
    return tmp_path_factory.mktemp("traces") / "trace.json"


def test_the_text_of_a_trace_is_what_it_was() -> None:
    """The form is one that a review can read: the head a key a line, then an action a line."""
    assert to_json(SMALL) == SMALL_TEXT


@settings(deadline=None)
@given(trace=traces())
def test_what_is_written_reads_as_what_was_written(path: Path, trace: Trace) -> None:
    """Any trace survives being written and read, and then is written as it was."""
    text = to_json(trace)
    path.write_text(text, encoding="utf-8")
    again = load(path)
    assert again == trace
    assert to_json(again) == text


@settings(deadline=None)
@given(trace=traces())
def test_a_trace_has_an_action_a_line_in_plain_ascii(trace: Trace) -> None:
    """However odd its strings are, each key of the head and each action is one line of JSON in ASCII."""
    text = to_json(trace)
    assert text.isascii()
    lines = [line for line in text.splitlines() if line]
    head, actions = lines[:7], lines[7:-2]
    assert (head[0], head[-1], lines[-2:]) == ("{", '  "actions": [', ["  ]", "}"])
    assert [json.loads(f"{{{line.rstrip(',')}}}").keys() for line in head[1:-1]] == [
        {"format"},
        {"failure_mode"},
        {"scope"},
        {"breaks"},
        {"why"},
    ]
    names = [json.loads(line.rstrip(","))["action"] for line in actions]
    assert names == [type(action).__name__ for action in trace.actions]


@settings(deadline=None)
@given(trace=traces(), indent=st.sampled_from([None, 0, 3]), ending=st.sampled_from(["\n", "\r\n"]))
def test_the_layout_of_the_file_does_not_matter(
    path: Path, trace: Trace, indent: int | None, ending: str
) -> None:
    """The same JSON on one line, or on many, or with other line ends, is the same trace."""
    text = json.dumps(json.loads(to_json(trace)), indent=indent)
    path.write_bytes(text.replace("\n", ending).encode())
    assert load(path) == trace


@pytest.mark.parametrize("kept", KEPT, ids=[kept.stem for kept in KEPT])
def test_a_file_cut_short_anywhere_is_refused(kept: Path, path: Path) -> None:
    """Whatever the byte it ends at it is refused, but for the last line end, without which it is whole."""
    whole = kept.read_bytes()
    trace = load(kept)
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        if length == len(whole) - 1:
            assert load(path) == trace
            continue
        with pytest.raises(TraceError) as refused:
            load(path)
        last = whole.count(b"\n", 0, length) + 1
        place, what, right = _parts(path, refused.value)
        assert 1 <= place <= last, refused.value
        assert what == "the file ends too early" or what.startswith("not JSON: "), refused.value
        assert right == "a trace is one JSON object", refused.value


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_file_with_any_byte_changed_is_a_trace_or_is_refused(path: Path, data: st.DataObject) -> None:
    """A changed file gives a trace or one line of TraceError, and never another exception."""
    whole = bytearray(KEPT[0].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(whole) - 1))
        whole[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(bytes(whole))
    _refused_or_written_again(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_file_with_any_value_replaced_is_a_trace_or_is_refused(path: Path, data: st.DataObject) -> None:
    """Any JSON value in any place gives a trace or one line of TraceError, and never another exception."""
    top = json.loads(SMALL_TEXT)
    holder: object = top
    while True:
        assert isinstance(holder, dict | list)
        key = data.draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[key], dict | list) or data.draw(st.booleans()):
            break
        holder = holder[key]
    holder[key] = data.draw(_JSON)
    path.write_text(json.dumps(top, indent=2), encoding="utf-8")
    _refused_or_written_again(path)


def _refused_or_written_again(path: Path) -> None:
    """A file is a trace, and written anew it is the same one; or it is refused, with a line that it has."""
    try:
        trace = load(path)
    except TraceError as refused:
        error = refused
    else:
        path.write_text(to_json(trace), encoding="utf-8")
        assert load(path) == trace
        return
    line, _, _ = _parts(path, error)
    assert 1 <= line <= len(path.read_bytes().splitlines()) + 1


def _parts(path: Path, error: TraceError) -> tuple[int, str, str]:
    """The line, what is wrong there, and what would be right: a message has exactly these."""
    text = str(error)
    assert text.isprintable(), text
    assert text.startswith(f"{path}:"), text
    line, _, rest = text.removeprefix(f"{path}:").partition(": ")
    what, _, right = rest.rpartition("; ")
    assert what
    assert right
    return int(line), what, right


# Canonical names.

RENAMED = [
    pytest.param(
        (Enqueue(key="z"), Enqueue(key="a"), Enqueue(key="z")),
        (Enqueue(key="k1"), Enqueue(key="k2"), Enqueue(key="k1")),
        id="keys",
    ),
    pytest.param(
        (Enqueue(key="z", poison=True), Enqueue(key="p7"), Enqueue(key="a", poison=True), Enqueue(key="z")),
        (
            Enqueue(key="p1", poison=True),
            Enqueue(key="k1"),
            Enqueue(key="p2", poison=True),
            Enqueue(key="p1"),
        ),
        id="keys of poison jobs",
    ),
    pytest.param(
        (Step(worker="C"), Crash(worker="A"), Fail(worker="C"), Heartbeat(worker="B")),
        (Step(worker="A"), Crash(worker="B"), Fail(worker="A"), Heartbeat(worker="C")),
        id="workers",
    ),
    pytest.param(
        (Step(worker=PRODUCER), Step(worker="B"), Crash(worker=RECONCILER), Tick(seconds=1), Reconcile()),
        (Step(worker=PRODUCER), Step(worker="A"), Crash(worker=RECONCILER), Tick(seconds=1), Reconcile()),
        id="what has one name only keeps it",
    ),
]


@pytest.mark.parametrize(("actions", "renamed"), RENAMED)
def test_workers_and_keys_are_named_in_order_of_appearance(
    actions: tuple[Action, ...], renamed: tuple[Action, ...]
) -> None:
    """The first worker to move is A and the first key is k1, and so on; all else stays."""
    assert canonical(actions) == renamed


@pytest.mark.parametrize("kind", [Step, Reconcile])
def test_every_name_may_be_in_use(kind: type[Step] | type[Reconcile]) -> None:
    """A trace may name each worker, or each reconciler, and one of them again."""
    names = WORKER_NAMES if kind is Step else RECONCILERS
    actions = tuple([Step(worker=name) if kind is Step else Reconcile(process=name) for name in names])
    assert canonical((*actions, actions[0])) == (*actions, actions[0])


@given(trace=traces())
def test_canonical_names_are_final(trace: Trace) -> None:
    """Renaming again changes nothing, and no action becomes another kind of action."""
    once = canonical(trace.actions)
    assert canonical(once) == once
    assert [type(action) for action in once] == [type(action) for action in trace.actions]


def test_traces_that_differ_in_names_only_are_the_same_violation() -> None:
    """Names and the reason given do not count; actions, their order, scope and what is broken do."""
    one = evolve(SMALL, actions=(Enqueue(key="x"), Step(worker="B"), Step(worker="A")))
    for same in (
        evolve(one, why="other"),
        evolve(one, actions=(Enqueue(key="y"), Step(worker="A"), Step(worker="B"))),
    ):
        assert one.same_violation(same)
        assert same.same_violation(one)
    for other in (
        evolve(one, actions=(Enqueue(key="x"), Step(worker="B"), Step(worker="B"))),
        evolve(one, actions=(Step(worker="B"), Enqueue(key="x"), Step(worker="A"))),
        evolve(one, breaks=evolve(one.breaks, invariant="INV_002")),
        evolve(one, breaks=evolve(one.breaks, step=2)),
        evolve(one, scope=evolve(one.scope, workers=3)),
    ):
        assert not one.same_violation(other)
        assert not other.same_violation(one)
