"""The command `explore`: an unrestricted search, on the guarded system or with policies switched off."""

from pathlib import Path
from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.explore_policies import search_policies
from failure_modes.checker.cli.options import DRAWING, scoped, tuned, tuning
from failure_modes.checker.cli.output import output, show, warn
from failure_modes.checker.cli.saving import SAVE, check_free, saved, say_saved
from failure_modes.checker.cli.search_output import (
    add_search,
    guarded_code,
    run_stretches,
    search_with,
)
from failure_modes.checker.cli.settings_options import settings, with_settings
from failure_modes.checker.cli.sharing import processes
from failure_modes.checker.experiment.scope import Scope, StoreKind, guarded
from failure_modes.checker.experiment.strategy import FAULTS, UNRESTRICTED
from failure_modes.checker.oracle.sometimes import of_weights
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import (
    everything_reached,
    explored,
    properties,
    totals,
    trace_of,
    unreached,
)
from failure_modes.checker.traces.replay import replay

EXPLORE_EXAMPLES = 2_000


@command()
@DRAWING
@tuning(examples=EXPLORE_EXAMPLES)
@settings
@click.option("--random-settings", is_flag=True, help="Draw the settings of each 25 examples from --seed.")
@click.option(
    "--every-fault",
    is_flag=True,
    help="Give each rarer action that the store can have the weight 1, unless --weight says another.",
)
@click.option("--reach-all", is_flag=True, help="Exit with 3 unless every `sometimes` property was reached.")
@SAVE
@click.option(
    "--off", type=click.IntRange(1, 200), help="Instead, switch off this number of random sets of policies."
)
@processes("Processes that share the examples, or with --off the sets.")
def explore(
    file: Path | None,
    *,
    reach_all: bool,
    off: int | None,
    random_settings: bool,
    every_fault: bool,
    **options: Any,
) -> EXIT:
    """Search the guarded system with every action allowed, and show what was reached.

    With --off: switch off random sets of policies, and show which invariants break and which policies must be
    off for each break. With --random-settings, the settings that the options give stay as they are.
    """
    check_free(file)
    if every_fault:
        given = {name for name, _ in options["weights"]}
        faults = FAULTS[StoreKind(options["store"] or StoreKind.SQLITE)]
        more = [(name, 1) for name in faults if name not in given]
        options["weights"] = (*options["weights"], *more)
    scope = with_settings(scoped(Scope().with_each_tick(), options), options)
    strategy = tuned(UNRESTRICTED, options)
    if off is not None:
        if reach_all or file is not None:
            raise click.UsageError("--off cannot be used with --reach-all or --save: it searches for breaks")
        return search_policies(scope, strategy, off, options, random_settings=random_settings)
    label = "exploring the guarded system"
    search = search_with(scope, strategy, guarded, None, options)
    result, scope = run_stretches(label, search, options, random_settings=random_settings)
    trace = trace_of(None, scope, result, "found by exploring the guarded system")
    at = saved(trace, file) if trace else None
    if trace is not None:
        show(rendered(replay(trace), look=output().look))
        say_saved(at)
    show(f"explored the guarded system: {totals(result)}")
    wanted = (
        *properties(scope, random_settings=random_settings),
        *of_weights(dict(strategy.weights)),
    )
    show(everything_reached(wanted, result))
    if result.statistics.interrupted:
        warn("interrupted")
    missing = unreached(wanted if reach_all else (), result)
    code = guarded_code(result, missing)
    add_search(result, scope, trace, code, saved=at, unreached=list(missing), **explored(result))
    return code
