"""The halves of the local edits: each shortens a trace that no other edit shortens.

No system runs: a rule says which traces fail. With all edits the shortest trace is found, and without one of
them it is not.
"""

from typing import Any

import pytest
from attrs import frozen

from failure_modes.checker.search import edits
from failure_modes.checker.search.edits import minimise, remove_events, remove_unneeded
from model.actions import Action, Enqueue, Reconcile, Step, Tick
from tests.checker.proof.explorer_halves import Patch

A, B, C = [Step(worker=name) for name in "ABC"]
K1, SECOND, LEASE, KEEP = Enqueue(key="k1"), Tick(seconds=1), Tick(seconds=30), Reconcile()
Trace = tuple[Action, ...]


@frozen(kw_only=True)
class Edit:
    """Both traces fail, and no other trace does. `blind` takes the edit out."""

    found: Trace
    shortest: Trace
    blind: Patch
    at_server: bool = False


def _without(name: str) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(edits, name, lambda *_: iter(()))


def _without_groups_of(number: int) -> Patch:
    usual: Any = vars(edits)["combinations"]

    def combinations(values: Any, together: int) -> Any:
        return iter(()) if together == number else usual(values, together)

    return lambda monkeypatch: monkeypatch.setattr(edits, "combinations", combinations)


def _without_single(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a server no single action is removed."""
    usual: Any = vars(edits)["_removed"]
    monkeypatch.setattr(
        edits, "_removed", lambda actions, chosen: actions if len(chosen) == 1 else usual(actions, chosen)
    )


EDITS = {
    "a stretch": Edit(
        found=(K1, SECOND, LEASE, SECOND, KEEP, A), shortest=(K1, A), blind=_without("_stretches")
    ),
    "two actions apart": Edit(
        found=(K1, SECOND, A, LEASE, B), shortest=(K1, A, B), blind=_without_groups_of(2)
    ),
    "three actions apart": Edit(
        found=(K1, SECOND, A, LEASE, B, KEEP, A), shortest=(K1, A, B, A), blind=_without_groups_of(3)
    ),
    "a step of the other worker": Edit(
        found=(K1, B, SECOND, A, A), shortest=(K1, A, A, A), blind=_without("_reassigned")
    ),
    "all steps from one on, and two actions fewer": Edit(
        found=(K1, A, SECOND, B, LEASE, B, B), shortest=(K1, A, A, A, A), blind=_without("_reassigned")
    ),
    "at a server, one action": Edit(
        found=(K1, SECOND, A), shortest=(K1, A), blind=_without_single, at_server=True
    ),
    "at a server, a stretch at the beginning": Edit(
        found=(SECOND, LEASE, KEEP, K1, A),
        shortest=(K1, A),
        blind=lambda monkeypatch: monkeypatch.setattr(edits, "STRETCH_MAX", 1),
        at_server=True,
    ),
    "at a server, two actions apart": Edit(
        found=(K1, SECOND, A, LEASE, B), shortest=(K1, A, B), blind=_without_groups_of(2), at_server=True
    ),
}


def _attempt(edit: Edit) -> Any:
    return lambda actions: actions if actions in (edit.found, edit.shortest) else None


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_alone_leads_to_the_shortest_trace(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the edit it is found, and without it it is not."""
    edit = EDITS[name]
    assert minimise(edit.found, _attempt(edit), at_server=edit.at_server) == edit.shortest
    edit.blind(monkeypatch)
    assert minimise(edit.found, _attempt(edit), at_server=edit.at_server) == edit.found


def test_at_a_server_a_step_moves_to_the_pause_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The moved trace is as long, and fails two actions sooner; without the edit nothing is shorter."""
    found, moved = (K1, C, B, C, SECOND, KEEP), (K1, C, C, B, SECOND, KEEP)

    def attempt(actions: Trace) -> Trace | None:
        return found if actions == found else actions[:4] if actions == moved else None

    assert minimise(found, attempt, at_server=True) == (K1, C, C, B)
    _without("_moved")(monkeypatch)
    assert minimise(found, attempt, at_server=True) == found


def test_at_a_server_a_step_of_the_other_worker_may_fail_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third worker is never exchanged."""
    found, other = (K1, C, B, SECOND), (K1, C, A, SECOND)

    def attempt(actions: Trace) -> Trace | None:
        return found if actions == found else actions[:3] if actions == other else None

    assert minimise(found, attempt, at_server=True) == (K1, C, A)
    _without("_reassigned")(monkeypatch)
    assert minimise(found, attempt, at_server=True) == found


def test_events_are_removed_and_steps_are_not() -> None:
    """What is left has every step, and each event that is needed; one run is made for each event."""
    tried = []

    def attempt(actions: Trace) -> Trace | None:
        tried.append(actions)
        return actions if K1 in actions else None

    assert remove_events((K1, A, SECOND, B, KEEP, A), attempt) == (K1, A, B, A)
    assert len(tried) == 3


def test_the_number_of_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is shorter, `RUNS_MAX` runs are made, and fewer at a server."""
    for name, at_server, most in (("RUNS_MAX", False, 7), ("RUNS_MAX_AT_SERVER", True, 5)):
        tried: list[Trace] = []
        monkeypatch.setattr(edits, name, most)
        assert minimise((K1, A, B, SECOND), tried.append, at_server=at_server) == (K1, A, B, SECOND)
        assert len(tried) == most


def test_a_trace_that_is_as_long_is_not_shorter() -> None:
    """Where a run without an action fails after as many actions, nothing is gained."""
    answers = iter([(K1, B)])
    assert remove_unneeded((K1, A), lambda _: next(answers, None)) == (K1, A)
    answers = iter([(K1, B)])
    assert minimise((K1, A), lambda _: next(answers, None), at_server=False) == (K1, A)
