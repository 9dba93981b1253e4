"""The handler of every job in a world: it does what the schedule asks of it.

Where there is a gateway the handler calls it before it returns. The call is a boundary of its own: the
gateway has done its work, and the process may wait, fail, or die before the reply reaches it.
"""

from failure_modes.checker.simulation.gateway import Gateway
from failure_modes.checker.simulation.process_context import ProcessContext
from failure_modes.checker.simulation.stepping import CALL, PausePoint
from model.actions import Fail, Heartbeat
from model.events import Failure
from system.store import Job
from system.worker import Context


class HandlerFailed(Exception):
    """What a handler raises when the schedule says `Fail`."""


def handle(process: ProcessContext, job: Job, context: Context) -> None:
    """Write the payload as the effect, after as many heartbeats as are asked for; or raise."""
    process.works_on(job.id)
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
    """Call the gateway. A process that is brought back has called it already, and has its answer."""
    if process.answered(CALL) is None:
        process.called(CALL, gateway.charge(value, key))
