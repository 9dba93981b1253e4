"""A search without a target: it ends at whatever it finds first, and shortens nothing."""

from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.search.search import Search, run


def first_finding(
    scope: Scope, strategy: Strategy, fault: Fault, *, seed: int, examples: int
) -> Finding | None:
    """A violation or a divergence; None if the search finds nothing."""
    search = Search(scope=scope, strategy=strategy, fault=fault, target=None, seed=seed, examples=examples)
    return run(search, shrinking=False).finding
