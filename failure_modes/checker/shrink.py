"""A last, local shrinking of a trace: no stretch, and no one, two or three of its actions, can be left out.

Hypothesis shrinks the choices that made a trace, and may stop where a shorter trace needs several far
apart changes at once. This works on the actions themselves, and costs some hundred short runs.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

from model.actions import Action

Attempt = Callable[[tuple[Action, ...]], tuple[Action, ...] | None]
"""Runs the actions, leaving out what cannot happen. Gives those up to the violation, or None."""

STRETCH_MAX = 12
TOGETHER_MAX = 3
RUNS_MAX = 2_000


def minimise(actions: tuple[Action, ...], attempt: Attempt) -> tuple[Action, ...]:
    """The actions without what is not needed. Stops at `RUNS_MAX` runs, with what it has by then."""
    runs = 0
    candidates = _candidates(len(actions))
    while True:
        left_out = next(candidates, None)
        if left_out is None or runs == RUNS_MAX:
            return actions
        runs += 1
        shorter = attempt(tuple([action for at, action in enumerate(actions) if at not in left_out]))
        if shorter is not None and len(shorter) < len(actions):
            actions = shorter
            candidates = _candidates(len(actions))


def _candidates(length: int) -> Iterator[frozenset[int]]:
    """What to leave out: long stretches first, then a few actions wherever they stand."""
    for size in range(min(STRETCH_MAX, length - 1), 0, -1):
        for start in range(length - size, -1, -1):
            yield frozenset(range(start, start + size))
    for together in range(2, TOGETHER_MAX + 1):
        for chosen in combinations(reversed(range(length)), together):
            yield frozenset(chosen)
