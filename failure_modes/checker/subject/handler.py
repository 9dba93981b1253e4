"""The handler of each job in a world. The schedule decides what it does.

If the world has a gateway, the handler calls it. The call is a boundary: the gateway has made the charge, and
the process may wait, fail or die before the reply arrives.
"""

from collections.abc import Callable

from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.process_snapshot import Intent
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from model.actions import Fail, Hang, Heartbeat, Release, TimeOut
from model.events import Failure
from system.store import Job
from system.worker import Context

CutShort = Callable[[Intent], object]
"""Makes the worker break the handler off, for the reason that the schedule gives."""


class HandlerFailed(Exception):
    """The handler fails, because the schedule says `Fail`."""


def handle(process: ProcessContext, cut_short: CutShort, job: Job, context: Context) -> None:
    """Send a heartbeat for each `Heartbeat` intent, then write the payload as the effect, or raise.

    `cut_short` makes the worker break the handler off: the worker raises its own exception here.
    """
    process.set_current_job(job.id)
    process.share((job.id, context))
    _belongs_to(process, context)
    try:
        _run(process, PausePoint.HANDLER, cut_short, context, Failure.SCHEDULED)
        value = job.payload
        gateway = process.world.gateway
        if gateway is not None:
            _charge(process, gateway, value, context.idempotency_key)
            _run(process, PausePoint.REPLY, cut_short, context, Failure.REPLY_LOST)
        context.write(value)
    finally:
        process.share(None)


def _run(
    process: ProcessContext,
    at: PausePoint,
    cut_short: CutShort,
    context: Context,
    failure: Failure,
) -> None:
    """Run to the next part of the handler, or raise. A handler that hangs pauses elsewhere from then on."""
    while isinstance(intent := process.ask(at), Heartbeat):
        context.heartbeat()
    if isinstance(intent, Hang):
        intent = process.ask(PausePoint.HUNG)
    if isinstance(intent, Release | TimeOut):
        cut_short(intent)
    if isinstance(intent, Fail):
        raise HandlerFailed(failure)


def _belongs_to(process: ProcessContext, context: Context) -> None:
    """Let only the first thread of the process be the thread of the handler.

    All greenlets are one thread to Python, so the worker would take a heartbeat of another one for its own.
    """
    handling = context._handling  # noqa: SLF001 (only there the worker says in which thread the handler runs)
    is_here = handling._is_here  # noqa: SLF001
    handling._is_here = (  # type: ignore[method-assign]  # noqa: SLF001
        lambda: is_here() and process.current is process
    )


def _charge(process: ProcessContext, gateway: Gateway, value: str, key: str | None) -> None:
    """Call the gateway. A restored process has the answer of its call in the log."""
    if process.recorded(CALL) is None:
        process.called(CALL, gateway.charge(value, key))
