"""What the tests of the model share: a way to write a run, and every reachable state of a small scope."""

from collections import deque
from functools import cache

from attrs import evolve, frozen

from model.actions import Action
from model.events import Outcome
from model.state import Settings, State, initial
from model.step import step


def run(state: State, *actions: Action) -> State:
    """The state after the actions, none of which is rejected."""
    for action in actions:
        state, outcome = step(state, action)
        assert outcome.rejected is None, outcome.rejected
    return state


def events_of(outcome: Outcome) -> list[tuple[str, str | None]]:
    """The events of an outcome, with their reasons."""
    assert outcome.rejected is None, outcome.rejected
    return [(event.event, event.reason) for event in outcome.events]


@frozen(kw_only=True)
class Taken:
    """One pair of a state and an action, and what the model answered."""

    before: State
    action: Action
    after: State
    outcome: Outcome


@frozen(kw_only=True)
class Explored:
    """All reachable states, and every pair of one of them with an action of the alphabet."""

    states: tuple[State, ...]
    taken: tuple[Taken, ...]

    @property
    def accepted(self) -> tuple[Taken, ...]:
        """The pairs that were not rejected."""
        return tuple([taken for taken in self.taken if taken.outcome.rejected is None])

    @property
    def rejected(self) -> tuple[Taken, ...]:
        """The pairs that were."""
        return tuple([taken for taken in self.taken if taken.outcome.rejected is not None])


def _future(state: State) -> State:
    """What the steps of a state depend on: no step reads when a job was enqueued."""
    jobs = tuple([evolve(job, enqueued_at=0) for job in state.durable.jobs])
    return evolve(state, durable=evolve(state.durable, jobs=jobs))


@cache
def explore(
    *, workers: tuple[str, ...], alphabet: tuple[Action, ...], now_max: int, settings: Settings
) -> Explored:
    """Explore until nothing is new. States past `now_max` (ms) are answered for, and not gone on from."""
    start = initial(settings=settings, workers=workers)
    states, taken, seen = [start], [], {_future(start)}
    frontier = deque([start])
    while frontier:
        before = frontier.popleft()
        for action in alphabet:
            after, outcome = step(before, action)
            taken.append(Taken(before=before, action=action, after=after, outcome=outcome))
            future = _future(after)
            if future not in seen and after.now <= now_max:
                seen.add(future)
                states.append(after)
                frontier.append(after)
    return Explored(states=tuple(states), taken=tuple(taken))
