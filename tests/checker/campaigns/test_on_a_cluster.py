"""Campaigns and proofs on a cluster: the same results as here, for any number of workers, and kept."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.matrix import GROUPS, matrix
from failure_modes.checker.campaigns.seeds import search
from failure_modes.checker.campaigns.stretches import STRETCH, run_in_stretches
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.failures import code_of
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.cluster_shards import NumberedCalls
from failure_modes.checker.proof.proof import Counts, Proof, Reductions
from failure_modes.checker.proof.proving import SMALL_STATES, prove
from failure_modes.checker.real.fidelity import compare, schedules
from failure_modes.checker.real.power import STORE, PowerReport, check_images
from failure_modes.checker.search.plans import search_of
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.subject.adapter import AdapterSource
from failure_modes.checker.support.cluster import Cluster, ClusterWorkerLost
from failure_modes.checker.support.process_pool import Pool
from tests.checker.clusters import ROOT, Machines, running
from tests.checker.commands import invoke, results_of

GUARDED = Proof(scope=Scope(), bounds=Bounds(jobs=2, ticks=1), fault=guarded)
MODE = failure_mode("FM_012")
BROKEN = Proof(
    scope=MODE.scope,
    bounds=evolve(MODE.bounds, heartbeats=1, failures=1),
    fault=MODE.fault,
    target=MODE.target,
)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """Three workers, for tests that lose none."""
    with running(tmp_path_factory.mktemp("cluster"), 3) as machines:
        yield machines


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_a_proof_does_not_depend_on_the_number_of_workers(three: Machines, workers: int) -> None:
    """The same states, transitions, depth and trace; also where independent actions have one order only."""
    with Cluster(three.address) as cluster:
        cluster.workers = cluster.workers[:workers]
        for proof in (evolve(GUARDED, reductions=Reductions(sleep=True)), BROKEN):
            here, there = prove(proof), prove(proof, cluster=cluster)
            assert here.counts.states > SMALL_STATES, "it is done in this process"
            assert (there.counts.states, there.counts.transitions, there.depth) == (
                here.counts.states,
                here.counts.transitions,
                here.depth,
            )
            assert (there.finding, there.actions, there.complete) == (
                here.finding,
                here.actions,
                here.complete,
            )


def test_a_proof_that_loses_a_worker_names_it(tmp_path: Path) -> None:
    """Its states are gone, and so there is no result: exit code 3. The other worker lives on."""
    with running(tmp_path, 2) as machines, Cluster(machines.address) as cluster:
        (first, second), rounds = machines.workers, list[int]()

        def report(counts: Counts, depth: int, seconds: float) -> None:
            del depth, seconds
            if counts.states > SMALL_STATES:
                rounds.append(counts.states)
                first.kill()

        with pytest.raises(ClusterWorkerLost) as raised:
            prove(GUARDED, cluster=cluster, report=report)
        assert rounds, "a worker was killed after a round"
        assert raised.value.worker in cluster.workers
        assert not cluster.is_there(raised.value.worker)
        assert second.poll() is None
        assert code_of(raised.value) is EXIT.INCONCLUSIVE


def test_a_shard_that_was_begun_again_answers_nothing() -> None:
    """The number of the call shows that an earlier one came to another shard."""
    with pytest.raises(RuntimeError, match="call 1 came to a shard that has answered 0 calls"):
        NumberedCalls(GUARDED, 0, 1).call(1, "advance", ())


def test_searches_find_the_same(three: Machines) -> None:
    """Seeds, and the break of a search in stretches, with its trace."""
    broken = search_of(failure_mode("FM_006"), 5, broken=True, examples=2 * STRETCH)
    with Cluster(three.address) as cluster, Pool(1) as pool:
        mode, said = failure_mode("FM_004"), list[str]()
        assert search(mode, 3, cluster, said.append) == search(mode, 3, pool, said.append)
        results = [
            run_in_stretches(broken, None, lambda _: None, driver="walk", pool=one)[0]
            for one in (cluster, pool)
        ]
    assert results[0].finding is not None
    assert (results[0].finding, results[0].actions) == (results[1].finding, results[1].actions)


@pytest.mark.slow
def test_rows_of_the_matrix_are_the_same(three: Machines) -> None:
    """A row of policies that are off, and the row of the guarded system."""
    with Cluster(three.address) as cluster, Pool(2) as pool:
        (there, *_, last), (here, *_, guarded_here) = [
            list(matrix(GROUPS[1], one, lambda _: None)) for one in (cluster, pool)
        ]
    for one, other in ((there, here), (last, guarded_here)):
        assert one.off == other.off
        assert [result.finding for result in one.results] == [result.finding for result in other.results]
        assert [result.counts for result in one.results] == [result.counts for result in other.results]


def _images(seed: int) -> PowerReport:
    return check_images(STORE, seed, 4)


def test_real_processes_and_lost_power_are_the_same(three: Machines) -> None:
    """A worker starts real processes of its own, and opens the images of a disk."""
    require()
    some = list(schedules(3, 7))
    with Cluster(three.address) as cluster:
        assert list(cluster.in_order(compare, some)) == [compare(one) for one in some]
        assert list(cluster.in_order(_images, [1, 2])) == [_images(1), _images(2)]


def test_sets_of_policies_are_searched_the_same(three: Machines) -> None:
    """The text of `explore --off` is that of one process of this machine."""
    sets = ("explore", "--off", "2", "--examples", "20", "--steps", "12")
    there = invoke(*sets, "--cluster", three.address)
    assert there.exit_code == EXIT.AS_EXPECTED, there.output
    assert there.stdout == invoke(*sets, "--processes", "1").stdout


def test_a_judgement_is_the_same_and_is_kept_beside_its_adapter(
    three: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The runs replace the clock, and the workers go on. The path is one of this command's folder."""
    kept = []
    for place, options in (("there", ("--cluster", three.address)), ("here", ("--processes", "1"))):
        folder = tmp_path / place
        folder.mkdir()
        shutil.copy(ROOT / "tests" / "subjects" / "tables.py", folder / "adapter.py")
        monkeypatch.chdir(folder)
        only = ("--runs", "100", "--seeds", "3", "--only", "again", "--keep", "--json")
        result = invoke("judge", "adapter.py:FAULTY", *only, *options)
        assert result.exit_code == EXIT.NOT_AS_EXPECTED, result.output
        (found,) = results_of(result)
        trace = (folder / "traces" / "default_again_multi_process.json").read_text(encoding="utf-8")
        kept.append((found["found_after"], found["moves"], found["confirmed"], trace))
    assert kept[0] == kept[1]


def test_a_worker_with_another_file_of_the_adapter_is_refused(
    three: Machines, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digest of the file is compared where the search runs."""
    adapter = tmp_path / "adapter.py"
    shutil.copy(ROOT / "tests" / "subjects" / "tables.py", adapter)
    monkeypatch.setattr(AdapterSource, "version", (None, "another digest"))
    result = invoke("judge", f"{adapter}:FAULTY", "--runs", "5", "--seeds", "2", "--cluster", three.address)
    assert (result.exit_code, "a worker has another version of a table with select" in result.stderr) == (
        EXIT.REFUSED,
        True,
    )


def test_the_tests_ran_on_workers(three: Machines) -> None:
    """No worker has died, and each task ran elsewhere than here."""
    assert all(process.poll() is None for process in three.workers)
    with Cluster(three.address) as cluster:
        assert os.getpid() not in list(cluster.in_order(_here, range(6)))


def _here(_: int) -> int:
    return os.getpid()
