"""Each half of the explorer keeps states or transitions from being lost, in scopes that are counted.

Without a half the proof comes to other counts, or says that the explorer and a run disagree. A search with a
fault says the same of the times: without them it misses the fault.
"""

import os
import signal
from itertools import count
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, guarded
from failure_modes.checker.oracle import system_side
from failure_modes.checker.proof import fingerprint, nodes, proving, step_memory, successors
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove
from failure_modes.checker.proof.result import Disagreement
from failure_modes.checker.simulation import world_content
from tests.checker.oracle.test_breakages import BREAKAGES
from tests.checker.proof.explorer_halves import (
    Patch,
    crashes_read_nothing,
    crashes_touch_nothing,
    expands_once,
    keeps_first_sleep_set,
    resumes_without,
    ticks_touch_nothing,
    with_memories,
    with_stale_workers,
    without,
    without_changed_at,
    without_extra,
    without_faults,
    without_of_footprints,
    without_of_processes,
    without_spent,
    without_table,
    without_times,
)

AT_SERVER = Scope(store=StoreKind.POSTGRESQL, granularity=Granularity.STATEMENT, workers=1)
ONE_JOB, STATEMENTS = Bounds(jobs=1, ticks=1, crashes=1), Scope(granularity=Granularity.STATEMENT)
SCOPES = {
    "one job": Proof(scope=Scope(), bounds=ONE_JOB, fault=guarded),
    "two jobs": Proof(scope=Scope(), bounds=Bounds(jobs=2, crashes=1), fault=guarded),
    "sleeping": Proof(scope=Scope(), bounds=ONE_JOB, fault=guarded, reductions=Reductions(sleep=True)),
    "recovering": Proof(
        scope=Scope(),
        bounds=evolve(ONE_JOB, reconciles=1),
        fault=guarded,
        reductions=Reductions(sleep=True),
    ),
    "statements": Proof(scope=STATEMENTS, bounds=Bounds(jobs=1), fault=guarded),
    "one worker": Proof(scope=evolve(STATEMENTS, workers=1), bounds=ONE_JOB, fault=guarded),
    "postgresql": Proof(scope=AT_SERVER, bounds=Bounds(jobs=0, ticks=1), fault=guarded),
}
WHOLE = {
    "one job": (71, 185),
    "two jobs": (84, 214),
    "sleeping": (71, 164),
    "recovering": (148, 410),
    "statements": (406, 524),
    "one worker": (1195, 2041),
    "postgresql": (12, 16),
}
"""The states and the transitions of each."""

MORE = {
    "lost replies": Proof(
        scope=evolve(STATEMENTS, workers=1), bounds=Bounds(jobs=1, lost_replies=1), fault=guarded
    ),
    "second threads": Proof(
        scope=Scope(threads=True, workers=1),
        bounds=Bounds(jobs=1, ticks=1, thread_heartbeats=1),
        fault=guarded,
    ),
    "rollbacks": Proof(
        scope=Scope(rollback=True), bounds=Bounds(jobs=1, crashes=1, rollbacks=1), fault=guarded
    ),
}
"""Scopes in which a worker remembers more than its phase."""

INTERRUPTED_AT = 62
"""The round after which a proof is interrupted: part of a level is expanded then, and part is not."""

HALVES: dict[str, tuple[str, Patch]] = {
    "fingerprint, what is spent": ("one job", without_spent),
    "fingerprint, times": ("one job", without_times),
    "fingerprint, rows of jobs": ("one job", without_table("jobs")),
    "fingerprint, rows of executions": ("two jobs", without_table("executions")),
    "fingerprint, rows of effects": ("two jobs", without_table("effects")),
    "fingerprint, the log of a process": ("statements", without_of_processes(log=())),
    "fingerprint, a wait for a lock": ("one worker", without_of_processes(waits=False)),
    "fingerprint, the intent of a transaction": ("statements", without_of_processes(pending=None)),
    "fingerprint, the last change": ("one worker", without(without_changed_at)),
    "fingerprint, faults": ("one worker", without(without_faults)),
    "fingerprint, ages of transactions at postgresql": ("postgresql", without(without_extra)),
    "footprint, rows that were read": ("sleeping", without_of_footprints(reads=frozenset())),
    "footprint, rows that were written": ("sleeping", without_of_footprints(wrote=())),
    "footprint, a lock that is taken": ("statements", without_of_footprints(moves_lock=False)),
    "footprint, a lock that is needed": ("statements", without_of_footprints(needs_lock=False)),
    "footprint, a clock that is read": ("sleeping", without_of_footprints(reads_clock=False)),
    "footprint, a tick": ("sleeping", ticks_touch_nothing),
    "footprint, a crash": ("one worker", crashes_touch_nothing),
    "footprint, what a crash reads": ("recovering", crashes_read_nothing),
    "sleep sets, a state that is reached again": ("sleeping", expands_once),
    "sleep sets, a state that is reached twice": ("sleeping", keeps_first_sleep_set),
}


def counted(proof: Proof) -> tuple[int, int] | None:
    """The states and the transitions; None if the explorer disagrees with a run."""
    try:
        result = prove(proof)
    except Disagreement:
        return None
    assert result.finding is None
    return result.counts.states, result.counts.transitions


@pytest.mark.parametrize("scope", SCOPES)
def test_the_counts_of_each_scope_are_known(scope: str) -> None:
    """With all halves, the proof of the guarded system comes to these counts."""
    assert counted(SCOPES[scope]) == WHOLE[scope]


@pytest.mark.parametrize("half", HALVES)
def test_an_explorer_without_a_half_is_caught(half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its counts are others, or a run from the start does not find what the explorer found."""
    scope, blind = HALVES[half]
    blind(monkeypatch)
    assert counted(SCOPES[scope]) != WHOLE[scope]


@pytest.mark.parametrize("scope", [*SCOPES, *MORE])
def test_the_memory_of_a_worker_follows_from_what_its_process_has_seen(
    scope: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With it in the fingerprint there are the same states, so the fingerprint need not have it."""
    whole = WHOLE[scope] if scope in WHOLE else counted(MORE[scope])
    with_memories(monkeypatch)
    assert counted({**SCOPES, **MORE}[scope]) == whole


def test_a_worker_whose_execution_a_rollback_has_lost_follows_from_what_it_has_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With it in the fingerprint there are the same states. A worker at rest has no execution to lose."""
    whole = counted(MORE["rollbacks"])
    with_stale_workers(monkeypatch)
    assert counted(MORE["rollbacks"]) == whole


def test_a_fingerprint_without_times_misses_a_lease_that_ends_now(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ticks of 15 s lead to the end of the lease; after a tick of 10 s none does."""
    proof = Proof(
        scope=Scope(workers=1, tick_seconds=(10, 15)),
        bounds=Bounds(jobs=1, ticks=2),
        fault=BREAKAGES["the lease comparison off by one, in the fence"],
    )
    assert prove(proof).finding is not None
    without_times(monkeypatch)
    assert prove(proof).finding is None


def test_memories_of_one_change_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each memory of a proof may forget everything at any time."""
    memories = (
        (fingerprint, "_REMEMBERED_MAX"),
        (nodes, "NODES_MAX"),
        (step_memory, "STEPS_MAX"),
        (successors, "REMEMBERED_MAX"),
        (world_content, "CONTENTS_MAX"),
        (system_side, "CONTENTS_MAX"),
    )
    for module, name in memories:
        monkeypatch.setattr(module, name, 1)
    for scope in ("one job", "two jobs"):
        assert counted(SCOPES[scope]) == WHOLE[scope]


def _resumed(file: Path) -> tuple[int, int]:
    """The counts of a proof that was interrupted in the middle of a level, and resumed."""
    proof, rounds = SCOPES["statements"], count(1)

    def interrupt(*_: object) -> None:
        if next(rounds) == INTERRUPTED_AT:
            os.kill(os.getpid(), signal.SIGTERM)

    cut = prove(proof, limits=Limits(checkpoint=file), report=interrupt)
    assert cut.bound == "interrupted"
    counts = prove(proof, limits=Limits(checkpoint=file)).counts
    return counts.states, counts.transitions


@pytest.mark.parametrize("part", ["seen", "frontier", "coming"])
def test_a_checkpoint_without_a_part_is_caught(
    part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With all its parts the resumed proof comes to the usual counts; without one of them it does not."""
    monkeypatch.setattr(proving, "ROUND_STATES", 3)
    assert _resumed(tmp_path / "whole") == WHOLE["statements"]
    resumes_without(part)(monkeypatch)
    assert _resumed(tmp_path / "without") != WHOLE["statements"]
