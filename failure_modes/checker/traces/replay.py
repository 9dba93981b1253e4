"""Replay: run a trace again, with the fault or without it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from failure_modes.checker.experiment.catalogue import FailureMode, failure_mode
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.scope import guarded as no_fault
from failure_modes.checker.experiment.target import DIVERGENCE, needs_ending
from failure_modes.checker.oracle.run import play
from failure_modes.checker.simulation.world import World
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.traces.recording import RecordedStep, RecordingLockstep
from failure_modes.checker.traces.trace import Trace
from model.actions import Action

if TYPE_CHECKING:
    from failure_modes.checker.traces.debugging import Debugger


@frozen(kw_only=True)
class Replayed:
    """The result of a replay. `skipped` are the actions that were impossible on this system."""

    trace: Trace
    mode: FailureMode | None
    guarded: bool
    run: RecordingLockstep
    """The run. It is closed, and its records can still be read."""
    finding: Finding | None
    skipped: tuple[Action, ...]
    as_expected: bool
    cut_before: int | None = None
    """The step before which the run was cut: it says nothing of the whole trace."""

    @property
    def steps(self) -> tuple[RecordedStep, ...]:
        """The steps of the run, with the statements of each."""
        return self.run.steps

    @property
    def breaks(self) -> str | None:
        """The invariant that broke: the one that the trace is for, or another that broke first."""
        found = None if self.finding is None else self.finding.invariant
        return found or self.run.judge.off_target

    @property
    def diverges(self) -> bool:
        """True if the system left the model somewhere, whether an invariant broke or not."""
        found = self.finding is not None and self.finding.invariant is None
        return found or self.run.judge.diverged is not None


def replay(
    trace: Trace,
    *,
    guarded: bool = False,
    world: Callable[[Scope, Fault], World] = world_of,
    control: Fault = no_fault,
    until: int | None = None,
    debugger: "Debugger | None" = None,
) -> Replayed:
    """Run a trace. `world` makes the world of the run; `control` is the system without the fault.

    `until`: run the steps before that one only, and expect nothing. With a debugger, run the whole trace, and
    let it stop before that step.

    On the broken system the result is as expected if no action is skipped and the same invariant breaks, or
    the system diverges, at the same step. On the guarded system it is as expected if nothing is found. A
    trace without a failure mode was found on the guarded system; a replay is expected to break it again.

    Raises UnknownFailureMode.
    """
    mode = failure_mode(trace.failure_mode) if trace.failure_mode else None
    broken = mode is not None and not guarded
    if mode is not None and trace.breaks.invariant is not None:
        mode = mode.breaking(trace.breaks.invariant)
    fault = mode.fault if mode is not None and not guarded else control
    target = None
    if mode is not None and broken:
        target = mode.target if trace.breaks.invariant else DIVERGENCE
    lockstep = RecordingLockstep(trace.scope, fault, target=target, world=world(trace.scope, fault))
    partly = until is not None and debugger is None
    if until is not None and debugger is not None:
        debugger.attach(lockstep, until)
    actions = trace.actions[: until - 1] if until is not None and partly else trace.actions
    played = play(lockstep, actions, ending=needs_ending(target) and not partly)
    finding = played.found.finding if played.found else None
    breaks = finding is not None and (finding.invariant, finding.step) == (
        trace.breaks.invariant,
        trace.breaks.step,
    )
    nothing = finding is None and (lockstep.judge.off_target is None or not partly)
    as_expected = nothing if guarded or partly else (breaks and not played.skipped)
    return Replayed(
        trace=trace,
        mode=mode,
        guarded=guarded,
        run=lockstep,
        finding=finding,
        skipped=played.skipped,
        as_expected=as_expected,
        cut_before=until if partly else None,
    )
