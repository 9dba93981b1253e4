"""The command line as a real process, with handlers that do what the test says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PROJECT = Path(__file__).parents[2]
PATIENCE_SECONDS = 60

HANDLERS = '''
import sys


def echo(job, context):
    context.write(job.payload)


def fail(job, context):
    raise ValueError("no\\nway")


def obey(job, context):
    """Say that the job began, answer each `ping`, and return on any other line."""
    print("begun", job.id, flush=True)
    while sys.stdin.readline() == "ping\\n":
        print("pong", flush=True)
    context.write("obeyed")


def interrupt(job, context):
    raise KeyboardInterrupt


async def wait(job, context):
    pass


def one_argument(job):
    pass


number = 5
'''


class Process:
    """A process of the command line, and lines to and from it."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, "-m", "system", *arguments],
            cwd=folder,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        """The next line that it prints."""
        return _stream(self.popen.stdout).readline()

    def error_line(self) -> str:
        """The next line on stderr."""
        return _stream(self.popen.stderr).readline()

    def tell(self, line: str) -> None:
        """Send it a line."""
        stream = _stream(self.popen.stdin)
        stream.write(f"{line}\n")
        stream.flush()

    def end(self) -> tuple[int, str, str]:
        """Wait for its end: the exit code, and what it printed since."""
        out, err = self.popen.communicate(timeout=PATIENCE_SECONDS)
        return self.popen.returncode, out, err


def ran(folder: Path, *arguments: str | bytes, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A command that was run to its end, in bytes."""
    return ran_program(folder, "-m", "system", *arguments, stdin=stdin)


def ran_program(
    folder: Path, *arguments: str | bytes, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """A Python program that was run to its end, in bytes."""
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        input=stdin,
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def _stream(stream: IO[str] | None) -> IO[str]:
    assert stream is not None, "each stream is a pipe"
    return stream


@contextmanager
def process(folder: Path, *arguments: str) -> Iterator[Process]:
    """A process that is killed at the end of the block, if it still runs."""
    (folder / "handlers.py").write_text(HANDLERS)
    started = Process(folder, *arguments)
    try:
        yield started
    finally:
        started.popen.kill()
        with started.popen:
            pass
