"""Processes that a command starts. None outlives its parent, and only the parent is interrupted.

A child is killed when its parent ends, even when the parent was killed. A thread in the child waits
for the end of a pipe that only the parent holds. On Linux the kernel kills the child as well, even one that
is stopped; but the kernel takes a child that a fork server started for a child of that server.

SIGINT and SIGTERM often go to the whole group of processes. Both are blocked while a child is started, so the
child never receives them, not even while it imports. Its parent decides when it ends.
"""

import ctypes
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache, partial
from multiprocessing import active_children, forkserver, get_context, parent_process, resource_tracker, util
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from threading import Thread
from typing import IO, NoReturn

from failure_modes.checker.support import temporary
from failure_modes.checker.support.interrupts import SIGNALS, signals_blocked

_LINUX = sys.platform == "linux"
_PR_SET_PDEATHSIG = 1


def start(
    context: SpawnContext | ForkServerContext, target: Callable[..., object], *arguments: object, daemon: bool
) -> SpawnProcess | ForkServerProcess:
    """Start a process that runs the function. Only a process that is no `daemon` may start others."""
    process = context.Process(target=_begun, args=(target, arguments), daemon=daemon)
    _kill_all_at_the_end()
    resource_tracker.ensure_running()  # before the signals are blocked: it unblocks them
    with signals_blocked():
        process.start()
    return process


@cache
def fork_server(module: str) -> ForkServerContext:
    """A server that forks processes in which the module is imported already."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["failure_modes.checker.support.quiet_start", module])
    before = tempfile.tempdir
    tempfile.tempdir = str(temporary.own())
    try:
        util.get_temp_dir()  # where the server's socket is
    finally:
        tempfile.tempdir = before
    resource_tracker.ensure_running()
    with signals_blocked():
        forkserver.ensure_running()
    return context


def popen(
    command: list[str], *, stdout: int | None = None, stderr: IO[bytes] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a program that calls `die_with_input`. On Linux it dies with its parent even before that call."""
    with signals_blocked():
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=stderr,
            preexec_fn=partial(_let_the_kernel_kill, os.getpid()) if _LINUX else None,
        )


def die_with_input() -> None:
    """Kill this process at the end of its input, a pipe that only its parent holds."""
    Thread(target=_read_to_the_end, daemon=True).start()


def _begun(target: Callable[..., object], arguments: tuple[object, ...]) -> None:
    """Prepare a child. Each child runs this first."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None, "only multiprocessing starts a process here"
    if _LINUX:
        _let_the_kernel_kill(os.getppid())
    Thread(target=_kill_after, args=(parent,), daemon=True).start()
    try:
        target(*arguments)
    except Exception:
        if not parent.is_alive():  # its files may be gone, too: not an error to report
            _end()
        raise


def _let_the_kernel_kill(parent: int) -> None:
    """Let the kernel kill this process when its parent ends, or the thread that started it."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        _end()


def _kill_after(parent: BaseProcess) -> NoReturn:
    parent.join()
    _end()


def _read_to_the_end() -> NoReturn:
    while os.read(0, 4096):
        pass
    _end()


def _end() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a process outlived SIGKILL")


@cache
def _kill_all_at_the_end() -> None:
    """Kill all children when this process ends: multiprocessing would send SIGTERM and wait for ever."""
    util.Finalize(None, _kill_all, exitpriority=10)


def _kill_all() -> None:
    for child in active_children():
        child.kill()
        child.join()
