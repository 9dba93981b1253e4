"""A keeper, seen from the process that started it: the server is asked for, restarted and stopped through it.

Only the process that started a keeper asks it for anything. One that is forked from it holds none of its
pipes, so that the server does not outlive the process that asked for it.
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


class Kept:
    """A server that a keeper was told to start. It may not accept connections yet."""

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
            start_new_session=True,  # a Ctrl-C, or the end of the terminal, is not for the keeper
        )
        self._folder: Path | None = None
        self.pid = 0
        """The number of the server's first process."""
        _ALL.add(self)
        self._hear()

    @property
    def runs(self) -> bool:
        """Whether it was started by this process, and not stopped."""
        return self._asker == os.getpid() and self in _ALL

    @property
    def folder(self) -> Path:
        """What holds the data, the socket and the log."""
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
        """What the keeper answers. Without an answer there is no server. Raises Refused."""
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
        """End the server, and be sure that it and its folder are gone. Once is enough."""
        if not self.runs:
            return
        with self._lock:
            _ALL.discard(self)
            self.let_go()
            try:
                self._process.wait(4 * END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.returncode != 0 and self._folder is not None:
                self._clear_away(self._folder)

    def _clear_away(self, folder: Path) -> None:
        """Somebody killed the keeper: do what it would have done."""
        watch = Stopwatch()
        for number in (signal.SIGQUIT, signal.SIGCONT):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)
        while alive(self.pid) and watch.seconds < END_SECONDS:
            _CLOCK.sleep(0.05)
        shutil.rmtree(folder, ignore_errors=True)

    def let_go(self) -> None:
        """Close this process's ends of the pipes."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


_ALL: set[Kept] = set()
"""Those that run, of this process and of those it was forked from."""


def alive(pid: int) -> bool:
    """Whether there is such a process, or what is left of it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def stop_all() -> None:
    """Stop all that this process started."""
    for kept in list(_ALL):
        kept.stop()


def _after_fork() -> None:
    for kept in _ALL:
        kept.let_go()


os.register_at_fork(after_in_child=_after_fork)
