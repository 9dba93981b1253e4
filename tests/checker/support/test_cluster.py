"""A cluster of processes on this machine: the answers of a pool, and each loss is an answer or an error."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Timer

import pytest

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.support import cluster as cluster_module
from failure_modes.checker.support.cluster import (
    Cluster,
    ClusterUnusable,
    ClusterWorkerLost,
    SchedulerLost,
    WorkersLost,
)
from tests.checker.clusters import Machines, running
from tests.checker.commands import invoke

LONG_SECONDS = 300.0
"""Longer than any test waits."""


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Two workers, for tests that lose none."""
    with running(tmp_path_factory.mktemp("cluster"), 2) as machines:
        yield machines


def _square(number: int) -> int:
    return number * number


def _fails(number: int) -> int:
    raise ValueError(f"no square of {number}")


def _process(_: int) -> tuple[int, int]:
    """The process of the task, and its parent."""
    return os.getpid(), os.getppid()


def _kills_its_worker_once(mark: Path) -> str:
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return "done again"
    os.kill(os.getppid(), signal.SIGKILL)
    return "never said"


def _kills_each_worker(_: int) -> None:
    os.kill(os.getppid(), signal.SIGKILL)


def _sleeps(mark: Path) -> None:
    mark.touch()
    time.sleep(LONG_SECONDS)


def test_answers_come_in_order_and_an_error_is_raised(two: Machines) -> None:
    """As from a pool of this machine."""
    with Cluster(two.address) as cluster:
        assert list(cluster.in_order(_square, range(20))) == [_square(number) for number in range(20)]
        with pytest.raises(ValueError, match="no square of 3"):
            list(cluster.in_order(_fails, [3]))


def test_a_task_runs_in_a_child_of_its_worker(two: Machines) -> None:
    """So it may replace the clock of its process. The child is kept for the next task."""
    with Cluster(two.address) as cluster:
        ran = list(cluster.in_order(_process, range(8)))
    workers = {process.pid for process in two.workers}
    assert {parent for _, parent in ran} == workers
    assert {task for task, _ in ran}.isdisjoint(workers)
    assert len({task for task, _ in ran}) == 2


def test_a_cancelled_task_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C leaves no work behind: the only worker is free for the next command."""
    mark = tmp_path / "begun"

    def check() -> None:
        if mark.exists():
            raise KeyboardInterrupt

    with running(tmp_path, 1) as machines, Cluster(machines.address) as cluster:
        with monkeypatch.context() as patch:
            patch.setattr(cluster_module, "check", check)
            with pytest.raises(KeyboardInterrupt):
                list(cluster.in_order(_sleeps, [mark]))
        assert list(cluster.in_order(_square, [3])) == [9]


def test_the_wait_for_a_busy_cluster_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line says how many answers are there, how many are awaited, and of how many workers."""
    monkeypatch.setattr(cluster_module, "ASK_EVERY_SECONDS", 0.0)
    said: list[str] = []

    def say(line: str) -> None:
        said.append(line)
        raise KeyboardInterrupt

    with (
        running(tmp_path, 1) as machines,
        Cluster(machines.address, say) as cluster,
        pytest.raises(KeyboardInterrupt),
    ):
        list(cluster.in_order(_sleeps, [tmp_path / "begun"] * 3, 2))
    assert said == ["tasks: 0 done, 2 awaited; workers: 1"]


def test_a_task_whose_worker_is_killed_is_done_again(tmp_path: Path) -> None:
    """By another worker."""
    with running(tmp_path, 2) as machines, Cluster(machines.address) as cluster:
        assert list(cluster.in_order(_kills_its_worker_once, [tmp_path / "mark"])) == ["done again"]
        with Cluster(machines.address) as later:
            assert len(later.workers) == 1


def test_a_cluster_without_a_worker_that_is_left_is_an_error(tmp_path: Path) -> None:
    """The error names the workers. A worker that joins later was not asked whether it has the same source."""
    with running(tmp_path, 2) as machines, Cluster(machines.address) as cluster:
        with pytest.raises(WorkersLost) as raised:
            list(cluster.in_order(_kills_each_worker, range(4)))
        assert all(worker in str(raised.value) for worker in cluster.workers)


def test_the_only_worker_is_named(tmp_path: Path) -> None:
    """Also if it dies before it has answered anything."""
    with running(tmp_path, 1) as machines, Cluster(machines.address) as cluster:
        machines.workers[0].kill()
        with pytest.raises(ClusterWorkerLost) as raised:
            cluster.living(dict, worker=cluster.workers[0])
        assert raised.value.worker == cluster.workers[0]


def test_a_scheduler_that_is_killed_is_an_error(tmp_path: Path) -> None:
    """Not an error of the work, and no worker is blamed."""
    with running(tmp_path, 1) as machines, Cluster(machines.address) as cluster:
        killed = Timer(1.0, machines.scheduler.kill)
        killed.start()
        with pytest.raises(SchedulerLost, match=f"the scheduler at {machines.address} was lost"):
            list(cluster.in_order(_sleeps, [tmp_path / "begun"]))
        with pytest.raises(SchedulerLost):
            cluster.is_there(cluster.workers[0])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"Python": "3.0.0", "source": "another"}, "another Python and another source"),
        ({"hypothesis": "0"}, "another hypothesis"),
        ({"of this machine alone": "1"}, "another of this machine alone"),
    ],
)
def test_a_worker_with_another_source_or_library_is_refused(
    two: Machines, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str], said: str
) -> None:
    """The message says what differs. The worker is asked in its own process, which is not patched."""
    usual, here = cluster_module.about_this_process, os.getpid()
    about = usual() | changed
    monkeypatch.setattr(cluster_module, "about_this_process", _About(usual, about, here))
    with pytest.raises(ClusterUnusable, match=f"has {said} than this process"):
        Cluster(two.address)


class _About:
    """Answers something else in one process."""

    def __init__(self, usual: Callable[[], dict[str, str]], about: dict[str, str], here: int) -> None:
        self._usual, self._about, self._here = usual, about, here

    def __call__(self) -> dict[str, str]:
        return self._about if os.getpid() == self._here else self._usual()


def test_a_cluster_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    """One line says why, and how to start a worker."""
    with (
        running(tmp_path, 0) as machines,
        pytest.raises(ClusterUnusable, match="has no worker; start one with `dask worker --nthreads 1"),
    ):
        Cluster(machines.address)
    with (
        running(tmp_path, 1, "--nthreads", "2", "--no-nanny") as machines,
        pytest.raises(ClusterUnusable, match="has 2 threads, and runs of the checker share no process"),
    ):
        Cluster(machines.address)


@pytest.mark.parametrize("address", ["", "tcp://", "tls://127.0.0.1:8786", "http://127.0.0.1:8786"])
def test_what_is_no_address_is_refused(address: str) -> None:
    """The right form is shown."""
    result = invoke("matrix", "--cluster", address)
    message = f"{address!r} is no address of a Dask scheduler; the address is like tcp://HOST:8786"
    assert (result.exit_code, result.stderr) == (EXIT.REFUSED, f"error: {message}\n")


def test_an_address_without_a_scheduler_is_refused(two: Machines, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing is, where a program never answers, and where a worker is."""
    monkeypatch.setattr(cluster_module, "CONNECT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, Cluster(two.address) as cluster:
        never = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        for address in ("tcp://127.0.0.1:9", never, cluster.workers[0]):
            result = invoke("matrix", "--cluster", address)
            assert (result.exit_code, result.stderr.count("\n")) == (EXIT.REFUSED, 1), result.stderr
            assert f"no Dask scheduler answers at {address}" in result.stderr


@pytest.mark.parametrize(
    "command",
    [
        ("explore", "--examples", "1", "--store", "postgresql"),
        ("explore", "--off", "1", "--store", "postgresql"),
        ("prove", "--store", "postgresql"),
    ],
)
def test_a_command_that_cannot_share_says_so(command: tuple[str, ...]) -> None:
    """The option is refused before anything runs."""
    result = invoke(*command, "--cluster", "tcp://127.0.0.1:9")
    assert (result.exit_code, "--cluster is for SQLite" in result.stderr) == (2, True), result.output
