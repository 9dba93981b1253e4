"""Some actions, run from the start: what breaks, if anything does."""

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope, Swap
from failure_modes.checker.experiment.target import Hunt, needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from model.actions import Action


def attempt(scope: Scope, swap: Swap, hunted: Hunt | None, actions: tuple[Action, ...]) -> Found | None:
    """Run the actions, leaving out what cannot happen, and say what breaks."""
    with Lockstep(scope, swap, hunted=hunted) as lockstep:
        try:
            for action in actions:
                if lockstep.possible(action):
                    lockstep.apply(action)
                if lockstep.over:
                    return None
            if needs_ending(hunted):
                lockstep.finish()
        except Found as found:
            return found
    return None
