"""What may happen in a proof, and how often. Because each event is counted, the state space is finite."""

from attrs import field, frozen, validators

from failure_modes.checker.scope import Scope
from failure_modes.checker.standing import Standing, can
from model.actions import (
    PRODUCER,
    RECONCILER,
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
    is_poison,
)

ACTIONS_MAX = 256
"""Different actions of one proof: a trace has a byte for each."""

Spent = tuple[int, ...]
"""How much of each of `KINDS` has been used."""

KINDS = (
    "jobs",
    "retries",
    "ticks",
    "crashes",
    "failures",
    "heartbeats",
    "reconciles",
    "poisons",
    "power_losses",
)
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

    `jobs` are enqueued under the keys k1, k2, … in that order: other orders are these, renamed. So are
    `poisons`, the jobs that kill their worker, under p1, p2, … `retries` are enqueues of a key that was
    used before. `tick_seconds` are the times that may pass at once. Steps are not counted: a process has
    only so many in what it does.
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
    poisons: int = _times()
    power_losses: int = _times()

    @property
    def told(self) -> str:
        """The bounds in words: `2 jobs, 1 tick (30 s)`."""
        counted = [(kind, getattr(self, kind)) for kind in KINDS]
        words = [f"{number} {_TOLD[kind][number > 1]}" for kind, number in counted if number]
        if self.ticks:
            sizes = " or ".join([f"{seconds:g} s" for seconds in self.tick_seconds])
            words = [f"{word} of {sizes}" if word.endswith(("tick", "ticks")) else word for word in words]
        return ", ".join(words) or "nothing"


_TOLD = {
    "jobs": ("job", "jobs"),
    "retries": ("retry of an enqueue", "retries of an enqueue"),
    "ticks": ("tick", "ticks"),
    "crashes": ("crash", "crashes"),
    "failures": ("handler failure", "handler failures"),
    "heartbeats": ("heartbeat", "heartbeats"),
    "reconciles": ("reconcile", "reconciles"),
    "poisons": ("poison job", "poison jobs"),
    "power_losses": ("power loss", "power losses"),
}


class Alphabet:
    """The actions of a scope in a fixed order, and what each of them spends."""

    def __init__(self, scope: Scope, bounds: Bounds) -> None:
        self.names = (*scope.names, PRODUCER, RECONCILER)
        self._bounds = bounds
        self.actions: tuple[Action, ...] = (
            *[Step(worker=name) for name in self.names],
            *[Enqueue(key=f"k{number}") for number in range(1, bounds.jobs + 1)],
            *[Enqueue(key=f"p{number}") for number in range(1, bounds.poisons + 1)],
            *[Tick(seconds=seconds) for seconds in bounds.tick_seconds],
            *[Crash(worker=name) for name in self.names],
            *[Fail(worker=name) for name in scope.names],
            *[Heartbeat(worker=name) for name in scope.names],
            Reconcile(),
            PowerLoss(),
        )
        if bounds.power_losses and not scope.power_loss:
            raise ValueError("power can only be lost in a scope in which the disk is watched")
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
                kind = "poisons" if is_poison(action.key) else "jobs"
                next_number = spent[KINDS.index(kind)] + 1
                number = int(action.key[1:])
                if number > next_number:
                    return None
                return kind if number == next_number else "retries"
            case _:
                return _SPENDS[type(action)]


_SPENDS: dict[type[Action], str] = {
    Step: "",
    Tick: "ticks",
    Crash: "crashes",
    Fail: "failures",
    Heartbeat: "heartbeats",
    Reconcile: "reconciles",
    PowerLoss: "power_losses",
}


def _spend(spent: Spent, kind: str) -> Spent:
    if not kind:
        return spent
    at = KINDS.index(kind)
    return (*spent[:at], spent[at] + 1, *spent[at + 1 :])
