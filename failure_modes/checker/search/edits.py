"""Local edits that shorten a trace.

An edit removes a stretch of actions, or up to three single actions. Another edit gives one step, or all steps
after a point, to the other worker, and removes one or two actions. The result is a trace that no such edit
shortens.

They are for systems that the explorer cannot explore, or not to the end: the explorer needs no edits but
`remove_events`, which keeps its bounds small.
"""

from collections.abc import Callable, Iterator
from itertools import combinations

from failure_modes.checker.experiment.scope import WORKER_NAMES
from model.actions import Action, Step, actor_of

Attempt = Callable[[tuple[Action, ...]], tuple[Action, ...] | None]
"""Runs the actions and skips impossible ones. Returns the actions up to the violation, or None."""

STRETCH_MAX = 12
REMOVED_TOGETHER_MAX = 3
REASSIGNED_MAX = 2
RUNS_MAX = 2_000
RUNS_MAX_AT_SERVER = 500


def minimise(actions: tuple[Action, ...], attempt: Attempt, *, at_server: bool) -> tuple[Action, ...]:
    """Apply edits until no edit shortens the trace, or `RUNS_MAX` runs were made.

    `at_server` is true for PostgreSQL. A run costs ten times as much there and has many small steps, so
    single actions are removed first.
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


def remove_events(actions: tuple[Action, ...], attempt: Attempt) -> tuple[Action, ...]:
    """Remove single actions that are no steps, the last first, until none can be removed.

    That bounds what the explorer must try. It finds the needed steps itself.
    """
    at = len(actions)
    while at > 0:
        at = min(at, len(actions)) - 1
        if not isinstance(actions[at], Step):
            actions = attempt(_removed(actions, (at,))) or actions
    return actions


def remove_unneeded(actions: tuple[Action, ...], attempt: Attempt) -> tuple[Action, ...]:
    """Remove stretches and single actions until no such edit shortens the trace."""
    candidates = _stretches(actions)
    while (candidate := next(candidates, None)) is not None:
        shorter = attempt(candidate)
        if shorter is not None and len(shorter) < len(actions):
            actions = shorter
            candidates = _stretches(actions)
    return actions


def _stretches(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """The actions without one stretch; long stretches come first."""
    length = len(actions)
    for size in range(min(STRETCH_MAX, length - 1), 0, -1):
        for start in range(length - size, -1, -1):
            yield (*actions[:start], *actions[start + size :])


def _candidates(actions: tuple[Action, ...]) -> Iterator[tuple[Action, ...]]:
    """Remove a stretch; then remove two or three actions; then give steps to the other worker."""
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
    """Remove one action; move one to an earlier step of its process; then remove stretches and pairs."""
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
    """Move the first step after a pause of a process to the point before the pause."""
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
    """Give one step, or all steps from it on, to the other of the first two workers."""
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
