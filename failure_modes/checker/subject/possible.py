"""Which actions of the alphabet can happen to a process of our queue, where it stands."""

from failure_modes.checker.simulation.process_snapshot import Place
from failure_modes.checker.simulation.stepping import At
from model.actions import PRODUCER, RECONCILER, Action, Crash, Enqueue, Fail, Heartbeat, Reconcile


def can(name: str, place: Place, action: Action) -> bool:
    """True if the action can happen to the process of that name, where it stands."""
    match action:
        case Enqueue() | Reconcile():
            return place.at is At.IDLE
        case Crash():
            return not place.at_rest
        case Fail():
            return place.at in (At.HANDLER, At.REPLY)
        case Heartbeat():
            return place.at is At.HANDLER
        case _:
            idle = place.at is At.IDLE and name in (PRODUCER, RECONCILER)
            return not idle and not place.waits
