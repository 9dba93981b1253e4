"""Whether a worker has in hand what the model says that it has."""

from failure_modes.checker.simulation.stepping import At
from model.state import Phase, Worker


def hands_differ(worker: Worker, at: At, *, exact: bool) -> tuple[str, str] | None:
    """What was expected and what is so, where the two part.

    `exact`: the process stands right before its next transaction, so that its handler must run if the model
    says so; else it may be anywhere on the way there.
    """
    running = at in (At.HANDLER, At.REPLY)
    if running and worker.phase is not (Phase.RUNNING if at is At.HANDLER else Phase.CALLED):
        return f"worker {worker.name} is {worker.phase}", "its handler runs"
    if exact and worker.phase in (Phase.RUNNING, Phase.CALLED) and not running:
        return f"worker {worker.name} runs its handler", "it does not"
    return None
