"""The policy of a fault, and a queue with a class of the learner in its place."""

from typing import Any, cast

from attrs import evolve, fields, frozen

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Fault, build_queue, guarded
from system.policies import Policies
from system.queue import Queue
from system.store import Store


def broken_queue(mode: FailureMode, fault: Fault | None = None) -> Queue:
    """The queue with the fault of the failure mode, or with another one, over no store."""
    return build_queue(cast(Store, None), mode.scope.settings, fault or mode.fault)


def policies_replaced(mode: FailureMode) -> tuple[str, ...]:
    """The names, in `Policies`, of the policies that the fault replaces. A fault of the store has none."""
    try:
        broken = broken_queue(mode).policies
    except (AttributeError, TypeError):  # the fault uses the store, and there is none here
        return ()
    right = broken_queue(mode, guarded).policies
    names = [one.name for one in fields(Policies)]
    return tuple([name for name in names if getattr(broken, name) != getattr(right, name)])


def classes_of(mode: FailureMode) -> tuple[type, ...]:
    """The class of the broken policy, and the class of the queue if the fault has its own."""
    queue = broken_queue(mode)
    [slot] = policies_replaced(mode)
    policy = type(getattr(queue.policies, slot))
    return (policy,) if type(queue) is Queue else (policy, type(queue))


@frozen(kw_only=True)
class StandIn:
    """A class that stands in for a policy of the queue, and perhaps one for the queue itself.

    It is a fault: called with a queue, it returns the queue with an object of the class. `base` is the system
    without the fault, which a failure mode may define in another way than the guarded system.
    """

    slot: str
    policy: type
    base: Fault
    queue: type[Queue] | None = None

    def __call__(self, queue: Queue) -> Queue:
        """Put an object of the class into the queue, with the settings of the policy that it replaces."""
        queue = self.base(queue)
        right: Any = getattr(queue.policies, self.slot)
        inherits = issubclass(self.policy, type(right))
        settings = {one.alias: getattr(right, one.name) for one in fields(type(right))} if inherits else {}
        policies = evolve(queue.policies, **{self.slot: self.policy(**settings)})
        made = self.queue or type(queue)
        return made(store=queue.store, policies=policies, lease_seconds=queue.lease_seconds)
