"""A Dask scheduler and workers for a test, each a process of this machine, on free ports."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.checker.processes import eventually

ROOT = Path(__file__).parents[2]


@frozen
class Machines:
    """A scheduler, its address, and its workers."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: tuple["subprocess.Popen[bytes]", ...]


@contextmanager
def running(tmp_path: Path, workers: int, *options: str) -> Iterator[Machines]:
    """A scheduler and so many workers, each a process."""
    file, dask = tmp_path / f"scheduler-{workers}.json", (sys.executable, "-m", "dask")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def begun(*command: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            (*dask, *command, "--scheduler-file", str(file), "--no-dashboard"),
            cwd=tmp_path,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    started = [begun("scheduler", "--port", "0", "--host", "127.0.0.1")]
    try:
        eventually(file.exists)
        how = options or ("--nthreads", "1", "--no-nanny")
        started += [begun("worker", "--host", "127.0.0.1", *how) for _ in range(workers)]
        yield Machines(_address(file, workers), started[0], tuple(started[1:]))
    finally:
        for process in reversed(started):
            process.kill()
            process.wait()


def _address(file: Path, workers: int) -> str:
    """The address of the scheduler, once all its workers are there."""
    from distributed import Client

    client = Client(scheduler_file=str(file))  # type: ignore[no-untyped-call]
    if workers:
        client.wait_for_workers(workers, timeout=60)
    address = str(client.scheduler_info()["address"])
    client.close()  # type: ignore[no-untyped-call]
    return address
