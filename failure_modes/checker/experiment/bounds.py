"""Bounds: how often each event may happen in a proof. They make the number of reachable states finite."""

from typing import Any

from attrs import evolve, field, frozen, validators

from failure_modes.checker.experiment.scope import Scope

Spent = tuple[int, ...]
"""How often each of `KINDS` has happened, in the same order."""

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
    "lost_replies",
    "thread_heartbeats",
    "rollbacks",
    "clock_backs",
    "releases",
    "hangs",
    "time_outs",
    "clock_skews",
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
    """How often each event may happen, in any order and between any two steps.

    `jobs` are enqueued under the keys k1, k2, … in that order; any other order is the same trace with other
    names. `poisons` are jobs that kill their worker; they are enqueued in the same way under p1, p2, …
    `retries` are enqueues of a key that was used before.
    The scope says how long a tick may be. Steps have no bound: the program of a process is finite.
    """

    jobs: int = field(
        default=1, validator=[validators.instance_of(int), validators.ge(0), validators.le(255)]
    )
    retries: int = _times()
    ticks: int = _times()
    crashes: int = _times()
    failures: int = _times()
    heartbeats: int = _times()
    reconciles: int = _times()
    poisons: int = _times()
    power_losses: int = _times()
    lost_replies: int = _times()
    thread_heartbeats: int = _times()
    rollbacks: int = _times()
    clock_backs: int = _times()
    releases: int = _times()
    hangs: int = _times()
    time_outs: int = _times()
    clock_skews: int = _times()

    def without(self, *names: str) -> "Bounds":
        """The bounds without these actions, by their names. A step has no bound."""
        unused: dict[str, Any] = {KIND_OF[name]: 0 for name in names if name in KIND_OF}
        return evolve(self, **unused)

    def described(self, scope: Scope) -> str:
        """The bounds and the scope in words: `2 jobs, 1 tick of 30 s; 2 workers`."""
        counted = [(kind, getattr(self, kind)) for kind in KINDS]
        words = [f"{number} {_LABELS[kind][number > 1]}" for kind, number in counted if number]
        if self.ticks:
            sizes = " or ".join([f"{seconds:g} s" for seconds in scope.tick_seconds])
            words = [f"{word} of {sizes}" if word.endswith(("tick", "ticks")) else word for word in words]
        return f"{', '.join(words) or 'nothing'}; {scope.description}"


KIND_OF = {
    "Tick": "ticks",
    "Crash": "crashes",
    "Fail": "failures",
    "Heartbeat": "heartbeats",
    "Reconcile": "reconciles",
    "PowerLoss": "power_losses",
    "ThreadHeartbeat": "thread_heartbeats",
    "Rollback": "rollbacks",
    "ClockBack": "clock_backs",
    "Release": "releases",
    "Hang": "hangs",
    "TimeOut": "time_outs",
    "ClockSkew": "clock_skews",
}
"""The bound of each action that has one alone."""

_LABELS = {
    "jobs": ("job", "jobs"),
    "retries": ("retry of an enqueue", "retries of an enqueue"),
    "ticks": ("tick", "ticks"),
    "crashes": ("crash", "crashes"),
    "failures": ("handler failure", "handler failures"),
    "heartbeats": ("heartbeat", "heartbeats"),
    "reconciles": ("reconcile", "reconciles"),
    "poisons": ("poison job", "poison jobs"),
    "power_losses": ("power loss", "power losses"),
    "lost_replies": ("lost reply", "lost replies"),
    "thread_heartbeats": ("heartbeat of a second thread", "heartbeats of a second thread"),
    "rollbacks": ("rollback", "rollbacks"),
    "releases": ("release of a job", "releases of a job"),
    "hangs": ("handler that hangs", "handlers that hang"),
    "time_outs": ("handler that is timed out", "handlers that are timed out"),
    "clock_skews": ("step of one clock", "steps of one clock"),
    "clock_backs": ("step back of the clock", "steps back of the clock"),
}
