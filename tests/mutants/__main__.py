"""`nox -s mutants`: mutate the code, run the tests, and compare the survivors with `docs/mutants.md`.

The session works in a copy of the checkout below `.nox`, so that it changes no file of it. It continues where
it was stopped: a mutant runs again only if its function, or a test, has changed, or with `--again`.
"""

import subprocess
import sys
import time
from pathlib import Path

import click

from failure_modes.checker.support.cluster import Cluster
from failure_modes.checker.support.errors import CheckerError
from tests.mutants.copies import ROOT, chosen, codes, keep, make, prepare, run
from tests.mutants.plans import PLANS, plan_of
from tests.mutants.shared import groups, run_group
from tests.mutants.survivors import (
    EQUIVALENT,
    NOT_RUN,
    NOTICED,
    Mutant,
    as_row,
    figures,
    function_of,
    mutant,
    results,
    reviewed,
    same_sql,
)

DOCUMENT = ROOT / "docs" / "mutants.md"
UNREVIEWED = 1
"""The exit code if a mutant survived that the document does not list."""
INCONCLUSIVE = 3
"""The exit code if no mutant has run."""


@click.command()
@click.argument("patterns", nargs=-1)
@click.option(
    "--plan", "name", type=click.Choice([plan.name for plan in PLANS]), default="queue", show_default=True
)
@click.option("--minutes", type=click.FloatRange(min=0), default=60.0, show_default=True, help="Stop after.")
@click.option("--again", is_flag=True, help="Run also those mutants of the patterns that have run.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--cluster", metavar="ADDRESS", help="Let the workers of this Dask scheduler run them instead.")
def main(
    patterns: tuple[str, ...], name: str, minutes: float, again: bool, processes: int, cluster: str | None
) -> None:
    """Run the mutants that have not run: all, or those of PATTERNS such as 'system.policies.*'.

    The pattern 'model.*__mutmut_*1' chooses a sample: the mutants of each function whose number ends in 1.
    `--minutes 0` only reports.

    Exit code 0: each survivor is listed in docs/mutants.md, with its reason. 1: one is not. 3: none has run.
    """
    if again and not patterns:
        raise click.UsageError("--again needs PATTERNS")
    folder = ROOT / ".nox" / "mutants" / name
    make(folder, plan_of(name))
    try:
        _run(folder, name, patterns, minutes=minutes, again=again, processes=processes, cluster=cluster)
    except CheckerError as error:
        raise click.ClickException(str(error)) from error
    if not (folder / "mutants").is_dir():
        raise click.ClickException("no mutant was made: give --minutes more than 0")
    sys.exit(_report(folder))


def _run(
    folder: Path,
    plan: str,
    patterns: tuple[str, ...],
    *,
    minutes: float,
    again: bool,
    processes: int,
    cluster: str | None,
) -> None:
    """Run what is wanted, here or on a cluster. Raises MutmutFailed, ClusterUnusable and NotInstalled."""
    until = time.time() + 60 * minutes
    if not minutes or not prepare(folder, until=until):
        return
    names = chosen(codes(folder), patterns, again=again)
    if not names:
        click.echo("all of them have run")
    elif cluster is None:
        run(folder, names if patterns else (), until=until, processes=processes)
    else:
        _run_there(folder, plan, names, until=until, address=cluster)


def _run_there(folder: Path, plan: str, names: tuple[str, ...], *, until: float, address: str) -> None:
    """Let the workers of a cluster run mutants; the answer of each group is kept as it comes."""
    with Cluster(address) as cluster:
        for found in cluster.in_order(run_group, groups(folder, plan, names, until=until)):
            keep(folder, found)
            not_run = sum([code is None for code in found.values()])
            click.echo(f"{len(found) - not_run:,} more mutants have run")


def _report(folder: Path) -> int:
    """Print the figures, the survivors without a review, and the reviewed ones that are noticed now."""
    statuses = results(_mutmut(folder, "results", "--all", "true"))
    survivors = {
        name: mutant(name, _mutmut(folder, "show", name))
        for name, status in sorted(statuses.items())
        if status not in (*NOTICED, *NOT_RUN)
    }
    known = reviewed(DOCUMENT.read_text(encoding="utf-8"))
    same = [
        name
        for name, survivor in survivors.items()
        if same_sql(survivor) or known.get(survivor, "").startswith(EQUIVALENT)
    ]
    click.echo("\n".join(figures(statuses, same)))
    open_ = sorted({found for found in survivors.values() if found not in known and not same_sql(found)})
    for survivor in open_:
        click.echo(as_row(survivor, "**not reviewed**"))
    for row in _noticed_now(statuses, known, set(survivors.values())):
        click.echo(f"{row}: noticed by a test now, or changed; remove it from docs/mutants.md")
    not_run = sum([status in NOT_RUN for status in statuses.values()])
    click.echo(f"{len(open_)} survivors without a review; {not_run:,} mutants have not run")
    if not_run == len(statuses):
        return INCONCLUSIVE
    return UNREVIEWED if open_ else 0


def _noticed_now(
    statuses: dict[str, str], known: dict[Mutant, str], survivors: set[Mutant]
) -> tuple[str, ...]:
    """The reviewed survivors that survive no more, of functions whose mutants have all run."""
    waiting = {function_of(name) for name, status in statuses.items() if status in NOT_RUN}
    ran = {function_of(name) for name in statuses} - waiting
    gone = [survivor for survivor in known if survivor not in survivors and survivor.function in ran]
    return tuple([f"`{survivor.function}`: {survivor.change}" for survivor in sorted(gone)])


def _mutmut(folder: Path, *arguments: str) -> str:
    command = (sys.executable, "-m", "mutmut", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, check=True, text=True).stdout


if __name__ == "__main__":
    main()
