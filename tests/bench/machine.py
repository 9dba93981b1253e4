"""What a wait for the disk costs here. It is most of what a durable queue costs."""

import os
import platform
import tempfile
from pathlib import Path

from system.clock import Stopwatch

WRITES = 500
_PAGE = bytes(4096)


def synced(folder: Path) -> tuple[float, ...]:
    """How long each of so many writes of 4 KB took until it was on the disk, in microseconds."""
    sync = getattr(os, "fdatasync", os.fsync)
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(_PAGE * WRITES)
        file.flush()
        os.fsync(file.fileno())
        for number in range(WRITES):
            stopwatch = Stopwatch()
            os.pwrite(file.fileno(), _PAGE, number * len(_PAGE))
            sync(file.fileno())
            took.append(stopwatch.seconds * 1e6)
    return tuple(took)


def is_busy() -> bool:
    """True if other work took more than half of the machine in the last minute."""
    return os.getloadavg()[0] > (os.cpu_count() or 1) / 2


def described() -> str:
    """The machine, in a line, and how busy it was before."""
    of = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{of}; load average {os.getloadavg()[0]:.1f}"
