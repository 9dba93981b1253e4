"""The command `times`: it measures the time of `run` for each failure mode, for the index."""

import subprocess
import sys
from contextlib import suppress

import click
from attrs import evolve

from failure_modes.checker.campaigns.measurements import keep, measurements_of
from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.options import Mode
from failure_modes.checker.cli.output import interrupted, output, show
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, require_checkout
from failure_modes.checker.support.child_processes import popen
from failure_modes.checker.support.interrupts import CHECK_EVERY_SECONDS, check
from system.clock import Stopwatch

SECONDS_MAX = 30
"""The time limit of `run` for one failure mode, on two cores."""


@command("times")
@click.argument("modes", metavar="[FM]...", type=Mode(), nargs=-1)
def times(modes: tuple[FailureMode, ...]) -> EXIT:
    """Measure the time of `run FM` for each FM, and keep it in its folder, for the index.

    Without FM: all failure modes. Do not use the machine meanwhile. As expected if each run ends as expected
    in less than 30 s.
    """
    require_checkout()
    wanted, right = modes or catalogue(), True
    known = {mode.id: measurements_of(mode) for mode in wanted}
    for done, mode in enumerate(wanted):
        watch = Stopwatch()
        try:
            code = _run(("run", mode.id))
        except KeyboardInterrupt:
            interrupted(f"{done} of {len(wanted)} sessions were measured and are kept")
        seconds = round(watch.seconds, 1)
        wrong = code != EXIT.AS_EXPECTED or seconds >= SECONDS_MAX
        right = right and not wrong
        ended = f"exit code {code}" if code else "as expected"
        show(f"{mode.id} {mode.title}: {seconds} s, {ended}{' (wrong)' if wrong else ''}")
        output().add(None, failure_mode=mode.id, seconds=seconds, exit=code, as_expected=not wrong)
        keep(mode, evolve(known[mode.id], session_seconds=seconds))
    return EXIT.AS_EXPECTED if right else EXIT.NOT_AS_EXPECTED


_COMMAND = """
from failure_modes.checker.support.child_processes import die_with_input
from failure_modes.__main__ import run

die_with_input()
run()
"""


def _run(arguments: tuple[str, ...]) -> int:
    """Run a command as a child process, and return its exit code. Raises KeyboardInterrupt."""
    with popen([sys.executable, "-c", _COMMAND, *arguments], stdout=subprocess.DEVNULL) as process:
        try:
            while process.poll() is None:
                check()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(CHECK_EVERY_SECONDS)
        finally:
            process.kill()
    return process.returncode
