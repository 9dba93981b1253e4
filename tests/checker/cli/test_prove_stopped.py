"""The command `prove` when it is stopped: it goes on where it was, and says that it was interrupted."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import failure_mode
from tests.checker.commands import ROOT, proved_json

MODE = failure_mode("FM_001")
SMALL = ("--jobs", "1", "--ticks", "1")
PATIENCE_SECONDS = 60


DRIVER = """
import sys
from failure_modes.checker.report import progress
from failure_modes.checker.proof import proving
from failure_modes.checker.cli.main import main

if __name__ == "__main__":
    proving.ROUND_STATES, proving.SAVE_EVERY_SECONDS, proving.SMALL_STATES = 20, -1.0, 0
    progress.PLAIN_EVERY_SECONDS = 0.0
    report, rounds = progress._PlainProof.__call__, []

    def report_and_wait(self, *told):
        report(self, *told)
        rounds.append(told)
        if len(rounds) == 5:
            print("waits", file=sys.stderr, flush=True)
            sys.stdin.readline()

    progress._PlainProof.__call__ = report_and_wait
    main()
"""
"""The command line with small rounds; after the fifth it waits until it may go on."""


class _Running:
    """A proof in a process of its own, with progress on standard error."""

    def __init__(self, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-c", DRIVER, "prove", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.popen.stderr is not None
        self.lines: list[str] = []
        while (line := self.popen.stderr.readline()) != "waits\n":
            assert line, f"it ended too early: {self.lines}"
            self.lines.append(line)

    def stop(self, number: signal.Signals) -> tuple[int, str, str]:
        """Send it the signal, and let it go on. Nobody who could still print is left when this returns."""
        self.popen.send_signal(number)
        if number is signal.SIGKILL:
            self.popen.wait(PATIENCE_SECONDS)
        told, more = self.popen.communicate(None if number is signal.SIGKILL else "\n", PATIENCE_SECONDS)
        return self.popen.returncode, told, more


@contextmanager
def _running(*arguments: str) -> Iterator[_Running]:
    running = _Running(*arguments)
    try:
        yield running
    finally:
        running.popen.kill()
        running.popen.wait(PATIENCE_SECONDS)


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_proof_that_is_stopped_goes_on_where_it_was(processes: str, tmp_path: Path) -> None:
    """Asked to stop it says so and exits with 3; even killed it has left a checkpoint, and no process."""
    options = ("--jobs", "1", "--ticks", "2", "--crashes", "2", "--json")
    _, (whole,) = proved_json(*options, "--processes", "1")
    file = tmp_path / "proof"
    resumed = (*options, "--processes", processes, "--checkpoint", str(file))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with _running(*resumed) as running:
            code, told, more = running.stop(number)
        assert file.exists()
        if number is signal.SIGKILL:
            assert (code, told) == (-number, "")
        else:
            (said,) = json.loads(told)["results"]
            assert (code, said["bound"], more) == (EXIT.INCONCLUSIVE, "interrupted", "")
    code, (said,) = proved_json(*resumed)
    assert (code, said["complete"], list(tmp_path.iterdir())) == (EXIT.AS_EXPECTED, True, [])
    keys = ("states", "transitions", "depth")
    assert [said[key] for key in keys] == [whole[key] for key in keys]


def test_progress_is_on_standard_error_and_the_text_says_that_it_was_interrupted() -> None:
    """The output has the answer only; how far it had come is told beside it."""
    with _running(*SMALL, "--jobs", "2", "--processes", "1") as running:
        code, told, more = running.stop(signal.SIGINT)
    assert (code, more) == (EXIT.INCONCLUSIVE, "")
    assert "not complete: interrupted at depth " in told
    assert len(told.splitlines()) == 2
    assert len(running.lines) == 5
    for line in running.lines:
        assert line.startswith("the guarded system: ")
        assert " states, " in line
