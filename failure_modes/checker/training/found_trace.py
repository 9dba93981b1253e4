"""The trace that breaks a learner's version, as text and as a page. Neither names the missing policy."""

from contextlib import redirect_stdout
from io import StringIO

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.run import play
from failure_modes.checker.report.pages.page import page_text
from failure_modes.checker.report.rendering import headline, table, verdict
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.recording import RecordingLockstep
from failure_modes.checker.traces.replay import Replayed
from failure_modes.checker.traces.trace import Breaks, Trace
from model.actions import Action
from model.invariants import invariant

_PRINTED_MAX = 20
"""Lines of what the learner's code printed that are shown with a trace."""


@frozen(kw_only=True)
class FoundTrace:
    """A trace for people. `page` is HTML; None if the machine lacks what makes pages."""

    text: str
    page: str | None


def found_trace(
    name: str, scope: Scope, fault: Fault, finding: Finding, actions: tuple[Action, ...]
) -> FoundTrace:
    """Run the actions again, and show the run with what the code printed in it."""
    assert finding.invariant is not None, "a learner's version is broken by an invariant"
    lockstep = RecordingLockstep(scope, fault, target=Target(finding.invariant))
    with StringIO() as printed, redirect_stdout(printed):
        played = play(lockstep, actions, ending=finding.step is None)
        lines = printed.getvalue().splitlines()
    promise = f"{finding.invariant} promises: {invariant(finding.invariant).promise}"
    shown = [
        headline(f"your version ({name})", finding, lockstep, shortest=True),
        table(lockstep, finding),
        verdict(finding, lockstep, None),
        f" {promise}",
        *[" your code printed:"] * bool(lines),
        *[f"   {line}" for line in lines[:_PRINTED_MAX]],
    ]
    breaks = Breaks(invariant=finding.invariant, step=finding.step)
    replayed = Replayed(
        trace=Trace(failure_mode=None, scope=scope, breaks=breaks, why=promise, actions=actions),
        mode=None,
        guarded=False,
        run=lockstep,
        finding=finding,
        skipped=played.skipped,
        as_expected=True,
    )
    return FoundTrace(text="\n".join(shown), page=_page(replayed, name))


def _page(replayed: Replayed, name: str) -> str | None:
    try:
        return page_text([replayed], title=f"your version of {name}", labels=["your version"])
    except NotInstalled:
        return None
