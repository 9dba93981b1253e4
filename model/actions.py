"""The alphabet: everything that can happen to the queue, as frozen values.

The model and the system take the same actions. A worker is a program (lease, start, handle, commit,
finish); an action says who moves, not what it does.
"""

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
    """

    key: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1), _unicode))
    poison: bool = field(default=False, validator=validators.instance_of(bool))


@frozen(kw_only=True)
class Step:
    """The process runs on to its next boundary; a handler that is running returns."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Fail:
    """Like `Step`, but the handler that is running raises."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Heartbeat:
    """Like `Step`, but the handler that is running extends its lease and goes on."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class Crash:
    """The process dies here: nothing after this point runs, and a fresh one takes its name."""

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


@frozen(kw_only=True)
class LostReply:
    """Like `Step`, but the reply to the COMMIT of the operation is lost, and the process lives on.

    The operation takes effect, and its caller is told that the store cannot be used.
    """

    worker: str = field(validator=validators.and_(validators.instance_of(str), validators.min_len(1)))


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
class Reconcile:
    """The recovery policy runs once, in that reconciler."""

    process: str = field(default=RECONCILER, validator=validators.in_(RECONCILERS))


@frozen(kw_only=True)
class PowerLoss:
    """Every process dies, and every write that was not synced is lost."""


Action = (
    Enqueue | Step | Fail | Heartbeat | Crash | Tick | Reconcile | PowerLoss | LostReply | ThreadHeartbeat
)
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
)


def thread_of(worker: str) -> str:
    """The name of the second thread of a worker: it sends heartbeats, and dies with its worker."""
    return f"{worker}.heartbeat"


def actor_of(action: Action) -> str | None:
    """The name of the process or thread that the action moves; None when it is the world that moves."""
    match action:
        case Enqueue():
            return PRODUCER
        case Reconcile():
            return action.process
        case Tick() | PowerLoss():
            return None
        case ThreadHeartbeat():
            return thread_of(action.worker)
        case _:
            return action.worker
