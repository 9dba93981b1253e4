"""The halves of the shrinker of any queue: each edit shortens a run that no other edit shortens.

No queue runs: a rule says which moves have trouble. With all edits the shortest moves are found, and without
one of them they are not.
"""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import frozen

from failure_modes.checker.experiment.moves import Housekeep, Move, Moves, Work
from failure_modes.checker.oracle.deliveries import Hunt, Kind, Trouble
from failure_modes.checker.oracle.queue_run import Troubled
from failure_modes.checker.search import queue_shrink
from failure_modes.checker.search.queue_shrink import shrink_moves
from failure_modes.checker.subject.adapter import Topic
from model.actions import Enqueue, Tick
from tests.checker.proof.explorer_halves import Patch
from tests.subjects.tables import RIGHT

K1, K2, K3 = [Enqueue(key=f"job-{number}") for number in (1, 2, 3)]
A, B, KEEP, WAIT = Work(worker="A"), Work(worker="B"), Housekeep(), Tick(seconds=60)
STOPPED, ELSEWHERE = Work(worker="A", until="UPDATE#1"), Work(worker="A", until="SELECT#1")
WANTED = Trouble(kind=Kind.AGAIN, topic=Topic.FENCED, key="job-1", text="again")
OTHER = Trouble(kind=Kind.AGAIN, topic=Topic.MULTI_PROCESS, key="job-1", text="again")


def _without(name: str, value: Any) -> Patch:
    return lambda monkeypatch: monkeypatch.setattr(queue_shrink, name, value)


@frozen(kw_only=True)
class Edit:
    """`found` has trouble, and so has `shortest`; `troubles`: each run that has trouble, of either topic."""

    found: Moves
    shortest: Moves
    troubles: dict[Moves, Trouble]
    blind: Patch


def _edit(found: tuple[Move, ...], shortest: tuple[Move, ...], blind: Patch, **more: Any) -> Edit:
    others = dict.fromkeys(more.get("others", ()), OTHER)
    return Edit(
        found=found, shortest=shortest, troubles={found: WANTED, shortest: WANTED, **others}, blind=blind
    )


def _only(most: int) -> Callable[..., Any]:
    """Combinations of at most so many moves."""
    usual: Any = vars(queue_shrink)["combinations"]
    return lambda moves, together: usual(moves, together) if together <= most else iter(())


EDITS = {
    "one move fewer": _edit((K1, KEEP, A), (K1, A), _without("remove_unneeded", lambda moves, _: moves)),
    "two moves fewer, apart": _edit((K1, KEEP, A, WAIT, B), (K1, A, B), _without("combinations", _only(1))),
    "three moves fewer, apart": _edit(
        (K1, KEEP, A, WAIT, B, KEEP, A), (K1, A, B, A), _without("combinations", _only(2))
    ),
    "a process that does not stop": _edit(
        (K1, STOPPED, B), (K1, A, B), _without("_with_fewer_stops", lambda _: iter(()))
    ),
    "a stop elsewhere, and one move fewer": _edit(
        (K1, STOPPED, WAIT, B), (K1, ELSEWHERE, B), _without("_edited", lambda *_: iter(()))
    ),
    "the other worker, and one move fewer": _edit(
        (K1, WAIT, B, A), (K1, A, A), _without("_edited", lambda *_: iter(()))
    ),
    "names in order": _edit((K2, B, A), (K1, A, B), _without("_renamed", lambda moves: moves)),
    "trouble of the same topic": _edit(
        (K1, KEEP, A),
        (K1, KEEP, A),
        _without("Hunt", lambda **values: Hunt(kind=values["kind"])),
        others=[(K1, A)],
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_alone_leads_to_the_shortest_moves(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the edit they are found, and without it they are not."""
    edit = EDITS[name]

    def play(_: object, moves: Moves, *, target: Hunt) -> Troubled | None:
        trouble = edit.troubles.get(moves)
        if trouble is None or not target.wants(trouble):
            return None
        return Troubled(trouble, moves, at_end=False)

    monkeypatch.setattr(queue_shrink, "play", play)
    found = Troubled(WANTED, edit.found, at_end=False)
    labels = ("UPDATE#1", "SELECT#1")
    assert shrink_moves(RIGHT, found, labels).moves == edit.shortest
    edit.blind(monkeypatch)
    assert shrink_moves(RIGHT, found, labels).moves != edit.shortest


def test_the_number_of_runs_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is shorter, no more than `RUNS_MAX` runs are made besides those of the first edit."""
    runs = 0

    def play(*_: object, **__: object) -> None:
        nonlocal runs
        runs += 1

    monkeypatch.setattr(queue_shrink, "play", play)
    monkeypatch.setattr(queue_shrink, "RUNS_MAX", 20)
    shrink_moves(RIGHT, Troubled(WANTED, (K1, A, K2, B, K3), at_end=False), ("UPDATE#1",))
    assert runs == 20
