"""What may happen in a proof, and how often. Because each event is counted, the state space is finite."""

from attrs import field, frozen, validators

from failure_modes.checker.scope import Granularity, Scope
from failure_modes.checker.standing import Standing, can
from model.actions import (
    PRODUCER,
    RECONCILER,
    Action,
    Crash,
    Enqueue,
    Fail,
    Heartbeat,
    Reconcile,
    Step,
    Tick,
    actor_of,
)

ACTIONS_MAX = 256
"""Different actions of one proof: a trace has a byte for each."""

Spent = tuple[int, ...]
"""How much of each of `KINDS` has been used."""

KINDS = ("jobs", "retries", "ticks", "crashes", "failures", "heartbeats", "reconciles")
NOTHING_SPENT: Spent = (0,) * len(KINDS)


_A_BYTE = [validators.instance_of(int), validators.ge(0), validators.le(255)]


def _times() -> int:
    number: int = field(
        default=0, validator=[validators.instance_of(int), validators.ge(0), validators.le(255)]
    )
    return number


@frozen(kw_only=True)
class Bounds:
    """How often each event may happen, in any order and at any place.

    `jobs` are enqueued under the keys k1, k2, … in that order: other orders are these, renamed. `retries`
    are enqueues of a key that was used before. `tick_seconds` are the times that may pass at once. Steps
    are not counted: a process has only so many in what it does.
    """

    jobs: int = field(
        default=1, validator=[validators.instance_of(int), validators.ge(0), validators.le(255)]
    )
    retries: int = _times()
    ticks: int = _times()
    tick_seconds: tuple[float, ...] = (30,)
    crashes: int = _times()
    failures: int = _times()
    heartbeats: int = _times()
    reconciles: int = _times()

    @property
    def told(self) -> str:
        """The bounds in words: `2 jobs, 1 tick (30 s)`."""
        counted = [(kind, getattr(self, kind)) for kind in KINDS]
        words = [f"{number} {_SINGULAR[kind] if number == 1 else kind}" for kind, number in counted if number]
        if self.ticks:
            sizes = " or ".join([f"{seconds:g} s" for seconds in self.tick_seconds])
            words = [f"{word} of {sizes}" if word.endswith(("tick", "ticks")) else word for word in words]
        return ", ".join(words) or "nothing"


_SINGULAR = {
    "jobs": "job",
    "retries": "retry of an enqueue",
    "ticks": "tick",
    "crashes": "crash",
    "failures": "handler failure",
    "heartbeats": "heartbeat",
    "reconciles": "reconcile",
}


class Alphabet:
    """The actions of a scope in a fixed order, and what each of them spends."""

    def __init__(self, scope: Scope, bounds: Bounds) -> None:
        self.names = (*scope.names, PRODUCER, RECONCILER)
        self._bounds = bounds
        movers = self.names if scope.granularity is Granularity.STATEMENT else scope.names
        self.actions: tuple[Action, ...] = (
            *[Step(worker=name) for name in movers],
            *[Enqueue(key=f"k{number}") for number in range(1, bounds.jobs + 1)],
            *[Tick(seconds=seconds) for seconds in bounds.tick_seconds],
            *[Crash(worker=name) for name in movers],
            *[Fail(worker=name) for name in scope.names],
            *[Heartbeat(worker=name) for name in scope.names],
            Reconcile(),
        )
        if len(self.actions) > ACTIONS_MAX:
            raise ValueError(f"{len(self.actions)} different actions, and {ACTIONS_MAX} are the most")
        self.index = {action: number for number, action in enumerate(self.actions)}

    def possible(self, standings: tuple[Standing, ...], spent: Spent) -> list[tuple[Action, Spent]]:
        """What can happen where the processes stand and so much is spent, and what is spent after it."""
        found = []
        for action in self.actions:
            kind = self.kind(action, spent)
            if kind is None or (kind and spent[KINDS.index(kind)] >= getattr(self._bounds, kind)):
                continue
            name = actor_of(action)
            if name is not None and not can(name, standings[self.names.index(name)], action):
                continue
            found.append((action, _spend(spent, kind)))
        return found

    def kind(self, action: Action, spent: Spent) -> str | None:
        """What the action spends; empty for nothing, None where it is not its turn."""
        match action:
            case Enqueue():
                number = int(action.key[1:])
                if number > spent[0] + 1:
                    return None
                return "jobs" if number == spent[0] + 1 else "retries"
            case _:
                return _SPENDS[type(action)]


_SPENDS: dict[type[Action], str] = {
    Step: "",
    Tick: "ticks",
    Crash: "crashes",
    Fail: "failures",
    Heartbeat: "heartbeats",
    Reconcile: "reconciles",
}


def _spend(spent: Spent, kind: str) -> Spent:
    if not kind:
        return spent
    at = KINDS.index(kind)
    return (*spent[:at], spent[at] + 1, *spent[at + 1 :])
