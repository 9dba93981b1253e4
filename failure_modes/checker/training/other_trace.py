"""The trace of the second round: it breaks the same fault as the first round, and is another trace.

It is found by a random walk with fixed seeds, and is not made shorter. So it is the same each time, and never
the shortest trace, which the first round may have shown. If the fault breaks a second invariant, that one is
the target.
"""

from attrs import frozen

from failure_modes.checker.experiment.catalogue import FailureMode
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.search.search import Result, run
from failure_modes.checker.support.errors import ScenarioError
from failure_modes.checker.training.kata import ModeKata
from model.actions import Action

_SEEDS = 3
"""One walk for each seed; the shortest trace is taken, for it is the easiest to read."""

_EXAMPLES_MAX = 1_000


@frozen(kw_only=True)
class OtherTrace:
    """A trace, the failure mode with the invariant that was looked for, and what was found."""

    mode: FailureMode
    actions: tuple[Action, ...]
    finding: Finding


def other_trace(one: ModeKata) -> OtherTrace:
    """Another trace of the fault of a kata. Raises ScenarioError if the walks find none."""
    mode = one.mode.each[-1]
    seeds = _SEEDS if mode.scope.store is StoreKind.SQLITE else 1  # a walk on a server takes its time
    found = [_walk(mode, seed) for seed in range(1, seeds + 1)]
    longer = [result for result in found if len(result.actions) > mode.expected.shortest]
    if not longer:
        raise ScenarioError(f"{mode.id}: no walk found a trace, so there is none to show")
    shown = min(longer, key=lambda result: len(result.actions))
    assert shown.finding is not None, "a result with actions has a finding"
    return OtherTrace(mode=mode, actions=shown.actions, finding=shown.finding)


def _walk(mode: FailureMode, seed: int) -> Result:
    search = search_of(mode, seed, broken=True, examples=_EXAMPLES_MAX)
    return run(search, driver="walk", shrinking=False)
