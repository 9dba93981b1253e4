"""Some actions, run from the start: what breaks, if anything does."""

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.scope import Scope, Swap
from failure_modes.checker.experiment.target import Hunt, needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play
from model.actions import Action


def attempt(scope: Scope, swap: Swap, hunted: Hunt | None, actions: tuple[Action, ...]) -> Found | None:
    """Run the actions, leaving out what cannot happen, and say what breaks."""
    lockstep = Lockstep(scope, swap, hunted=hunted)
    return play(lockstep, actions, ending=needs_ending(hunted), stops_when_over=True).found
