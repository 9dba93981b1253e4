"""What `prove` says of a proof: as text, and as results in the JSON object."""

import json

from attrs import frozen

from failure_modes.checker.cli.keeping import as_typed, shown_path
from failure_modes.checker.cli.output import Verdict, output, show
from failure_modes.checker.cli.searches import verdict_of
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
class Proved:
    """What was asked, and the answers: of the broken system, and with the fault put right."""

    mode: FailureMode | None
    scope: Scope
    bounds: Bounds
    broken: ProofResult | None
    held: ProofResult | None
    wrong: tuple[str, ...]
    """Where the answers differ from what the scenario says of its own scope."""

    @property
    def answers(self) -> tuple[ProofResult, ...]:
        """Those that there are."""
        return tuple([answer for answer in (self.broken, self.held) if answer is not None])

    @property
    def interrupted(self) -> bool:
        """True if a proof was interrupted: then no other is begun."""
        return "interrupted" in [answer.bound for answer in self.answers]

    @property
    def description(self) -> str:
        """The scope, in words."""
        store = "" if self.scope.store is StoreKind.SQLITE else f", {self.scope.store}"
        scope = f"{self.scope.description}, {self.scope.granularity} granularity{store}"
        return f"{self.bounds.description}; {scope}"


def tell(proved: Proved, keep_as: str | None, why: str) -> None:
    """Show it, and add its results."""
    mode, scope = proved.mode, proved.scope
    show(f"{'guarded system' if mode is None else f'{mode.id} {mode.title}'}: {proved.description}")
    if mode is not None and proved.broken is not None:
        _tell_broken(mode, scope, proved.broken, keep_as, why)
        _add(proved, proved.broken, mode, "broken")
    if proved.held is not None:
        _tell_held(mode, scope, proved.held)
        _add(proved, proved.held, None, "guarded")
    for wrong in proved.wrong:
        show(f" not as its scenario.py says: {wrong}")


def _add(proved: Proved, answer: ProofResult, broken: FailureMode | None, system: str) -> None:
    """Add a result. `broken` is the failure mode where its fault was put in."""
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


def _tell_broken(mode: FailureMode, scope: Scope, answer: ProofResult, keep_as: str | None, why: str) -> None:
    trace = trace_of(mode, scope, answer, why)
    if trace is None:
        said = "is broken in no reachable state of this scope" if answer.complete else _stopped(answer)
        show(f" the broken system: {mode.breaks} {said}: {_counts(answer)}")
        return
    again = as_typed("replay", shown_path(path_of(mode, keep_as))) if keep_as else None
    show(rendered(replay(trace), command=again, shortest=True))
    steps = steps_described(len(answer.actions))
    show(f" no trace of fewer than {steps} breaks {mode.breaks}: {_counts(answer)}")


def _tell_held(mode: FailureMode | None, scope: Scope, answer: ProofResult) -> None:
    trace = trace_of(None, scope, answer, "")
    if trace is not None:
        base = mode.control if mode else guarded
        show(rendered(replay(trace, base=base), shortest=True))
        show(f" {_control(mode)} breaks: {_counts(answer)}")
    elif answer.complete:
        without = f"{mode.control_note}: " if mode and mode.control_note else ""
        prevented = f"{without}prevented by {mode.policy}: " if mode else ""
        show(f" {prevented}complete, nothing breaks in any reachable state: {_counts(answer)}")
    else:
        show(f" {_control(mode)}: {_stopped(answer)}: {_counts(answer)}")


def _control(mode: FailureMode | None) -> str:
    """The system in which no fault is put in, in words."""
    return f"the right system, {mode.control_note}," if mode and mode.control_note else "the guarded system"


def _stopped(answer: ProofResult) -> str:
    if answer.bound == "depth":
        return f"not broken by any trace of up to {answer.depth} steps; not complete, --depth was reached"
    if answer.bound == "interrupted":
        return f"not complete: interrupted at depth {answer.depth}"
    return f"not complete: --{answer.bound} was reached at depth {answer.depth}"


def _counts(answer: ProofResult) -> str:
    counts = answer.counts
    skipped = f", {counts.off_target:,} ways ended where another invariant broke" if counts.off_target else ""
    return (
        f"{counts.states:,} states, {counts.transitions:,} transitions, {answer.seconds:.1f} s, "
        f"{answer.peak_memory_mb:,.0f} MB{skipped}"
    )
