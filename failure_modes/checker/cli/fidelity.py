"""The command `fidelity`: what is simulated, beside what happens to real processes."""

import json
from collections import Counter
from itertools import chain

import click

from failure_modes.checker.cli.exits import EXIT, interrupted, leave
from failure_modes.checker.cli.options import JSON, PROCESSES
from failure_modes.checker.real.fidelity import Compared, compare, kept_schedules, schedules
from failure_modes.checker.real.real import SoftWorld
from failure_modes.checker.report.progress import Lines
from failure_modes.checker.support.interrupts import check
from failure_modes.checker.support.process_pool import Pool

MUST_MEET = (
    "a crash fell inside a transaction",
    "a process waited for a lock",
    "a lease expired",
    "power was lost",
)
"""What the schedules have to meet, or they compare nothing that is hard."""

CANARY_MAX = 60
"""Schedules in which the canary has to be noticed."""


@click.command()
@click.option(
    "--schedules",
    "number",
    type=click.IntRange(1, 1_000_000),
    default=500,
    show_default=True,
    help="Random schedules, crashes in half of them, at both granularities.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="What they are drawn from."
)
@PROCESSES
@JSON
def fidelity(number: int, seed: int, processes: int, *, json_: bool) -> None:
    """Run schedules simulated and with real processes killed by SIGKILL, and compare all they leave.

    Every kept trace is run both ways too. Last comes a canary: a crash that lets what was begun be committed,
    which has to be noticed. Exit code 0 if nothing differs and the canary is noticed, 1 if not, 3 if the
    schedules met too little to say.
    """
    lines = Lines("fidelity")
    done: list[Compared] = []
    wanted = chain(kept_schedules(), schedules(number, seed))
    try:
        with Pool(processes) as pool:
            for compared in pool.in_order(compare, wanted, 4 * processes):
                done.append(compared)
                lines.say(lambda: f"{len(done):,} run both ways, {sum(c.steps for c in done):,} steps")
        noticed = _canary(seed)
    except KeyboardInterrupt:
        differ = sum(compared.difference is not None for compared in done)
        interrupted(f"run both ways: {len(done):,}, different: {differ:,}; nothing is proved")
    different = [compared for compared in done if compared.difference]
    met: Counter[str] = sum([compared.met for compared in done], Counter())
    missing = [name for name in MUST_MEET if not met[name]]
    if json_:
        said = {
            "runs": len(done),
            "schedules": number,
            "seed": seed,
            "steps": sum(compared.steps for compared in done),
            "crashes": sum(compared.crashes for compared in done),
            "met": dict(sorted(met.items())),
            "differences": [[compared.schedule.name, compared.difference] for compared in different],
            "canary": noticed,
        }
        click.echo(json.dumps(said))
    else:
        _show(done, number, seed, met, different, noticed)
    if missing:
        click.echo(f"never met, so too little is compared: {', '.join(missing)}", err=True)
    if different or noticed is None:
        leave(EXIT.NOT_AS_EXPECTED)
    leave(EXIT.BOUND_HIT if missing else EXIT.AS_EXPECTED)


def _canary(seed: int) -> str | None:
    """Where a crash that is none was noticed; None if it was not. Raises KeyboardInterrupt."""
    for schedule in schedules(CANARY_MAX, seed):
        check()
        if schedule.scope.power_loss:
            continue
        compared = compare(schedule, SoftWorld)
        if compared.difference:
            return f"{schedule.name}, {compared.difference.split(':')[0]}"
    return None


def _show(
    done: list[Compared],
    number: int,
    seed: int,
    met: Counter[str],
    different: list[Compared],
    noticed: str | None,
) -> None:
    steps, crashes = sum(c.steps for c in done), sum(c.crashes for c in done)
    kept = len(done) - number
    click.echo(
        f"fidelity: {number:,} random schedules (seed {seed}) and {kept} runs of kept traces, both ways"
    )
    click.echo(f" {steps:,} steps, {crashes:,} processes killed by SIGKILL")
    for name, count in sorted(met.items()):
        click.echo(f"   {name:<45} {count:>7,}")
    for compared in different[:5]:
        click.echo(f" DIFFERENT {compared.schedule.name}, {(compared.difference or '')[:1_000]}")
    click.echo(f" {len(different):,} of {len(done):,} differ")
    if noticed is None:
        click.echo(" a crash that lets what was begun be committed was NOT noticed: nothing is proved")
    else:
        click.echo(f" a crash that lets what was begun be committed is noticed: {noticed}")
