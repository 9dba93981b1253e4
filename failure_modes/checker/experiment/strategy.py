"""What a search may do: which actions, how often, how many, for how long.

A failure mode is a restricted strategy: leave out what it does not need, and the search finds it sooner and
shrinks it further.
"""

from collections.abc import Iterator

from attrs import evolve, field, frozen, validators

from failure_modes.checker.experiment.bounds import TICK_SECONDS
from failure_modes.checker.experiment.scope import Granularity, Scope
from model.actions import (
    ACTIONS,
    PRODUCER,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    PowerLoss,
    Reconcile,
    Step,
    Tick,
    actor_of,
)

ACTION_NAMES = tuple(action.__name__ for action in ACTIONS)

STATEMENTS_A_TRANSACTION = 7
"""How many boundaries at granularity `statement` one at granularity `transaction` is worth, about."""


def _known(_: object, __: object, weights: tuple[tuple[str, int], ...]) -> None:
    for name, weight in weights:
        if name not in ACTION_NAMES:
            raise ValueError(f"unknown action {name!r}; known are {', '.join(ACTION_NAMES)}")
        if weight < 0:
            raise ValueError(f"the weight of {name} is {weight}, and must be 0 or more")


@frozen(kw_only=True)
class Strategy:
    """How a search draws the actions of an example, in whatever scope.

    `weights` says how often each action is tried beside the others; an action that is not named is not used.
    `jobs` are enqueued under the keys k1, k2, …, and `poisons` under p1, p2, …: poison jobs, which kill each
    worker that runs their handler. `helpers_pause` says that the fault tears an operation of the producer or
    the reconciler in two transactions. `tick_seconds` are the times that may pass at once. `steps` bounds the
    draws of an example; at granularity `statement` twice as many, half of which run on for
    `STATEMENTS_A_TRANSACTION` statements, or to where there is something to choose.
    """

    weights: tuple[tuple[str, int], ...] = field(validator=_known)
    jobs: int = field(default=1, validator=validators.ge(0))
    poisons: int = field(default=0, validator=validators.ge(0))
    helpers_pause: bool = False
    tick_seconds: tuple[float, ...] = TICK_SECONDS
    steps: int = field(default=20, validator=validators.ge(1))

    def weighted(self, name: str, weight: int) -> "Strategy":
        """The same strategy with another weight for one action. Raises ValueError."""
        kept = tuple([(known, old) for known, old in self.weights if known != name])
        return evolve(self, weights=(*kept, (name, weight)))

    def steps_max(self, scope: Scope) -> int:
        """The number of draws of an example, at the granularity of the scope."""
        return self.steps * 2 if scope.granularity is Granularity.STATEMENT else self.steps

    def alphabet(self, scope: Scope) -> tuple[Action, ...]:
        """The actions to draw from, each as often as its weight says; simplest first: they shrink to it."""
        weights = dict(self.weights)
        drawn: list[Action] = []
        for name in ACTION_NAMES:
            for action in self._instances(name, scope):
                drawn += [action] * weights.get(name, 0)
        if not drawn:
            raise ValueError("every action has weight 0: there is nothing to try")
        return tuple(drawn)

    def bursts(self, scope: Scope) -> tuple[tuple[Action, ...], ...]:
        """What one draw does. At granularity `statement` a process may also run on for a transaction."""
        alphabet = self.alphabet(scope)
        single = tuple([(action,) for action in alphabet])
        if scope.granularity is Granularity.TRANSACTION:
            return single
        on = STATEMENTS_A_TRANSACTION
        long = [(action, *[Step(worker=name)] * on) for action in alphabet if (name := _runs_on(action))]
        return (*single, *long)

    def _instances(self, name: str, scope: Scope) -> Iterator[Action]:
        workers = scope.names
        helpers = self._helpers(scope)
        match name:
            case "Step":
                yield from (Step(worker=worker) for worker in (*workers, *helpers))
            case "Enqueue":
                yield from (Enqueue(key=f"k{number}") for number in range(1, self.jobs + 1))
                yield from (Enqueue(key=f"p{number}", poison=True) for number in range(1, self.poisons + 1))
            case "Tick":
                yield from (Tick(seconds=seconds) for seconds in self.tick_seconds)
            case "Crash":
                yield from (Crash(worker=worker) for worker in (*workers, *helpers))
            case "Fail":
                yield from (Fail(worker=worker) for worker in workers)
            case "Heartbeat":
                yield from (Heartbeat(worker=worker) for worker in workers)
            case "Reconcile":
                yield from (Reconcile(process=name) for name in scope.reconciler_names)
            case "PowerLoss":
                yield PowerLoss()

    def _helpers(self, scope: Scope) -> tuple[str, ...]:
        """The producer and the reconcilers move by themselves only where they can be paused half way."""
        if scope.granularity is Granularity.TRANSACTION and not self.helpers_pause:
            return ()
        weights = dict(self.weights)
        producers = (PRODUCER,) if weights.get("Enqueue") else ()
        return (*producers, *(scope.reconciler_names if weights.get("Reconcile") else ()))


def _runs_on(action: Action) -> str | None:
    """The process that runs on after the action."""
    return None if isinstance(action, Crash) else actor_of(action)


UNRESTRICTED = Strategy(
    weights=(
        ("Step", 6),
        ("Enqueue", 2),
        ("Tick", 2),
        ("Crash", 1),
        ("Fail", 1),
        ("Heartbeat", 1),
        ("Reconcile", 1),
    ),
    jobs=2,
    tick_seconds=(30, 29.999, 0.001, 1),
    steps=40,
)
"""Everything, freely interleaved; the ticks meet a lease's end to the millisecond."""
