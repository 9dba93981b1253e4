"""The machine that a measurement runs on: how busy it is, and what a wait for its disk costs."""

import os
import platform
import tempfile
import time
from pathlib import Path

from system.clock import Stopwatch

BUSY_CORES = 0.5
CPU_TIMES = Path("/proc/stat")
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


def observed() -> dict[str, object]:
    """The machine in a line, and whether it was busy before a measurement: other work took half a core."""
    before = cores_at_work()
    of = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return {"machine": f"{of}; other work took {before:.1f} cores before", "busy": before > BUSY_CORES}


def cores_at_work(seconds: float = 2.0) -> float:
    """How many cores other work takes, while this process waits; elsewhere than on Linux the load average."""
    if not CPU_TIMES.exists():
        return os.getloadavg()[0]
    before, stopwatch = _worked(), Stopwatch()
    time.sleep(seconds)
    return (_worked() - before) / stopwatch.seconds


def _worked() -> float:
    """The seconds that all cores have worked since the start: they were not idle, and waited for no disk."""
    all_cores = CPU_TIMES.read_text("ascii").split("\n")[0]
    user, nice, system, _idle, _waiting, *interrupts = all_cores.split()[1:8]
    ticks = sum(map(int, (user, nice, system, *interrupts)))
    return ticks / os.sysconf("SC_CLK_TCK")
