"""The context that a handler gets with its job."""

from collections.abc import Callable
from typing import Any

from system.breaking import Breakable
from system.policies.lease import Lease
from system.queue import Queue, to_json
from system.store import Job, StoreError

Persist = Callable[[Callable[[], bool]], bool]
"""Runs an operation, and repeats it while the store cannot be used."""


class Context:
    """Writes the job's effect, and extends its lease.

    A handler may use it from any of its threads. After the handler has returned, its other threads can change
    nothing: `heartbeat` returns False, and `write` raises.
    """

    def __init__(
        self,
        queue: Queue,
        lease: Lease,
        handling: Breakable,
        persist: Persist,
        extended: Callable[[], object] = lambda: None,
    ) -> None:
        """`extended` is called after each heartbeat that extended the lease."""
        self._queue = queue
        self._handling = handling
        self._persist = persist
        self._extended = extended
        self._lease = lease
        self._effects: dict[str, tuple[str]] = {}
        """At most one. `setdefault` adds it in one step, so two threads cannot both."""
        self._ended = False
        self.attempt = lease.execution.attempt

    @property
    def idempotency_key(self) -> str:
        """The key to send with a request to another system. It is the same for every attempt at the job."""
        return self._queue.external_key(self._lease)

    def write(self, value: object) -> None:
        """Set the job's effect, any JSON value. Raises InvalidJob, or RuntimeError if called twice."""
        mine = (to_json(value),)
        if self._effects.setdefault("effect", mine) is not mine:
            if self._ended:
                raise RuntimeError("the handler has returned; it can write no effect any more")
            raise RuntimeError("a job has one effect, and this handler has written it already")

    def heartbeat(self) -> bool:
        """Extend the lease. False when it is gone: another worker may have the job, so stop working."""
        try:
            return self._persist(self._beat)
        except StoreError:
            if self._ended or self._handling.requested is not None:
                return False
            raise

    def _beat(self) -> bool:
        if self._ended or not self._queue.heartbeat(self._lease.execution):
            return False
        self._extended()
        return True

    def end(self) -> str:
        """The handler has returned. Returns the effect as JSON text; `null` when there is none."""
        self._ended = True
        return self._effects.setdefault("effect", ("null",))[0]


Handler = Callable[[Job, Context], Any]
