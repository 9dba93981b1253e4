"""The handler of each job in a world. The schedule decides what it does.

If the world has a gateway, the handler calls it. The call is a boundary: the gateway has made the charge, and
the process may wait, fail or die before the reply arrives.
"""

from collections.abc import Callable

from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from model.actions import Fail, Heartbeat, Release
from model.events import Failure
from system.store import Job
from system.worker import Context


class HandlerFailed(Exception):
    """The handler fails, because the schedule says `Fail`."""


def handle(process: ProcessContext, release: Callable[[], object], job: Job, context: Context) -> None:
    """Send a heartbeat for each `Heartbeat` intent, then write the payload as the effect, or raise.

    `release` makes the worker release the job: the worker raises its own exception here.
    """
    process.set_current_job(job.id)
    process.share((job.id, context))
    _belongs_to(process, context)
    while isinstance(intent := process.ask(PausePoint.HANDLER), Heartbeat):
        context.heartbeat()
    if isinstance(intent, Release):
        release()
    if isinstance(intent, Fail):
        raise HandlerFailed(Failure.SCHEDULED)
    value = job.payload
    gateway = process.world.gateway
    if gateway is not None:
        _charge(process, gateway, value, context.idempotency_key)
        intent = process.ask(PausePoint.REPLY)
        if isinstance(intent, Release):
            release()
        if isinstance(intent, Fail):
            raise HandlerFailed(Failure.REPLY_LOST)
    context.write(value)


def _belongs_to(process: ProcessContext, context: Context) -> None:
    """Let only the first thread of the process be the thread of the handler.

    All greenlets are one thread to Python, so the worker would take a heartbeat of another one for its own.
    """
    handling = context._handling  # noqa: SLF001 (only there the worker says in which thread the handler runs)
    is_here = handling._is_here  # noqa: SLF001
    handling._is_here = lambda: is_here() and process.current is process  # type: ignore[method-assign]  # noqa: SLF001


def _charge(process: ProcessContext, gateway: Gateway, value: str, key: str | None) -> None:
    """Call the gateway. A restored process has the answer of its call in the log."""
    if process.recorded(CALL) is None:
        process.called(CALL, gateway.charge(value, key))
