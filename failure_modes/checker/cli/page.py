"""The command `page`: traces as pages that need no network and no server."""

from pathlib import Path

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.cli.output import output, show, warn
from failure_modes.checker.cli.paths import command_line, shown_path
from failure_modes.checker.cli.replay import check_known, code_of_replay
from failure_modes.checker.cli.saving import place
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.proof.graph import state_graph
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.report.pages.graph import write_graph
from failure_modes.checker.report.pages.index import Entry, entry_of, write_index
from failure_modes.checker.report.pages.page import write_page
from failure_modes.checker.support import interrupts
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.database import all_kept
from failure_modes.checker.traces.replay import replay
from failure_modes.checker.traces.trace import Trace
from failure_modes.checker.traces.trace_reader import load

INDEX = "index.html"


@command("page")
@click.argument("paths", metavar="[TRACE]...", type=click.Path(path_type=Path), nargs=-1)
@click.option("--graph", "modes", metavar="FM", type=Mode(), multiple=True, help="Every state of FM's scope.")
@click.option("--all", "every", is_flag=True, help="Every kept trace, and an index of them.")
@click.option(
    "--output",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: place() / "pages",
    show_default=".failure_modes/pages",
    help="The folder of the pages.",
)
def page(paths: tuple[Path, ...], *, modes: tuple[FailureMode, ...], every: bool, folder: Path) -> EXIT:
    """Write the page of each TRACE: an HTML file that a browser opens from the disk.

    A page shows the trace on the broken and on the guarded system, with the statements, the rows, the audit
    and the model of each step. With --graph a page shows the reachable states of a small scope.
    """
    if (every and paths) or not (every or paths or modes):
        raise click.UsageError("give TRACE, --all or --graph FM")
    for mode in modes:
        _draw_states(mode, folder)
    traces = all_kept() if every else tuple([(path, load(path)) for path in paths])
    codes, entries = list[EXIT](), list[Entry]()
    for path, trace in traces:
        interrupts.check()
        try:
            entry, code = _write(path, trace, folder, home=INDEX if every else "")
        except NotInstalled as error:
            if not every:
                raise
            warn(f"error: {path.stem}: {error}")
            codes.append(EXIT.INCONCLUSIVE)
            continue
        entries.append(entry)
        codes.append(code)
    if every:
        write_index(folder / INDEX, entries, catalogue())
        show(f"{len(entries)} pages and their index: {shown_path(folder / INDEX)}")
    return worst(codes)


def _draw_states(mode: FailureMode, folder: Path) -> None:
    """Write the page of the states of a failure mode: broken, and without the fault. Raises TooManyStates."""
    path = folder / f"{mode.id}_states.html"
    proofs = (
        Proof(scope=mode.scope, bounds=mode.bounds, fault=mode.fault, target=mode.target),
        Proof(scope=mode.scope, bounds=mode.bounds, fault=mode.control),
    )
    graphs = tuple([state_graph(proof) for proof in proofs])
    write_graph(path, mode, graphs)
    counts = " and ".join([f"{graph.reached:,}" for graph in graphs])
    show(f"{mode.id} {mode.title}: {counts} states, broken and guarded: {shown_path(path)}")
    output().add(
        None, failure_mode=mode.id, page=shown_path(path), states=[graph.reached for graph in graphs]
    )


def _write(path: Path, trace: Trace, folder: Path, *, home: str) -> tuple[Entry, EXIT]:
    """Replay a trace on both systems, and write its page."""
    if trace.failure_mode is not None:
        check_known(path, trace.failure_mode)
    replayed = replay(trace)
    guarded = (replay(trace, guarded=True),) if trace.failure_mode else ()
    name = f"{trace.failure_mode}_{path.stem}" if trace.failure_mode else path.stem
    page_at = folder / f"{name}.html"
    again = command_line("replay", shown_path(path))
    labels = ("broken", "guarded") if guarded else ("guarded",)
    write_page(page_at, (replayed, *guarded), labels=labels, command=again, home=home)
    if not home:
        show(f"{name}: {shown_path(page_at)}")
    as_expected = all(one.as_expected for one in (replayed, *guarded))
    if not as_expected:
        warn(f"{name}: not as expected: the page shows what happens now")
    output().add(
        None,
        trace=shown_path(path),
        failure_mode=trace.failure_mode,
        page=shown_path(page_at),
        as_expected=as_expected,
    )
    code = worst([code_of_replay(one) for one in (replayed, *guarded)])
    return entry_of(replayed, name=path.stem, address=page_at.name), code
