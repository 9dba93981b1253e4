"""The command `explore`: a free search, on the guarded system or with policies switched off."""

from pathlib import Path
from typing import Any

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.hunting import hunt_and_show
from failure_modes.checker.cli.options import processes, scoped, tuned, tuning
from failure_modes.checker.cli.output import show, warn
from failure_modes.checker.cli.searches import (
    add_search,
    guarded_code,
    search_of,
    search_shown,
    stretches_shown,
)
from failure_modes.checker.cli.settings_options import settings, ticking, with_settings
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.report.rendering import rendered
from failure_modes.checker.report.summary import (
    everything_reached,
    explored,
    met,
    properties,
    trace_of,
    unreached,
)
from failure_modes.checker.traces.database import save
from failure_modes.checker.traces.replay import replay

EXPLORE_EXAMPLES = 2_000


@command()
@tuning(examples=EXPLORE_EXAMPLES)
@settings
@click.option("--random-settings", is_flag=True, help="Draw the settings of each 25 examples from --seed.")
@click.option("--reach-all", is_flag=True, help="Exit with 3 unless every `sometimes` property was reached.")
@click.option("--save", "file", type=click.Path(path_type=Path), help="Write the trace of a violation here.")
@click.option(
    "--off", type=click.IntRange(1, 200), help="Switch off so many random sets of policies instead."
)
@processes("With --off: processes that share the sets.")
def explore(
    file: Path | None, *, reach_all: bool, off: int | None, random_settings: bool, **options: Any
) -> EXIT:
    """Search freely on the guarded system, and say what was reached.

    With --off, on broken ones: for each set of policies, which invariants break, and which policies it takes.
    With --random-settings, those that are given stay as they are.
    """
    scope = with_settings(scoped(Scope(), options), options)
    strategy = ticking(tuned(UNRESTRICTED, options), Scope(), scope)
    if off is not None:
        if reach_all or file is not None:
            raise click.UsageError("--off takes neither --reach-all nor --save: breaks are what it looks for")
        return hunt_and_show(scope, strategy, off, options, random_settings=random_settings)
    what, search = "exploring the guarded system", search_of(scope, strategy, guarded, None, options)
    if random_settings:
        result, scope = stretches_shown(what, search, options)
    else:
        result = search_shown(what, search)
    trace = trace_of(None, scope, result, "found by exploring the guarded system")
    if trace is not None:
        show(rendered(replay(trace)))
    show(f"explored the guarded system: {met(result)}")
    wanted = properties(scope, random_settings=random_settings)
    show(everything_reached(wanted, result))
    if trace is not None and file is not None:
        save(file, trace)
    if result.statistics.interrupted:
        warn("interrupted")
    missing = unreached(wanted if reach_all else (), result)
    code = guarded_code(result, missing)
    add_search(result, scope, trace, code, unreached=list(missing), **explored(result))
    return code
