"""A real Redis server for one run: it listens at a socket in a folder, and keeps nothing on the disk.

The server is the program `redis-server` of the machine; without it `NotInstalled` is raised.
"""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from failure_modes.checker.support import child_processes
from failure_modes.checker.support.errors import MachineError, NotInstalled
from failure_modes.checker.support.patience import Patience

PROGRAM = "redis-server"
_PATIENCE_SECONDS = 30.0
_POLL_SECONDS = 0.005


@contextmanager
def redis_server(path: Path) -> Iterator[None]:
    """Inside, a server listens at the socket of this path."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise NotInstalled(f"{PROGRAM} is not installed: on Debian, apt-get install redis-server")
    options = ["--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"]
    server = child_processes.popen(
        [program, *options, "--dir", str(path.parent), "--daemonize", "no"], stdout=subprocess.DEVNULL
    )
    try:
        _wait_for(path, server)
        yield
    finally:
        server.kill()
        server.wait()
        if server.stdin is not None:
            server.stdin.close()


def _wait_for(path: Path, server: "subprocess.Popen[bytes]") -> None:
    patience = Patience(_PATIENCE_SECONDS)
    while not _answers(path):
        if server.poll() is not None or patience.is_over:
            raise MachineError(f"{PROGRAM} did not start")
        time.sleep(_POLL_SECONDS)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(path))
            client.sendall(b"PING\r\n")
            return client.recv(5) == b"+PONG"
        except (FileNotFoundError, ConnectionRefusedError):
            return False
