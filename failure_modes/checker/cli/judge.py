"""The command `judge`: hunts each kind of trouble in a queue of somebody else, and prints its report card."""

import importlib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import click

from failure_modes.checker.campaigns.judging import HuntResult, cards_of, judge, trace_of_hunt
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import SECONDS
from failure_modes.checker.cli.output import Verdict, fail, output, show, warn
from failure_modes.checker.cli.sharing import pool_of, processes
from failure_modes.checker.experiment.moves import move_to_json
from failure_modes.checker.oracle.deliveries import Kind
from failure_modes.checker.oracle.deliveries import Verdict as Beside
from failure_modes.checker.report.card import forget, keep_numbers, lines_of, numbers_of
from failure_modes.checker.report.progress import ProgressLines
from failure_modes.checker.search.judged_run import DANGERS
from failure_modes.checker.search.queue_search import learn
from failure_modes.checker.subject.adapter import AdapterSource, source_of, version_of
from failure_modes.checker.traces.queue_trace import keep_trace

RUNS_DEFAULT = 1_000
"""The runs of each seed, if the deck has few cards."""


@command("judge")
@click.argument("adapter")
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=None,
    help="Runs of each seed.  [default: 1,000, or twice the cards of the deck if that is more]",
)
@click.option(
    "--seeds",
    type=click.IntRange(1, 100),
    default=1,
    show_default=True,
    help="Searches, each with a seed of its own.",
)
@SECONDS
@click.option(
    "--only",
    type=click.Choice([str(kind) for kind in Kind]),
    multiple=True,
    help="Hunt this kind of trouble only.",
)
@click.option("--keep", is_flag=True, help="Keep the traces and the numbers beside the adapter.")
@processes("Processes that share the seeds.")
def judge_(
    adapter: str,
    *,
    runs: int | None,
    seeds: int,
    seconds: float | None,
    only: tuple[str, ...],
    keep: bool,
    **sharing: Any,
) -> EXIT:
    """Judge the queue of ADAPTER, which is MODULE:NAME or PATH.py:NAME.

    The same runs look for each kind of trouble. What is found is shortened, replayed, and run again with
    real processes. Exit code 1 if they confirm trouble that is no documented limit; 3 if they do not confirm
    it, or if nothing was found and the danger was never reached.
    """
    source = source_of(adapter)
    queue = source.load()
    version = version_of(queue)
    show(f"{queue.name}{'' if version is None else f' {version}'}, {queue.configuration}")
    results: list[HuntResult] = []
    kinds = tuple([Kind(name) for name in only]) or tuple(Kind)
    labels = learn(queue)
    cards = cards_of(queue, labels, kinds)
    runs = max(RUNS_DEFAULT, 2 * cards) if runs is None else runs
    if runs < 2 * cards:
        show(f"the deck has {cards:,} cards; fewer than {2 * cards:,} runs do not meet each of them")
    number = min(sharing["processes"], seeds)
    shared = sharing["cluster"] is not None or number > 1
    with pool_of(sharing, number) if shared else nullcontext() as pool:
        for result in judge(
            source,
            runs=runs,
            seeds=seeds,
            seconds_max=seconds,
            only=kinds,
            labels=labels,
            report=_SeedProgress(runs),
            pool=pool,
        ):
            results.append(result)
            for line in lines_of(result):
                show(line)
            output().add(_verdict(result), **_as_data(result))
    unconfirmed = [
        result.hunt.text for result in results if result.trouble is not None and not result.confirmed
    ]
    if unconfirmed:
        warn(f"not confirmed with real processes, and so not published: {', '.join(unconfirmed)}")
    if missing := _never_reached(results):
        warn(
            f"never reached: {', '.join(missing)}; so a hunt that found nothing shows little: try more --runs"
        )
    if keep:
        _keep(source, results, whole=not only)
    if Verdict.BROKEN in map(_verdict, results):
        return EXIT.NOT_AS_EXPECTED
    return EXIT.INCONCLUSIVE if unconfirmed or missing else EXIT.AS_EXPECTED


def _never_reached(results: list[HuntResult]) -> tuple[str, ...]:
    """The dangers that no run of the hunts without a result has met. A starved job needs none of them."""
    nothing = [one for one in results if one.trouble is None and one.hunt.kind is not Kind.STARVED]
    return tuple([name for name in DANGERS if nothing and not any(one.sometimes[name] for one in nothing)])


class _SeedProgress:
    """Prints how far the search of a seed has come, in whichever process it runs."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._lines: dict[int, ProgressLines] = {}

    def __call__(self, seed: int, number: int) -> None:
        lines = self._lines.setdefault(seed, ProgressLines(f"seed {seed}"))
        lines.note(f"{number:,} of {self._runs:,} runs")


def _verdict(result: HuntResult) -> Verdict:
    """Confirmed trouble is broken, unless it is a documented limit.

    Somebody's own queue has few claims: what nobody wrote down must not pass a test.
    """
    if result.trouble is None:
        return Verdict.HELD
    if not result.confirmed:
        return Verdict.INCONCLUSIVE
    return Verdict.HELD if result.verdict is Beside.LIMIT else Verdict.BROKEN


def _as_data(result: HuntResult) -> dict[str, Any]:
    return {
        "hunt": result.hunt.text,
        "beside_the_documents": str(result.verdict) if result.trouble else None,
        "trouble": None if result.trouble is None else result.trouble.text,
        "sentence": None if result.claim is None else result.claim.sentence,
        "where": None if result.claim is None else result.claim.where,
        "moves": [move_to_json(move) for move in result.moves],
        "runs": result.runs,
        "seconds": round(result.seconds, 2),
        "seeds": result.seeds,
        "found_by": result.found_by,
        "found_after": result.found_after,
        "replays_same": result.replays_same,
        "confirmed": result.confirmed,
        "sometimes": dict(result.sometimes),
    }


def _keep(source: AdapterSource, results: list[HuntResult], *, whole: bool) -> None:
    """Keep what was confirmed, beside the adapter. A whole judgement takes the place of the last one."""
    if source.is_file:
        folder = Path(source.module).resolve().parent
    else:
        file = importlib.import_module(source.module).__file__
        if file is None:
            fail(f"{source.module} has no folder to keep traces in")
        folder = Path(file).parent
    queue = source.load()
    if whole:
        forget(folder, queue)
    for result in results:
        if result.confirmed:
            keep_trace(trace_of_hunt(source, result), folder / "traces")
    keep_numbers(folder, queue, {one.hunt.text: numbers_of(one) for one in results})
    show(f"kept in {folder}")
