"""The trace that breaks a learner's version, as text and as a page. Neither names the missing policy."""

import sys
from contextlib import redirect_stdout
from io import StringIO

from attrs import frozen

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.run import play
from failure_modes.checker.report.pages.page import page_text
from failure_modes.checker.report.rendering import headline, noted, table
from failure_modes.checker.report.table import PLAIN, Look, fitted, look_of, paragraph, styled
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
    shown: str
    """The text in the colours of the terminal, and as wide as it is."""
    page: str | None


def found_trace(
    name: str, scope: Scope, fault: Fault, finding: Finding, actions: tuple[Action, ...]
) -> FoundTrace:
    """Run the actions again, and show the run with what the code printed in it."""
    assert finding.invariant is not None, "a learner's version is broken by an invariant"
    lockstep = RecordingLockstep(scope, fault, target=Target(finding.invariant))
    promise = f"{finding.invariant} promises: {invariant(finding.invariant).promise}"
    replayed = replay_of(lockstep, actions, finding, why=promise)
    with StringIO() as printed, redirect_stdout(printed):
        play(lockstep, actions, ending=finding.step is None)
        lines = printed.getvalue().splitlines()
    below = [f" {promise}", *[" your code printed:"] * bool(lines)]
    below += [f"   {line}" for line in lines[:_PRINTED_MAX]]

    def text(look: Look) -> str:
        said = [
            *[f" expected: {finding.expected}"] * bool(finding.expected),
            styled(paragraph(f" got: {finding.got}", look), "broken", look),
            *noted(finding, lockstep),
        ]
        return "\n".join(
            [
                headline(f"your version ({name})", finding, lockstep, shortest=True, look=look),
                table(replayed, look=look),
                *[fitted(line, look) for line in (*said, *below)],
            ]
        )

    return FoundTrace(text=text(PLAIN), shown=text(terminal_look()), page=_page(replayed, name))


def terminal_look() -> Look:
    """How the terminal looks. Code of a learner runs with another standard output, so that is not asked."""
    return look_of(sys.__stdout__) if sys.__stdout__ is not None else PLAIN


def replay_of(
    lockstep: RecordingLockstep, actions: tuple[Action, ...], finding: Finding | None, *, why: str = ""
) -> Replayed:
    """A run of a learner's queue as a replay; it belongs to no failure mode."""
    breaks = Breaks(
        invariant=None if finding is None else finding.invariant,
        step=None if finding is None else finding.step,
    )
    return Replayed(
        trace=Trace(failure_mode=None, scope=lockstep.scope, breaks=breaks, why=why, actions=actions),
        mode=None,
        guarded=False,
        run=lockstep,
        finding=finding,
        skipped=(),
        as_expected=True,
    )


def _page(replayed: Replayed, name: str) -> str | None:
    try:
        return page_text([replayed], title=f"your version of {name}", labels=["your version"])
    except NotInstalled:
        return None
