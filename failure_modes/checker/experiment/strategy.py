"""The strategy of a search: which actions it draws, how often, and how many.

The strategy of a failure mode has only the actions that the break needs. The search then finds the break
sooner, and minimises its trace further.
"""

from collections.abc import Iterator

from attrs import evolve, field, frozen, validators

from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind
from model.actions import (
    ACTIONS,
    COMMITS_MAX,
    LOST,
    PRODUCER,
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

ACTION_NAMES = tuple(action.__name__ for action in ACTIONS)

STATEMENTS_A_TRANSACTION = 7
"""The approximate number of boundaries in a transaction, at granularity `statement`."""


def _known(_: object, __: object, weights: tuple[tuple[str, int], ...]) -> None:
    for name, weight in weights:
        if name not in ACTION_NAMES:
            raise ValueError(f"unknown action {name!r}; known are {', '.join(ACTION_NAMES)}")
        if weight < 0:
            raise ValueError(f"the weight of {name} is {weight}, and must be 0 or more")


@frozen(kw_only=True)
class Strategy:
    """The rules by which a search draws the actions of an example, in any scope.

    `weights` gives the relative frequency of each action; an action without a weight is not used. `jobs` are
    enqueued under the keys k1, k2, … `poisons` are poison jobs, which kill each worker that runs their
    handler; they are enqueued under p1, p2, … `helpers_pause` is true if the fault splits an operation of the
    producer or the reconciler into two transactions.
    `steps` is the number of draws in an example. At granularity `statement` it is doubled; half of these
    draws run `STATEMENTS_A_TRANSACTION` statements at once, or stop earlier at a choice point.
    """

    weights: tuple[tuple[str, int], ...] = field(validator=_known)
    jobs: int = field(default=1, validator=validators.ge(0))
    poisons: int = field(default=0, validator=validators.ge(0))
    helpers_pause: bool = False
    steps: int = field(default=20, validator=validators.ge(1))

    def weighted(self, name: str, weight: int) -> "Strategy":
        """The same strategy with another weight for one action. Raises ValueError."""
        kept = tuple([(known, old) for known, old in self.weights if known != name])
        return evolve(self, weights=(*kept, (name, weight)))

    def steps_max(self, scope: Scope) -> int:
        """The number of draws of an example, at the granularity of the scope."""
        return self.steps * 2 if scope.granularity is Granularity.STATEMENT else self.steps

    def alphabet(self, scope: Scope) -> tuple[Action, ...]:
        """The actions to draw from, each repeated by its weight. Shrinking prefers the first ones."""
        weights = dict(self.weights)
        drawn: list[Action] = []
        for name in ACTION_NAMES:
            for action in self._instances(name, scope):
                drawn += [action] * weights.get(name, 0)
        if not drawn:
            raise ValueError("every action has weight 0, so no action can be drawn")
        return tuple(drawn)

    def bursts(self, scope: Scope) -> tuple[tuple[Action, ...], ...]:
        """The possible results of one draw: one action, or several steps of one process.

        Several steps are drawn only at granularity `statement`; they are about one transaction.
        """
        alphabet = self.alphabet(scope)
        single = tuple([(action,) for action in alphabet])
        if scope.granularity is Granularity.TRANSACTION:
            return single
        more = STATEMENTS_A_TRANSACTION
        long = [(action, *[Step(worker=name)] * more) for action in alphabet if (name := _continues(action))]
        return (*single, *long)

    def _instances(self, name: str, scope: Scope) -> Iterator[Action]:
        workers = scope.names
        helpers = self._helpers(scope)
        match name:
            case "Step":
                yield from (Step(worker=worker) for worker in (*workers, *helpers, *scope.thread_names))
            case "Enqueue":
                yield from (Enqueue(key=f"k{number}") for number in range(1, self.jobs + 1))
                yield from (Enqueue(key=f"p{number}", poison=True) for number in range(1, self.poisons + 1))
            case "Tick":
                yield from (Tick(seconds=seconds) for seconds in scope.tick_seconds)
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
            case "LostReply":
                yield from self._lost_replies(scope)
            case "ThreadHeartbeat":
                if not scope.threads and dict(self.weights).get(name):
                    raise ValueError("ThreadHeartbeat has a weight, and the workers have no second threads")
                yield from (ThreadHeartbeat(worker=worker) for worker in workers if scope.threads)
            case "Rollback":
                yield from (Rollback(commits=commits) for commits in range(1, COMMITS_MAX + 1))
            case "Release":
                yield from (Release(worker=worker) for worker in workers)
            case "Hang":
                yield from (Hang(worker=worker) for worker in workers)
            case "TimeOut":
                yield from (TimeOut(worker=worker) for worker in workers)
            case "ClockSkew":
                if scope.store is StoreKind.SQLITE and dict(self.weights).get(name):
                    raise ValueError("ClockSkew has a weight, and on sqlite all processes share one clock")
                yield from clock_skews(scope, (*workers, PRODUCER, *scope.reconciler_names))
            case "ClockBack":
                yield from (ClockBack(seconds=seconds) for seconds in scope.tick_seconds)

    def _lost_replies(self, scope: Scope) -> Iterator[Action]:
        """The losses of a reply to the actions that have a weight."""
        weights = dict(self.weights)
        for of in LOST:
            if of == "Enqueue":
                for number in range(1, self.jobs + 1):
                    yield LostReply(worker=PRODUCER, of=of, key=f"k{number}")
            elif weights.get(of):
                names = scope.reconciler_names if of == "Reconcile" else scope.names
                yield from (LostReply(worker=name, of=of) for name in names)
        if weights.get("ThreadHeartbeat"):
            yield from (LostReply(worker=name) for name in scope.thread_names)

    def _helpers(self, scope: Scope) -> tuple[str, ...]:
        """The producer and the reconcilers, if they can pause in an operation; else they need no `Step`."""
        if scope.granularity is Granularity.TRANSACTION and not self.helpers_pause:
            return ()
        weights = dict(self.weights)
        producers = (PRODUCER,) if weights.get("Enqueue") else ()
        return (*producers, *(scope.reconciler_names if weights.get("Reconcile") else ()))


def clock_skews(scope: Scope, names: tuple[str, ...]) -> tuple[Action, ...]:
    """The clock of one process is ahead or behind by the first tick, which is a lease unless a scope says."""
    seconds = scope.tick_seconds[0]
    return tuple([ClockSkew(worker=name, seconds=one) for name in names for one in (seconds, -seconds)])


def _continues(action: Action) -> str | None:
    """The process that can continue after the action; None if there is none."""
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
    steps=40,
)
"""Every action except those of `FAULTS` and loss of power.

Its scope is usually `Scope().with_each_tick()`.
"""

FAULTS: dict[StoreKind, tuple[str, ...]] = {
    StoreKind.SQLITE: ("LostReply", "ThreadHeartbeat", "Rollback", "ClockBack", "Release", "Hang", "TimeOut"),
    StoreKind.POSTGRESQL: ("LostReply", "Rollback", "ClockBack", "Release", "Hang", "TimeOut", "ClockSkew"),
}
"""The rarer actions that a run on that store may have, all in one world."""
