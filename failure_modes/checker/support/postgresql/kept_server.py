"""The client of a keeper: it asks the keeper to start, restart and stop the server.

Only the process that started a keeper sends it requests. A forked process closes its copies of the pipes, so
the server ends with the process that started the keeper.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from attrs import asdict

from failure_modes.checker.support.postgresql.keeper import END_SECONDS, KeeperConfiguration, Refused
from system.clock import Stopwatch, SystemClock

_CLOCK = SystemClock()


class KeptServer:
    """A server that a keeper has started. It may not accept connections yet."""

    def __init__(self, orders: KeeperConfiguration) -> None:
        self._asker = os.getpid()
        self._lock = threading.RLock()
        command = [
            sys.executable,
            "-m",
            "failure_modes.checker.support.postgresql.keeper",
            json.dumps(asdict(orders)),
        ]
        self._process = subprocess.Popen(
            command,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # Ctrl-C and the end of the terminal must not reach the keeper
        )
        self._folder: Path | None = None
        self.pid = 0
        """The process id of the server's first process."""
        _ALL.add(self)
        self._hear()

    @property
    def runs(self) -> bool:
        """True if this process started the server and has not stopped it."""
        return self._asker == os.getpid() and self in _ALL

    @property
    def folder(self) -> Path:
        """The folder with the data, the socket and the log."""
        assert self._folder is not None
        return self._folder

    def restart(self, ending: str) -> None:
        """Let the keeper end the server, and start it again."""
        if not self.runs:
            raise ValueError("this server was stopped, or was started by another process")
        with self._lock:
            assert self._process.stdin is not None
            with contextlib.suppress(BrokenPipeError):  # then there is no answer
                self._process.stdin.write(ending.encode("ascii") + b"\n")
            self._hear()

    def _hear(self) -> None:
        """The answer of the keeper. Without an answer there is no server. Raises Refused."""
        assert self._process.stdout is not None
        try:
            line = self._process.stdout.readline()
            answer: dict[str, Any] = json.loads(line) if line else {"error": "its keeper is gone"}
            if "error" in answer:
                raise Refused(answer["error"])
            self.pid = answer["pid"]
            self._folder = Path(answer["folder"])
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End the server and remove its folder. A second call does nothing."""
        if not self.runs:
            return
        with self._lock:
            _ALL.discard(self)
            self.close_pipes()
            try:
                self._process.wait(4 * END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.returncode != 0 and self._folder is not None:
                self._clear_away(self._folder)

    def _clear_away(self, folder: Path) -> None:
        """Kill the server and remove its folder, in place of a keeper that was killed."""
        watch = Stopwatch()
        for number in (signal.SIGQUIT, signal.SIGCONT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
        while alive(self.pid) and watch.seconds < END_SECONDS:
            _CLOCK.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)

    def close_pipes(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


_ALL: set[KeptServer] = set()
"""The running servers of this process and of the processes that it was forked from."""


def alive(pid: int) -> bool:
    """True if there is such a process, or a zombie of it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stop_all() -> None:
    """Stop all servers that this process started."""
    for kept in list(_ALL):
        kept.stop()


def _after_fork() -> None:
    for kept in _ALL:
        kept.close_pipes()


os.register_at_fork(after_in_child=_after_fork)
