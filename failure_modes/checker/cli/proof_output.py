"""The output of `prove`: text, and results in the JSON object."""

import json

from attrs import frozen

from failure_modes.checker.cli.output import Verdict, output, show
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.cli.search_output import verdict_of
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.scope import Scope, StoreKind, guarded
from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.proof.result import ProofResult
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import trace_of
from failure_modes.checker.traces.database import path_of
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import to_json


@frozen(kw_only=True)
class ProofPair:
    """The proof of the broken system and the proof of its control, in one scope."""

    mode: FailureMode | None
    scope: Scope
    bounds: Bounds
    broken: ProofResult | None
    held: ProofResult | None
    wrong: tuple[str, ...]
    """The differences from the expected numbers of the scenario."""

    @property
    def answers(self) -> tuple[ProofResult, ...]:
        """The results of both proofs, without a missing one."""
        return tuple([answer for answer in (self.broken, self.held) if answer is not None])

    @property
    def interrupted(self) -> bool:
        """True if a proof was interrupted. Then no further proof begins."""
        return "interrupted" in [answer.bound for answer in self.answers]

    @property
    def description(self) -> str:
        """The scope, in words."""
        store = "" if self.scope.store is StoreKind.SQLITE else f", {self.scope.store}"
        return f"{self.bounds.described(self.scope)}, {self.scope.granularity} granularity{store}"


def show_proof(proved: ProofPair, keep_as: str | None, why: str) -> None:
    """Show both proofs, and add their results to the output."""
    mode, scope = proved.mode, proved.scope
    show(f"{'guarded system' if mode is None else f'{mode.id} {mode.title}'}: {proved.description}")
    if mode is not None and proved.broken is not None:
        _show_broken(mode, scope, proved.broken, keep_as, why)
        _add(proved, proved.broken, mode, "broken")
    if proved.held is not None:
        _show_held(mode, scope, proved.held)
        _add(proved, proved.held, None, "guarded")
    for wrong in proved.wrong:
        show(f" different from its scenario.py: {wrong}")


def _add(proved: ProofPair, answer: ProofResult, broken: FailureMode | None, system: str) -> None:
    """Add a result. `broken` is the failure mode if the proof is of the broken system."""
    held = Verdict.HELD if answer.complete else Verdict.INCONCLUSIVE
    trace = trace_of(broken, proved.scope, answer, "")
    output().add(
        held if answer.finding is None else verdict_of(answer.finding),
        failure_mode=proved.mode.id if proved.mode else None,
        system=system,
        target=broken.breaks if broken else None,
        scope=proved.description,
        **answer.as_json(),
        wrong=list(proved.wrong),
        trace=json.loads(to_json(trace)) if trace else None,
    )


def _show_broken(mode: FailureMode, scope: Scope, answer: ProofResult, keep_as: str | None, why: str) -> None:
    trace = trace_of(mode, scope, answer, why)
    if trace is None:
        result = "breaks in no reachable state of this scope" if answer.complete else _stopped(answer)
        show(f" the broken system: {mode.breaks} {result}: {_counts(answer)}")
        return
    again = command_line("replay", shown_path(path_of(mode, keep_as))) if keep_as else None
    show(rendered(replay(trace), command=again, shortest=True, look=output().look))
    steps = steps_described(len(answer.actions))
    show(f" no trace with fewer than {steps} breaks {mode.breaks}: {_counts(answer)}")


def _show_held(mode: FailureMode | None, scope: Scope, answer: ProofResult) -> None:
    trace = trace_of(None, scope, answer, "")
    if trace is not None:
        control = mode.control if mode else guarded
        show(rendered(replay(trace, control=control), shortest=True, look=output().look))
        show(f" {_control(mode)} breaks: {_counts(answer)}")
    elif answer.complete:
        without = f"{mode.control_note}: " if mode and mode.control_note else ""
        prevented = f"{without}prevented by {mode.policy}: " if mode else ""
        show(f" {prevented}complete, nothing breaks in any reachable state: {_counts(answer)}")
    else:
        show(f" {_control(mode)}: {_stopped(answer)}: {_counts(answer)}")


def _control(mode: FailureMode | None) -> str:
    """The control, in words."""
    return f"the control, {mode.control_note}," if mode and mode.control_note else "the guarded system"


def _stopped(answer: ProofResult) -> str:
    if answer.bound == "depth":
        return f"holds for every trace of up to {answer.depth} steps; not complete, --depth was reached"
    if answer.bound == "interrupted":
        return f"not complete: interrupted at depth {answer.depth}"
    return f"not complete: --{answer.bound} was reached at depth {answer.depth}"


def _counts(answer: ProofResult) -> str:
    counts = answer.counts
    skipped = (
        f", {counts.off_target:,} paths ended because another invariant broke" if counts.off_target else ""
    )
    return (
        f"{counts.states:,} states, {counts.transitions:,} transitions, {answer.seconds:.1f} s, "
        f"{answer.peak_memory_mb:,.0f} MB{skipped}"
    )
