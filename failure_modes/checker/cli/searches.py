"""What the commands that search share: the search itself, its exit code, and what it says."""

from typing import Any

from attrs import frozen

from failure_modes.checker.cli.exits import EXIT, code_of_finding, worst
from failure_modes.checker.cli.output import Verdict, output, warn
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.report.progress import shown
from failure_modes.checker.report.summary import as_json
from failure_modes.checker.search.machine import Result, Search, run
from failure_modes.checker.traces.trace import Trace
from model.events import EventKind, Operation


@frozen(kw_only=True)
class Searched:
    """What came of one search."""

    result: Result
    code: EXIT

    @property
    def interrupted(self) -> bool:
        """True if it was interrupted: then no other search is begun."""
        return self.result.statistics.interrupted


def search_shown(
    what: str, scope: Scope, strategy: Strategy, fault: Fault, target: Target | None, options: dict[str, Any]
) -> Result:
    """Search, and show how far it has come."""
    search = Search(
        scope=scope,
        strategy=strategy,
        fault=fault,
        target=target,
        seed=options["seed"],
        examples=options["examples"],
        seconds_max=options["seconds"],
    )
    with shown(what, search.examples) as progress:
        return run(search, progress)


def add_search(result: Result, scope: Scope, trace: Trace | None, code: EXIT, **said: Any) -> None:
    """Add the result of a search to what the command says."""
    verdict = verdict_of(result.finding)
    if verdict is Verdict.HELD and (code is EXIT.INCONCLUSIVE or result.bound_hit):
        verdict = Verdict.INCONCLUSIVE
    output().add(verdict, **said, store=scope.store.value, **as_json(result, trace))


def verdict_of(finding: Finding | None) -> Verdict:
    """What was seen: a violation, a divergence, or neither."""
    if finding is None:
        return Verdict.HELD
    return Verdict.DIVERGED if finding.invariant is None else Verdict.BROKEN


def guarded_code(result: Result, missing: tuple[str, ...]) -> EXIT:
    """The exit code of a search that should find nothing. Warns of what the search never met."""
    if result.finding is not None:
        return code_of_finding(result.finding)
    if result.statistics.interrupted:
        return EXIT.INCONCLUSIVE
    if (idle := idle_described(result)) is not None:
        warn(idle)
        return EXIT.INCONCLUSIVE
    if missing:
        warn(
            f"never reached: {', '.join(missing)}; it proves nothing: try more --examples, or "
            "a higher --weight of the actions that lead there"
        )
    return EXIT.INCONCLUSIVE if result.bound_hit or missing else EXIT.AS_EXPECTED


def idle_described(result: Result) -> str | None:
    """Why the search shows nothing, if no job was leased in any of its examples; else None."""
    leased = f"{Operation.LEASE}: {EventKind.LEASED}"
    if any(outcome.startswith(leased) for outcome in result.statistics.outcomes):
        return None
    return "no job was ever leased; it proves nothing: try more --examples or --steps"


def code_of_all(searched: list[Searched]) -> EXIT:
    """The exit code of several searches. Warns if the last was interrupted."""
    if any(one.interrupted for one in searched):
        warn("interrupted")
    return worst([one.code for one in searched])


def skipped_described(result: Result, before: str) -> str:
    """How many examples were skipped because another invariant broke first; begins with `before`."""
    skipped = sorted(result.statistics.asides.items())
    description = " and ".join([f"{count} examples broke {name} first" for name, count in skipped])
    return f"{before}{description} and were skipped" if skipped else ""
