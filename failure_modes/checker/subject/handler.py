"""The handler of each job in a world. The schedule decides what it does.

If the world has a gateway, the handler calls it. The call is a boundary: the gateway has made the charge, and
the process may wait, fail or die before the reply arrives.
"""

from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from model.actions import Fail, Heartbeat
from model.events import Failure
from system.store import Job
from system.worker import Context


class HandlerFailed(Exception):
    """The handler fails, because the schedule says `Fail`."""


def handle(process: ProcessContext, job: Job, context: Context) -> None:
    """Send a heartbeat for each `Heartbeat` intent, then write the payload as the effect, or raise."""
    process.set_current_job(job.id)
    process.share((job.id, context))
    while isinstance(intent := process.ask(PausePoint.HANDLER), Heartbeat):
        context.heartbeat()
    if isinstance(intent, Fail):
        raise HandlerFailed(Failure.SCHEDULED)
    value = job.payload
    gateway = process.world.gateway
    if gateway is not None:
        _charge(process, gateway, value, context.idempotency_key)
        if isinstance(process.ask(PausePoint.REPLY), Fail):
            raise HandlerFailed(Failure.REPLY_LOST)
    context.write(value)


def _charge(process: ProcessContext, gateway: Gateway, value: str, key: str | None) -> None:
    """Call the gateway. A restored process has the answer of its call in the log."""
    if process.recorded(CALL) is None:
        process.called(CALL, gateway.charge(value, key))
