"""The alphabet: everything that can happen to the queue, as frozen values.

The model and the system take the same actions. A worker is a program (lease, start, handle, commit,
finish); an action says who moves, not what it does.
"""

from collections.abc import Callable
from typing import Any

from attrs import field, frozen, validators

PRODUCER = "producer"
RECONCILER = "reconciler"
RECONCILERS = (RECONCILER, "reconciler2", "reconciler3")
"""The names of the reconcilers that there may be."""


def _unicode(_: object, __: object, text: Any) -> None:
    text.encode()  # a lone surrogate is no character: ValueError


@frozen(kw_only=True)
class Enqueue:
    """A producer enqueues a job under an idempotency key; the same key again is a producer's retry.

    A `poison` job kills the worker that runs its handler, each time. The first enqueue of a key decides.
    `payload`: what is asked for; None: the key.
    """

    key: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1), _unicode))
    poison: bool = field(default=False, validator=validators.instance_of(bool))
    payload: str | None = field(
        default=None, validator=validators.optional(validators.and_(validators.instance_of(str), _unicode))
    )

    @property
    def asked(self) -> str:
        """What is asked for."""
        return self.key if self.payload is None else self.payload


@frozen(kw_only=True)
class Step:
    """The process runs on to its next boundary; a handler that is running returns."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Fail:
    """Like `Step`, but the handler that is running raises."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Release:
    """The handler does not return, so the worker is stopped by two signals: it releases the job, and ends."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Hang:
    """The handler that is running does not return any more: from now on the worker does nothing.

    Only `TimeOut`, `Release` and `Crash` end that.
    """

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class TimeOut:
    """The handler has run for too long, so the worker breaks it off: like `Fail`, with its own reason."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Heartbeat:
    """Like `Step`, but the handler that is running extends its lease and goes on."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Crash:
    """The process dies here: nothing after this point runs, and a fresh one takes its name."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


def _loses(lost: "LostReply", _: object, name: Any) -> None:
    if name not in LOST:
        raise ValueError(f"'of' must be one of {', '.join(LOST)}, not {name!r}")
    if (lost.key is not None) is not (name == "Enqueue"):
        raise ValueError("'key' belongs to an Enqueue whose reply is lost")
    if lost.key is not None:
        Enqueue(key=lost.key)
    names = {"Enqueue": (PRODUCER,), "Reconcile": RECONCILERS}.get(name)
    if names is not None and lost.worker not in names:
        raise ValueError(f"'worker' must be one of {', '.join(names)}, not {lost.worker!r}")


@frozen(kw_only=True)
class LostReply:
    """Like another action, `Step` by default, but the reply to the COMMIT of the operation is lost.

    The process lives on. The operation takes effect, and its caller is told that the store cannot be used.
    """

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))
    key: str | None = None
    """The key of an `Enqueue`."""
    of: str = field(default="Step", validator=_loses)

    @property
    def action(self) -> "Action":
        """The action without the loss."""
        if self.key is not None:
            return Enqueue(key=self.key)
        if self.of == "Reconcile":
            return Reconcile(process=self.worker)
        action: Action = _LOSES[self.of](worker=self.worker)
        return action


@frozen(kw_only=True)
class ThreadHeartbeat:
    """The second thread of a worker begins a heartbeat, while the handler runs in the first thread.

    The thread then moves by `Step`, under its own name: see `thread_of`.
    """

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


def _whole_milliseconds(_: object, __: object, seconds: float) -> None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"'seconds' must be a number, not {seconds!r}")
    if not 0.001 <= seconds <= 1e9 or round(seconds * 1000) / 1000 != seconds:
        raise ValueError(f"'seconds' must be from 0.001 to 1e9, in whole milliseconds, not {seconds!r}")


@frozen(kw_only=True)
class Tick:
    """Time passes."""

    seconds: float = field(validator=_whole_milliseconds)

    @property
    def milliseconds(self) -> int:
        """The same in milliseconds, the unit of the clock."""
        return round(self.seconds * 1000)


@frozen(kw_only=True)
class ClockBack:
    """The clock is set back. No process notices."""

    seconds: float = field(validator=_whole_milliseconds)

    @property
    def milliseconds(self) -> int:
        """The same in milliseconds, the unit of the clock."""
        return round(self.seconds * 1000)


def _offset(_: object, __: object, seconds: float) -> None:
    if seconds != 0:
        _whole_milliseconds(None, None, abs(seconds))


@frozen(kw_only=True)
class ClockSkew:
    """From now on the clock of this process alone is so much ahead, or behind. No other process notices.

    So a second one may set it back. The time that counts is that of the store.
    """

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))
    seconds: float = field(validator=_offset)

    @property
    def milliseconds(self) -> int:
        """The same in milliseconds, the unit of the clock."""
        return round(self.seconds * 1000)


@frozen(kw_only=True)
class Reconcile:
    """The recovery policy runs once, in that reconciler."""

    process: str = field(default=RECONCILER, validator=validators.in_(RECONCILERS))


@frozen(kw_only=True)
class PowerLoss:
    """Every process dies, and every write that was not synced is lost."""


COMMITS_MAX = 3
"""The most commits that one rollback undoes: a lease, a start and a commit of one worker."""


def _few(_: object, __: object, commits: int) -> None:
    if isinstance(commits, bool) or not isinstance(commits, int):
        raise TypeError(f"'commits' must be a whole number, not {commits!r}")
    if not 1 <= commits <= COMMITS_MAX:
        raise ValueError(f"'commits' must be from 1 to {COMMITS_MAX}, not {commits!r}")


@frozen(kw_only=True)
class Rollback:
    """The store loses its last commits, or all of them if there are fewer, and every process lives on.

    So it is after a restore from a backup, and after the promotion of a standby that was behind.
    """

    commits: int = field(validator=_few)


Action = (
    Enqueue
    | Step
    | Fail
    | Heartbeat
    | Crash
    | Tick
    | Reconcile
    | PowerLoss
    | LostReply
    | ThreadHeartbeat
    | Rollback
    | ClockBack
    | Release
    | Hang
    | TimeOut
    | ClockSkew
)
_LOSES: dict[str, Callable[..., Action]] = {
    kind.__name__: kind for kind in (Step, Heartbeat, Fail, TimeOut, Release)
}
LOST = (*_LOSES, "Enqueue", "Reconcile")
"""The actions whose reply may be lost, by name."""

OF_WORKERS = (Step, Crash, Fail, Heartbeat, LostReply, ThreadHeartbeat, Release, Hang, TimeOut, ClockSkew)
"""The actions with the name of a process in `worker`, for `isinstance`."""

ACTIONS: tuple[type[Action], ...] = (
    Step,
    Enqueue,
    Tick,
    Crash,
    Fail,
    Heartbeat,
    Reconcile,
    PowerLoss,
    LostReply,
    ThreadHeartbeat,
    Rollback,
    ClockBack,
    Release,
    Hang,
    TimeOut,
    ClockSkew,
)


def thread_of(worker: str) -> str:
    """The name of the second thread of a worker: it sends heartbeats, and dies with its worker."""
    return f"{worker}.heartbeat"


def without_loss(action: Action) -> Action:
    """The action whose reply is lost; any other action as it is."""
    return action.action if isinstance(action, LostReply) else action


def actor_of(action: Action) -> str | None:
    """The name of the process or thread that the action moves; None when it is the world that moves."""
    match action:
        case Enqueue():
            return PRODUCER
        case Reconcile():
            return action.process
        case Tick() | PowerLoss() | Rollback() | ClockBack() | ClockSkew():
            return None
        case ThreadHeartbeat():
            return thread_of(action.worker)
        case _:
            return action.worker
