"""A cluster of processes on this machine: the same answers as here, and no answer without a worker's part.

Each test starts a Dask scheduler and workers of its own, on free ports.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.cluster_shards import ClusterShard, NumberedCalls, cluster_shards
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import SMALL_STATES, prove
from failure_modes.checker.support import cluster as cluster_module
from failure_modes.checker.support.cluster import Cluster, ClusterUnusable, ClusterWorkerLost
from tests.checker.commands import invoke
from tests.checker.processes import eventually

ROOT = Path(__file__).parents[3]
GUARDED = Proof(scope=Scope(), bounds=Bounds(jobs=2, ticks=1), fault=guarded)


@frozen
class Machines:
    """A scheduler, its address, and its workers."""

    address: str
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
        yield Machines(_address(file, workers), tuple(started[1:]))
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


def _square(number: int) -> int:
    return number * number


def _killed_once(mark: Path) -> str:
    """Kill the worker that runs it the first time."""
    try:
        mark.touch(exist_ok=False)
    except FileExistsError:
        return "done again"
    os.kill(os.getpid(), signal.SIGKILL)
    return "never said"


def _fails(number: int) -> int:
    raise ValueError(f"no square of {number}")


def test_work_and_proofs_have_the_same_results_as_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers come in order; a proof has the same states; a break has the same trace; an error is raised."""
    mode = failure_mode("FM_012")
    bounds = evolve(mode.bounds, heartbeats=1, failures=1)
    broken = Proof(scope=mode.scope, bounds=bounds, fault=mode.fault, target=mode.target)
    here, found = prove(GUARDED), prove(broken)
    assert min(here.counts.states, found.counts.states) > SMALL_STATES, "it is done in this process"
    with running(tmp_path, 2) as machines, Cluster(machines.address) as cluster:
        assert len(cluster.workers) == 2
        assert list(cluster.in_order(_square, range(20))) == [_square(number) for number in range(20)]
        with pytest.raises(ValueError, match="no square of 3"):
            list(cluster.in_order(_fails, [3]))
        there = prove(GUARDED, cluster=cluster)
        assert (there.counts.states, there.counts.transitions, there.depth, there.complete) == (
            here.counts.states,
            here.counts.transitions,
            here.depth,
            True,
        )
        there = prove(broken, cluster=cluster)
        assert (there.finding, there.actions) == (found.finding, found.actions)
        sets = ("explore", "--off", "2", "--examples", "60", "--steps", "20")
        result = invoke(*sets, "--cluster", machines.address)
        assert result.exit_code == 0, result.output
        assert result.stdout == invoke(*sets, "--processes", "1").stdout
        result = invoke("explore", "--examples", "30", "--cluster", machines.address)
        assert (result.exit_code, "30 examples" in result.stdout) == (0, True), result.output
        monkeypatch.setattr(cluster_module, "about_this_process", _about_another)
        with pytest.raises(ClusterUnusable, match="has another Python and another source than this process"):
            Cluster(machines.address)


def _about_another() -> dict[str, str]:
    """On a worker the module is not patched, so it says what it has."""
    if cluster_module.about_this_process is _about_another:
        return {"Python": "3.0.0", "source": "another"}
    return cluster_module.about_this_process()


def test_a_worker_that_is_killed_loses_no_answer_and_ends_a_proof(tmp_path: Path) -> None:
    """A task is done again by another worker; a shard is not begun again, and the error names its worker."""
    with running(tmp_path, 3) as machines:
        with Cluster(machines.address) as cluster:
            assert list(cluster.in_order(_killed_once, [tmp_path / "mark"])) == ["done again"]
        with Cluster(machines.address) as cluster:
            assert len(cluster.workers) == 2
            shards = cluster_shards(GUARDED, cluster)
            shards[0].ask("add_first")
            shards[0].answer()
            for process in machines.workers:
                process.kill()
            with pytest.raises(ClusterWorkerLost) as raised:
                _advance(shards)
            assert raised.value.worker in cluster.workers


def _advance(shards: list[ClusterShard]) -> None:
    for shard in shards:
        shard.ask("advance")
        shard.answer()


def test_a_shard_that_was_begun_again_answers_nothing() -> None:
    """The number of the call shows that an earlier one came to another shard."""
    with pytest.raises(RuntimeError, match="call 1 came to a shard that has answered 0 calls"):
        NumberedCalls(GUARDED, 0, 1).call(1, "advance", ())


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


def test_no_scheduler_is_one_line() -> None:
    """The address is repeated, and the right form is shown."""
    result = invoke("matrix", "--cluster", "tcp://127.0.0.1:9")
    assert (result.exit_code, "no Dask scheduler answers at tcp://127.0.0.1:9" in result.stderr) == (2, True)


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("explore", "--examples", "1", "--store", "postgresql"), "--cluster is for SQLite"),
        (("prove", "--store", "postgresql"), "--cluster is for SQLite"),
    ],
)
def test_a_command_that_cannot_share_says_so(command: tuple[str, ...], said: str) -> None:
    """The option is refused before anything runs."""
    result = invoke(*command, "--cluster", "tcp://127.0.0.1:9")
    assert (result.exit_code, said in result.stderr) == (2, True), result.output
