"""The halves of a proof that several shards share: each keeps something from being lost.

Both shards are in this process, and share no more than if each had a process of its own. Without a half the
proof comes to other counts, or does not find what one shard finds.
"""

import pickle
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof import explorer, parallel, proving
from failure_modes.checker.proof.cluster_shards import NumberedCalls
from failure_modes.checker.proof.parallel import RemoteShard, ShardHandle, ShardServer
from failure_modes.checker.proof.proof import Proof, Reductions
from failure_modes.checker.proof.proving import Limits, prove

MODE = failure_mode("FM_001")
GUARDED = Proof(
    scope=Scope(),
    bounds=Bounds(jobs=1, ticks=1, crashes=1),
    fault=guarded,
    reductions=Reductions(sleep=True),
)
WHOLE = (71, 164)
"""Its states and its transitions."""

BROKEN = evolve(GUARDED, scope=Scope(constraints=False), fault=MODE.fault, target=MODE.target)

Patch = Callable[[pytest.MonkeyPatch], None]


class _Shard:
    """A shard in this process: what is said to it, and what it answers, is pickled."""

    def __init__(self, proof: Proof, number: int, shards: int) -> None:
        self._calls = NumberedCalls(proof, number, shards)
        self._asked = 0
        self._answer = b""

    def ask(self, what: str, *arguments: Any) -> None:
        failed, answer = self._calls.call(self._asked, what, pickle.loads(pickle.dumps(arguments)))
        assert not failed, answer
        self._asked += 1
        self._answer = pickle.dumps(answer)

    def answer(self) -> Any:
        return pickle.loads(self._answer)

    def close(self) -> None:
        self.ask("close")


def _shards(proof: Proof, number: int) -> list[ShardHandle]:
    return [_Shard(proof, at, number) for at in range(number)]


@pytest.fixture(autouse=True)
def _two_shards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "shard_handles", _shards)
    monkeypatch.setattr(proving, "SMALL_STATES", 0)
    monkeypatch.setattr(proving, "ROUND_STATES", 5)


def _served(name: str, change: Callable[[Any, ShardServer], Any]) -> Patch:
    """A method of the servers answers something else."""
    usual: Any = getattr(ShardServer, name)
    return lambda monkeypatch: monkeypatch.setattr(
        ShardServer, name, lambda self, *arguments: change(usual(self, *arguments), self)
    )


def _is_second(server: ShardServer) -> bool:
    return bool(vars(server)["_shard"].number)


def _absorbs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ShardServer, "absorb", lambda *_: None)


def _no_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that is reached twice may come to two shards."""
    turns = count()
    monkeypatch.setattr(explorer, "owner", lambda *_: next(turns) % 2)


def _owns_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """A shard that is resumed takes the states of the others, too."""
    monkeypatch.setattr(parallel, "owner", lambda *_: 0)


HALVES: dict[str, Patch] = {
    "the states that other shards have reached": _absorbs_nothing,
    "one owner of each state": _no_owner,
    "the counts of each shard": _served(
        "advance", lambda counts, server: evolve(counts, states=0) if _is_second(server) else counts
    ),
    "the states that are left in each shard": _served(
        "advance", lambda counts, server: evolve(counts, frontier=0) if _is_second(server) else counts
    ),
}

RESUMED: dict[str, Patch] = {
    "each owner resumes its own states": _owns_all,
    "the sleep sets of a checkpoint": _served("saved", lambda saved, _: evolve(saved, sleep_sets={})),
    "the actions that are left of a state": _served(
        "saved",
        lambda saved, _: evolve(
            saved,
            frontier=tuple([evolve(one, only=None) for one in saved.frontier]),
            coming=tuple([evolve(one, only=None) for one in saved.coming]),
        ),
    ),
}


def _counted(**options: Any) -> tuple[int, int]:
    counts = prove(GUARDED, processes=2, **options).counts
    return counts.states, counts.transitions


def test_two_shards_come_to_the_known_counts() -> None:
    """With all halves."""
    assert _counted() == WHOLE


@pytest.mark.parametrize("half", HALVES)
def test_shards_without_a_half_are_caught(half: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other states or transitions are counted."""
    HALVES[half](monkeypatch)
    assert _counted() != WHOLE


def _resumed(file: Path) -> tuple[int, int]:
    """The counts of a proof that is stopped again and again, and goes on."""
    for states_max in range(8, 200, 8):
        result = prove(GUARDED, processes=2, limits=Limits(states_max=states_max, checkpoint=file))
        if result.complete:
            return result.counts.states, result.counts.transitions
    return 0, 0


def test_a_proof_of_two_shards_that_is_resumed_comes_to_the_known_counts(tmp_path: Path) -> None:
    """With all halves."""
    assert _resumed(tmp_path / "proof") == WHOLE


@pytest.mark.parametrize("half", RESUMED)
def test_shards_that_are_resumed_without_a_half_are_caught(
    half: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other states or transitions are counted."""
    RESUMED[half](monkeypatch)
    assert _resumed(tmp_path / "proof") != WHOLE


def test_a_violation_in_any_shard_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """One of the two shards has it; if either is not asked, the proof of one of the systems misses it."""
    found = prove(BROKEN, processes=2)
    assert found.finding is not None
    missed = []
    for second in (False, True):
        with monkeypatch.context() as blind:
            _served("broken", lambda broken, server: [] if _is_second(server) is second else broken)(blind)  # noqa: B023
            result = prove(BROKEN, processes=2)
            missed.append((result.finding, result.actions) != (found.finding, found.actions))
    assert any(missed)


class _Stuck:
    """A process that ends only when it is killed."""

    def __init__(self) -> None:
        self.done: list[object] = []

    def join(self, timeout: float | None = None) -> None:
        """Note it."""
        self.done.append(timeout)

    def is_alive(self) -> bool:
        """True until it is killed."""
        return "kill" not in self.done

    def kill(self) -> None:
        """Note it."""
        self.done.append("kill")

    def close(self) -> None:
        """Note it: it is its own connection."""
        self.done.append("close")


def test_a_process_that_does_not_end_is_killed_after_a_while() -> None:
    """The proof waits for its end after that, so that no folder of it is left."""
    stuck, shard = _Stuck(), object.__new__(RemoteShard)
    vars(shard).update(_connection=stuck, _process=stuck)
    shard.close()
    assert stuck.done == ["close", 10, "kill", None]
