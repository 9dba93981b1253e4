"""A kept trace, run again: on the broken system, and on the guarded one."""

from collections.abc import Callable

from attrs import frozen

from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Scope, Swap
from failure_modes.checker.experiment.scope import guarded as nothing_swapped
from failure_modes.checker.experiment.target import needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.traces.trace import Trace
from model.actions import Action


@frozen(kw_only=True)
class Replayed:
    """What came of it. `skipped` are the actions that could not happen on this system."""

    mode: FailureMode | None
    guarded: bool
    run: Lockstep
    """The run, which is closed: what it recorded can still be read."""
    finding: Finding | None
    skipped: tuple[Action, ...]
    as_expected: bool


def replay(
    trace: Trace,
    *,
    guarded: bool = False,
    world: Callable[[Scope, Swap], World] = world_of,
    base: Swap = nothing_swapped,
) -> Replayed:
    """Run a trace.

    `world` makes the world that it is run in; `base` is the system where no fault is put in.

    Raises UnknownFailureMode.

    As expected means: the broken system breaks the same invariant at the same step, with every action of
    the trace; the guarded one breaks nothing. A trace of no failure mode was found on the guarded system,
    and is expected to break it.
    """
    mode = failure_mode(trace.failure_mode) if trace.failure_mode else None
    broken = mode is not None and not guarded
    if mode is not None and trace.breaks.invariant is not None:
        mode = mode.breaking(trace.breaks.invariant)
    swap = mode.fault if mode is not None and not guarded else base
    hunted = mode.target if mode is not None and broken and trace.breaks.invariant else None
    lockstep = Lockstep(trace.scope, swap, target=hunted, world=world(trace.scope, swap))
    played = play(lockstep, trace.actions, ending=needs_ending(hunted))
    finding = played.found.finding if played.found else None
    breaks = finding is not None and (finding.invariant, finding.step) == (
        trace.breaks.invariant,
        trace.breaks.step,
    )
    as_expected = (finding is None) if guarded else (breaks and not played.skipped)
    return Replayed(
        mode=mode,
        guarded=guarded,
        run=lockstep,
        finding=finding,
        skipped=played.skipped,
        as_expected=as_expected,
    )
