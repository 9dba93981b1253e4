"""The command `times`: how long the session of each failure mode takes, for the index."""

import subprocess
import sys
from contextlib import suppress

import click
from attrs import evolve

from failure_modes.checker.campaigns.measured import keep, measured
from failure_modes.checker.cli.exits import EXIT, interrupted, leave, usage
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue
from failure_modes.checker.support.child_processes import popen
from failure_modes.checker.support.interrupts import LOOK_EVERY_SECONDS, check
from failure_modes.checker.traces.database import kept
from system.clock import Stopwatch

SECONDS_MAX = 30
"""What a session may take, on two cores."""


@click.command("times")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
def times(modes: tuple[FailureMode, ...]) -> None:
    """Run what the session of each FM runs, and keep how long it took, in its folder, for the index.

    Without an FM all of them. The time is this machine's, now; so run nothing beside it. Exit code 1 unless
    each ends as expected, in less than 30 s.
    """
    wanted, right = modes or catalogue(), True
    known = {mode.id: measured(mode) for mode in wanted}
    for done, mode in enumerate(wanted):
        watch = Stopwatch()
        try:
            codes = [_run(arguments) for arguments in _session(mode)]
        except KeyboardInterrupt:
            interrupted(f"{done} of {len(wanted)} sessions were measured and are kept")
        seconds = round(watch.seconds, 1)
        wrong = [code for code in codes if code] or seconds >= SECONDS_MAX
        right = right and not wrong
        ended = f"exit codes {', '.join([str(code) for code in codes])}" if any(codes) else "as expected"
        click.echo(f"{mode.id} {mode.title}: {seconds} s, {ended}{' (wrong)' if wrong else ''}")
        usage(keep, mode, evolve(known[mode.id], session_seconds=seconds))
    leave(EXIT.AS_EXPECTED if right else EXIT.NOT_AS_EXPECTED)


def _session(mode: FailureMode) -> tuple[tuple[str, ...], ...]:
    """The commands of `nox -s fmN`."""
    traces = [str(path) for path, _ in kept(mode)]
    searches = tuple([(command, mode.id) for command in ("find", "prevent", "prove")])
    return (*searches, ("replay", *traces), ("replay", *traces, "--guarded"))


_COMMAND = """
from failure_modes.checker.support.child_processes import die_with_input
from failure_modes.__main__ import run

die_with_input()
run()
"""


def _run(arguments: tuple[str, ...]) -> int:
    """The exit code of a command of its own. Raises KeyboardInterrupt, and leaves no process."""
    with popen([sys.executable, "-c", _COMMAND, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                check()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(LOOK_EVERY_SECONDS)
        finally:
            process.kill()
    return process.returncode
