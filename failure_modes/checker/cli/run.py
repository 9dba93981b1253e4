"""The command `run`: it finds, prevents, proves and replays a failure mode, in one process."""

from collections.abc import Callable, Iterator

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.cli.find import find
from failure_modes.checker.cli.options import STORE, Mode, seed_of
from failure_modes.checker.cli.output import output, show, warn
from failure_modes.checker.cli.prevent import prevent
from failure_modes.checker.cli.prove import prove
from failure_modes.checker.cli.replay import code_of_replay, ended, moved_to, replay_and_add
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.experiment.scope import StoreKind
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.support.interrupts import check, received
from failure_modes.checker.traces.database import kept
from system.clock import Stopwatch

TITLES = {
    "find": "the break, and its minimised trace",
    "prevent": "the same search without the fault",
    "prove": "every reachable state, with the fault and without",
    "replay": "the kept traces, with the fault and on the guarded system",
}


@command()
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
@STORE
@seed_of("The seed of the searches.")
def run(modes: tuple[FailureMode, ...], store: str | None, seed: int) -> EXIT:
    """Find each FM, prevent it, prove both, and replay its kept traces.

    Without FM: all failure modes, one line each. As expected if each search ends at a trace of the shortest
    length, nothing breaks without the fault, and each kept trace replays as recorded.
    """
    codes: list[EXIT] = []
    for mode in modes or catalogue():
        check()
        if store and (why := mode.not_on.get(StoreKind(store))) is not None:
            show(f"{mode.id} {mode.title}: does not happen on {store}: {why}")
            continue
        codes.append(_run_one(mode, store, seed, brief=not modes))
        if received():
            break
    return worst(codes)


def _run_one(mode: FailureMode, store: str | None, seed: int, *, brief: bool) -> EXIT:
    """Run the stages of one failure mode, and show the result in a last line."""
    watch, codes = Stopwatch(), dict[str, EXIT]()
    output().quiet = brief
    try:
        for stage, code in _stages(mode, store, seed):
            codes[stage] = code
            show("")
            if received():
                break
    except NotInstalled as error:
        warn(f"error: {mode.id} {mode.title}: {error}")
        return EXIT.INCONCLUSIVE
    finally:
        output().quiet, output().stage = False, None
    expected = "as expected" if len(codes) == len(TITLES) else "interrupted"
    wrong = [f"{stage} {code.description}" for stage, code in codes.items() if code is not EXIT.AS_EXPECTED]
    show(f"{mode.id} {mode.title}: {', '.join(wrong) or expected}; {watch.seconds:.0f} s")
    return worst(codes.values())


def _stages(mode: FailureMode, store: str | None, seed: int) -> Iterator[tuple[str, EXIT]]:
    """Run each stage, and yield its name and exit code."""
    on, seeds = ["--store", store] if store else [], ["--seed", str(seed)]
    stages: dict[str, Callable[[], EXIT]] = {
        "find": lambda: worst((_call(find, mode.id, *seeds, *on), _as_short(mode))),
        "prevent": lambda: _call(prevent, mode.id, *seeds, *on),
        "prove": lambda: _call(prove, mode.id, *on),
        "replay": lambda: _replay(mode, store),
    }
    for stage, do in stages.items():
        output().stage = stage
        show(f"== {mode.id} {stage}: {TITLES[stage]}")
        yield stage, do()


def _call(called: click.Command, *words: str) -> EXIT:
    """Run another command in this process, with these arguments."""
    with called.make_context(called.name, list(words), parent=click.get_current_context()) as context:
        del context.params["json_"]  # `run` has the option itself
        assert called.callback is not None, "each command has a function"
        code: EXIT = context.invoke(called.callback, **context.params)
        return code


def _as_short(mode: FailureMode) -> EXIT:
    """As expected if each search ended at a trace of the expected length."""
    code = EXIT.AS_EXPECTED
    for result in output().results_of("find", mode.id):
        shortest = mode.breaking(result["target"]).expected.shortest
        if result["length"] not in (None, shortest):
            length = result["length"]
            show(f" different from its scenario.py: shortest={shortest}, but the search ends at {length}")
            code = EXIT.NOT_AS_EXPECTED
    return code


def _replay(mode: FailureMode, store: str | None) -> EXIT:
    """Replay each kept trace, with the fault and without it, one line for each replay.

    A trace at granularity `statement` can be replayed only on its own store.
    """
    codes = [EXIT.AS_EXPECTED]
    for path, trace in kept(mode):
        check()
        moved = moved_to(trace, StoreKind(store) if store else None)
        if moved is None:
            continue
        for guarded in (False, True):
            replayed = replay_and_add(path, moved, on_guarded=guarded)
            codes.append(code_of_replay(replayed))
            show(f" {path.name}{', guarded' if guarded else ''}: {ended(moved, replayed)}")
    return worst(codes)
