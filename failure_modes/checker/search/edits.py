"""A last, local shrinking of a trace: no stretch, and no one, two or three of its actions, can be left out.

Nor one or two of them if another worker makes one of the steps, or all from one on.

Hypothesis shrinks the choices that made a trace, and may stop where a shorter trace needs several far
apart changes at once. This works on the actions themselves, and costs some hundred short runs.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

from failure_modes.checker.experiment.scope import WORKER_NAMES
from model.actions import Action, Step, actor_of

Attempt = Callable[[tuple[Action, ...]], tuple[Action, ...] | None]
"""Runs the actions, leaving out what cannot happen. Gives those up to the violation, or None."""

STRETCH_MAX = 12
REMOVED_TOGETHER_MAX = 3
REASSIGNED_MAX = 2
RUNS_MAX = 2_000
RUNS_MAX_AT_SERVER = 500


def minimise(actions: tuple[Action, ...], attempt: Attempt, *, at_server: bool = False) -> tuple[Action, ...]:
    """The actions without what is not needed. Stops at `RUNS_MAX` runs, with what it has by then.

    `at_server`: a run costs ten times as much, and has many small steps: single ones are left out first.
    """
    runs, runs_max = 0, RUNS_MAX_AT_SERVER if at_server else RUNS_MAX
    tried = _candidates_at_server if at_server else _candidates
    candidates = tried(actions)
    while True:
        candidate = next(candidates, None)
        if candidate is None or runs == runs_max:
            return actions
        runs += 1
        shorter = attempt(candidate)
        if shorter is not None and len(shorter) < len(actions):
            actions = shorter
            candidates = tried(actions)


def remove_unneeded(actions: tuple[Action, ...], attempt: Attempt) -> tuple[Action, ...]:
    """The actions without any stretch of them, or any one, that is not needed."""
    candidates = _stretches(actions)
    while (candidate := next(candidates, None)) is not None:
        shorter = attempt(candidate)
        if shorter is not None and len(shorter) < len(actions):
            actions = shorter
            candidates = _stretches(actions)
    return actions


def _stretches(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """The actions without a stretch, long ones first."""
    length = len(actions)
    for size in range(min(STRETCH_MAX, length - 1), 0, -1):
        for start in range(length - size, -1, -1):
            yield (*actions[:start], *actions[start + size :])


def _candidates(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """Long stretches left out first; then a few actions wherever they stand; then with another worker."""
    length = len(actions)
    yield from _stretches(actions)
    for together in range(2, REMOVED_TOGETHER_MAX + 1):
        for chosen in combinations(reversed(range(length)), together):
            yield _removed(actions, chosen)
    for together in range(1, REASSIGNED_MAX + 1):
        for reassigned in _reassigned(actions):
            for chosen in combinations(reversed(range(length)), together):
                yield _removed(reassigned, chosen)


def _candidates_at_server(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """One action left out; one moved to where its process moved before; then stretches, and two at a time."""
    length = len(actions)
    for at in reversed(range(length)):
        yield _removed(actions, (at,))
    yield from _moved(actions)
    for size in range(min(STRETCH_MAX, length - 1), 1, -1):
        for start in range(length - size, -1, -1):
            yield (*actions[:start], *actions[start + size :])
    yield from _reassigned(actions)
    for chosen in combinations(reversed(range(length)), 2):
        yield _removed(actions, chosen)


def _moved(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """A process that comes to move again takes its first step already where it moved last."""
    last: dict[str | None, int] = {}
    for at, action in enumerate(actions):
        name = actor_of(action)
        before = last.get(name)
        if before is not None and before < at - 1:
            yield (*actions[: before + 1], action, *actions[before + 1 : at], *actions[at + 1 :])
        last[name] = at


def _removed(actions: tuple[Action, ...], chosen: tuple[int, ...]) -> tuple[Action, ...]:
    return tuple([action for at, action in enumerate(actions) if at not in chosen])


def _reassigned(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """One step, or all from it on, by the other of the first two workers: who need not first be done."""
    for at, action in enumerate(actions):
        reassigned_action = _by_other_worker(action)
        if reassigned_action is not action:
            yield (*actions[:at], reassigned_action, *actions[at + 1 :])
            yield (*actions[:at], *[_by_other_worker(later) for later in actions[at:]])


def _by_other_worker(action: Action) -> Action:
    first, other = WORKER_NAMES[0], WORKER_NAMES[1]
    if isinstance(action, Step) and action.worker in (first, other):
        return Step(worker=other if action.worker == first else first)
    return action
