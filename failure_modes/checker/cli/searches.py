"""What the commands that search share: the search itself, its exit code, and what it says."""

from typing import Any

from attrs import frozen

from failure_modes.checker.campaigns.stretches import run_in_stretches
from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.cli.output import Verdict, output, warn
from failure_modes.checker.cli.settings_options import with_settings
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.report.progress import shown
from failure_modes.checker.report.summary import as_json
from failure_modes.checker.search.machine import Result, Search, run
from failure_modes.checker.traces.trace import Trace


@frozen(kw_only=True)
class Searched:
    """What came of one search."""

    result: Result
    code: EXIT

    @property
    def interrupted(self) -> bool:
        """True if it was interrupted: then no other search is begun."""
        return self.result.statistics.interrupted


def search_of(
    scope: Scope, strategy: Strategy, fault: Fault, target: Target | None, options: dict[str, Any]
) -> Search:
    """The search that the options ask for."""
    return Search(
        scope=scope,
        strategy=strategy,
        fault=fault,
        target=target,
        seed=options["seed"],
        examples=options["examples"],
        seconds_max=options["seconds"],
    )


def search_shown(what: str, search: Search) -> Result:
    """Search, and show how far it has come."""
    with shown(what, search.examples) as progress:
        return run(search, progress)


def stretches_shown(what: str, search: Search, options: dict[str, Any]) -> tuple[Result, Scope]:
    """Search with random settings, but for those that the options give.

    Returns the scope of the last stretch, too: what was found was found there.
    """
    with shown(what, search.examples) as progress:
        return run_in_stretches(search, lambda scope: with_settings(scope, options), progress)


def add_search(result: Result, scope: Scope, trace: Trace | None, code: EXIT, **said: Any) -> None:
    """Add the result of a search to what the command says."""
    verdict = Verdict.BROKEN if result.finding is not None else Verdict.HELD
    if verdict is Verdict.HELD and (code is EXIT.INCONCLUSIVE or result.bound_hit):
        verdict = Verdict.INCONCLUSIVE
    output().add(verdict, **said, store=scope.store.value, **as_json(result, trace))


def guarded_code(result: Result, missing: tuple[str, ...]) -> EXIT:
    """The exit code of a search that should find nothing. Warns of what the search never met."""
    if result.finding is not None:
        return EXIT.NOT_AS_EXPECTED
    if result.statistics.interrupted:
        return EXIT.INCONCLUSIVE
    if missing:
        warn(
            f"never reached: {', '.join(missing)}; it proves nothing: try more --examples, or "
            "a higher --weight of the actions that lead there"
        )
    return EXIT.INCONCLUSIVE if result.bound_hit or missing else EXIT.AS_EXPECTED


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
