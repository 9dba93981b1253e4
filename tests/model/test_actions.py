"""The alphabet: an action that cannot mean anything cannot be made."""

from typing import Any

import pytest

from model.actions import (
    ACTIONS,
    PRODUCER,
    RECONCILER,
    Action,
    ClockBack,
    ClockSkew,
    Crash,
    Enqueue,
    Fail,
    Hang,
    Heartbeat,
    LostReply,
    PowerLoss,
    Reconcile,
    Release,
    Rollback,
    Step,
    ThreadHeartbeat,
    Tick,
    TimeOut,
    actor_of,
)


@pytest.mark.parametrize(
    "seconds", [0, 0.0, -1, 0.0009, 0.0015, 1e9 + 1, float("nan"), float("inf"), float("-inf")]
)
def test_time_passes_in_whole_milliseconds_and_forwards(seconds: float) -> None:
    """A tick of nothing, of less than nothing, of part of a millisecond or of no number at all is refused."""
    with pytest.raises(
        ValueError, match=r"'seconds' must be from 0\.001 to 1e9, in whole milliseconds, not "
    ):
        Tick(seconds=seconds)


@pytest.mark.parametrize("seconds", [True, False, "1", None, 1j])
def test_time_is_a_number(seconds: object) -> None:
    """A tick of something that is no number is refused, and a truth value is no number."""
    with pytest.raises(TypeError, match="'seconds' must be a number, not "):
        Tick(seconds=seconds)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "milliseconds"), [(0.001, 1), (29.999, 29_999), (30, 30_000), (1e9, 10**12)]
)
def test_a_tick_is_exact_to_the_millisecond(seconds: float, milliseconds: int) -> None:
    """The milliseconds of a tick are the seconds it was made with, from the shortest to the longest."""
    assert Tick(seconds=seconds).milliseconds == milliseconds


@pytest.mark.parametrize("name", ["", 1, None])
@pytest.mark.parametrize("kind", [Step, Fail, Heartbeat, Crash, Enqueue])
def test_a_name_is_a_string_that_is_not_empty(kind: type[Action], name: object) -> None:
    """A worker without a name, or a job under no key, is refused."""
    arguments: dict[str, Any] = {"key" if kind is Enqueue else "worker": name}
    with pytest.raises((TypeError, ValueError)):
        kind(**arguments)


def test_each_action_moves_one_process_or_time() -> None:
    """Whom an action moves follows from what it is, and there is nothing else in the alphabet."""
    moved: dict[type[Action], str | None] = {
        Step: "A",
        Fail: "A",
        Heartbeat: "A",
        Crash: "A",
        Enqueue: PRODUCER,
        Reconcile: RECONCILER,
        Tick: None,
        PowerLoss: None,
        LostReply: "A",
        ThreadHeartbeat: "A.heartbeat",
        Rollback: None,
        ClockBack: None,
        Release: "A",
        Hang: "A",
        TimeOut: "A",
        ClockSkew: None,
    }
    arguments: dict[type[Action], dict[str, Any]] = {
        Enqueue: {"key": "k"},
        Tick: {"seconds": 1},
        Reconcile: {},
        PowerLoss: {},
        Rollback: {"commits": 1},
        ClockBack: {"seconds": 1},
        ClockSkew: {"worker": "A", "seconds": -1},
    }
    assert set(ACTIONS) == set(moved)
    assert {kind: actor_of(kind(**arguments.get(kind, {"worker": "A"}))) for kind in ACTIONS} == moved


@pytest.mark.parametrize("commits", [True, "1", 1.0])
def test_the_commits_of_a_rollback_are_a_whole_number(commits: object) -> None:
    """A rollback of a truth value, of a text or of a fraction is refused."""
    values: dict[str, Any] = {"commits": commits}
    with pytest.raises(TypeError, match="'commits' must be a whole number, not "):
        Rollback(**values)
