"""Common functions of the commands that search: the search, its exit code and its output."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import frozen

from failure_modes.checker.cli.exits import EXIT, code_of_finding, worst
from failure_modes.checker.cli.output import Verdict, output, warn
from failure_modes.checker.cli.paths import shown_path
from failure_modes.checker.cli.settings_options import with_settings
from failure_modes.checker.cli.sharing import cluster_of, processes_for
from failure_modes.checker.experiment.findings import Finding, Found
from failure_modes.checker.experiment.scope import Fault, Scope
from failure_modes.checker.experiment.strategy import Strategy
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.report.progress import shown
from failure_modes.checker.report.summary import as_json
from failure_modes.checker.search.search import Result, Search, run
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.traces.trace import Trace
from model.events import EventKind, Operation


@frozen(kw_only=True)
class SearchOutcome:
    """The result of one search, with its exit code."""

    result: Result
    code: EXIT
    trace: Trace | None = None
    saved: Path | None = None
    """The file of the trace."""

    @property
    def interrupted(self) -> bool:
        """True if the search was interrupted. Then no further search begins."""
        return self.result.statistics.interrupted


def run_search(
    label: str, search: Search, driver: str | None, first: Callable[[Found], None] | None = None
) -> Result:
    """Run a search with that driver, and show its progress.

    `first` is called with the first finding, before it is shrunk.
    """
    waiting = [first] if first is not None else []
    with shown(label, search.examples) as progress:

        def report(statistics: SearchStatistics) -> None:
            if waiting and statistics.shortest is not None:
                waiting.pop()(statistics.shortest)
            progress(statistics)

        return run(search, report, driver=driver)


def run_stretches(
    label: str, search: Search, options: dict[str, Any], *, random_settings: bool
) -> tuple[Result, Scope]:
    """Search the guarded system in stretches, which processes share; show the progress.

    Settings that are drawn at random leave those that the options give. Returns the scope of the last
    stretch, too: a finding was found in it.
    """
    from failure_modes.checker.campaigns.stretches import SHARED_FROM, run_in_stretches
    from failure_modes.checker.experiment.random_settings import without_pauses_in_batches
    from failure_modes.checker.support.process_pool import Pool, WorkPool

    def with_given(drawn: Scope) -> Scope:
        return without_pauses_in_batches(with_settings(drawn, options))

    with ExitStack() as stack:
        progress = stack.enter_context(shown(label, search.examples))
        number = processes_for(search.scope, options)
        pool: WorkPool | None = cluster_of(search.scope, options)
        if pool is None and number > 1 and search.examples >= SHARED_FROM:
            pool = stack.enter_context(Pool(number))
        given = with_given if random_settings else None
        return run_in_stretches(search, given, progress, driver=options["driver"], pool=pool)


def search_with(
    scope: Scope,
    strategy: Strategy,
    fault: Fault,
    target: Target | None,
    options: dict[str, Any],
    **explorable: Any,
) -> Search:
    """The search that the options ask for. `explorable` has its bounds, if the explorer may be asked."""
    return Search(
        scope=scope,
        strategy=strategy,
        fault=fault,
        target=target,
        seed=options["seed"],
        examples=options["examples"],
        seconds_max=options["seconds"],
        **explorable,
    )


def add_search(
    result: Result, scope: Scope, trace: Trace | None, code: EXIT, *, saved: Path | None, **values: Any
) -> None:
    """Add the result of a search to the output. `saved` is the file of its trace."""
    verdict = verdict_of(result.finding)
    if verdict is Verdict.HELD and (code is EXIT.INCONCLUSIVE or result.stopped_early):
        verdict = Verdict.INCONCLUSIVE
    path = None if saved is None else shown_path(saved)
    output().add(verdict, **values, store=scope.store.value, **as_json(result, trace), saved=path)


def verdict_of(finding: Finding | None) -> Verdict:
    """What was seen: a violation, a divergence, or neither."""
    if finding is None:
        return Verdict.HELD
    return Verdict.DIVERGED if finding.invariant is None else Verdict.BROKEN


def guarded_code(result: Result, missing: tuple[str, ...]) -> EXIT:
    """The exit code of a search that should find nothing. Warns of properties that were not reached."""
    if result.finding is not None:
        return code_of_finding(result.finding)
    if result.statistics.interrupted:
        return EXIT.INCONCLUSIVE
    if (idle := idle_described(result)) is not None:
        warn(idle)
        return EXIT.INCONCLUSIVE
    if missing:
        warn(
            f"never reached: {', '.join(missing)}; so the search proves nothing: try more --examples, or "
            "a higher --weight of the actions that lead there"
        )
    return EXIT.INCONCLUSIVE if result.stopped_early or missing else EXIT.AS_EXPECTED


def idle_described(result: Result) -> str | None:
    """The reason why a search shows nothing, if no example leased a job; else None."""
    leased = f"{Operation.LEASE}: {EventKind.LEASED}"
    if any(outcome.startswith(leased) for outcome in result.statistics.outcomes):
        return None
    return "no job was leased; so the search proves nothing: try more --examples or --steps"


def code_of_all(searched: list[SearchOutcome]) -> EXIT:
    """The exit code of several searches. Warns if the last was interrupted."""
    if any(one.interrupted for one in searched):
        warn("interrupted")
    return worst([one.code for one in searched])


def skipped_described(result: Result, before: str) -> str:
    """The numbers of examples that broke another invariant first, in words after `before`; else nothing."""
    skipped = sorted(result.statistics.off_target.items())
    description = " and ".join([f"{count} examples broke {name} first" for name, count in skipped])
    return f"{before}{description} and were skipped" if skipped else ""
