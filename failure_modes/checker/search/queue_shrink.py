"""Shortens the moves of a trouble: fewer moves, then simpler ones, always with trouble of the same kind.

Nothing proves that no shorter run exists: a run of a library cannot be restored, so the explorer does not
walk through it.
"""

from collections.abc import Iterator
from itertools import combinations
from typing import Any, cast

from attrs import evolve

from failure_modes.checker.experiment.moves import WORKERS, Housekeep, Move, Moves, Work
from failure_modes.checker.oracle.deliveries import Hunt
from failure_modes.checker.oracle.queue_run import Troubled, play
from failure_modes.checker.search.edits import remove_unneeded
from failure_modes.checker.subject.adapter import Adapter
from model.actions import Crash, Enqueue

RUNS_MAX = 250
"""The runs of one shrinking, at most."""


def shrink_moves(adapter: Adapter, found: Troubled, labels: tuple[str, ...] = ()) -> Troubled:
    """The shortest and simplest run that was found, with trouble of the same kind and topic.

    `labels` are the boundaries at which a process may stop instead.
    """
    best, runs = found, 0
    tried: dict[Moves, Moves | None] = {}
    hunt = Hunt(kind=found.trouble.kind, topic=found.trouble.topic)

    def fails_same(moves: Moves) -> Moves | None:
        nonlocal best, runs
        if moves not in tried:
            runs += 1
            again = play(adapter, moves, target=hunt)
            tried[moves] = None if again is None else again.moves
            if again is not None and _size(again.moves) < _size(best.moves):
                best = again
        return tried[moves]

    remove = cast(Any, remove_unneeded)  # it reads no action
    while True:
        remove(best.moves, fails_same)
        renamed = _renamed(best.moves)
        if renamed != best.moves and fails_same(renamed) == renamed:
            best = play(adapter, renamed, target=hunt) or best
        before = best.moves
        for candidate in _candidates(before, labels):
            if runs >= RUNS_MAX or (fails_same(candidate) is not None and best.moves != before):
                break
        if best.moves == before:
            return best


def _size(moves: Moves) -> tuple[int, int]:
    """The number of moves; and the number of processes that are stopped somewhere: fewer are simpler."""
    return len(moves), sum(getattr(move, "until", None) is not None for move in moves)


def _candidates(moves: Moves, labels: tuple[str, ...]) -> Iterator[Moves]:
    """Edits: no stop; two or three moves fewer; a stop elsewhere, or the other worker, and one move fewer."""
    yield from _with_fewer_stops(moves)
    for together in (2, 3):
        for chosen in combinations(reversed(range(len(moves))), together):
            yield tuple([move for at, move in enumerate(moves) if at not in chosen])
    for edited in _edited(moves, labels):
        yield from _with_fewer_stops(edited)
        for left_out in range(len(moves)):
            yield (*edited[:left_out], *edited[left_out + 1 :])


def _with_fewer_stops(moves: Moves) -> Iterator[Moves]:
    """The moves with one process that goes on to its end instead of stopping."""
    for at, move in enumerate(moves):
        if isinstance(move, Work | Housekeep) and move.until is not None:
            yield (*moves[:at], evolve(move, until=None), *moves[at + 1 :])


def _edited(moves: Moves, labels: tuple[str, ...]) -> Iterator[Moves]:
    for at, move in enumerate(moves):
        if not isinstance(move, Work):
            continue
        for until in labels if move.until is not None else ():
            yield (*moves[:at], evolve(move, until=until), *moves[at + 1 :])
        other = next(name for name in WORKERS if name != move.worker)
        yield (*moves[:at], evolve(move, worker=other), *moves[at + 1 :])


def _renamed(moves: Moves) -> Moves:
    """The moves with the first worker called A, and the jobs numbered in the order of their enqueues."""
    first = next((move.worker for move in moves if isinstance(move, Work)), WORKERS[0])
    other = next(name for name in WORKERS if name != first)
    workers = {first: WORKERS[0], other: WORKERS[1]}
    keys = {move.key: f"job-{number}" for number, move in enumerate(_enqueues(moves), 1)}

    def rename(move: Move) -> Move:
        if isinstance(move, Work | Crash):
            return evolve(move, worker=workers.get(move.worker, move.worker))
        key = getattr(move, "key", None)
        return move if key is None else evolve(cast(Any, move), key=keys.get(key, key))

    return tuple([rename(move) for move in moves])


def _enqueues(moves: Moves) -> list[Enqueue]:
    return [move for move in moves if isinstance(move, Enqueue)]
