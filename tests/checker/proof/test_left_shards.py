"""A large shard is left to the garbage collector, and the next proof in the process frees it first."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof import parallel
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove

Servers = list[weakref.ref[parallel.ShardServer]]

PROOF = Proof(scope=Scope(workers=1), bounds=Bounds(jobs=1), fault=guarded)


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Servers]:
    """The servers that are made in a test; no collection runs by itself."""
    made: Servers = []

    class Noted(parallel.ShardServer):
        def __init__(self, proof: Proof, number: int, shards: int) -> None:
            super().__init__(proof, number, shards)
            made.append(weakref.ref(self))

    monkeypatch.setattr(parallel, "ShardServer", Noted)
    monkeypatch.setattr(gc, "set_threshold", lambda *_: None)
    gc.disable()
    yield made
    gc.enable()
    gc.unfreeze()
    gc.collect()


def test_a_small_shard_is_freed_at_once(servers: Servers) -> None:
    """The end of its proof frees it."""
    prove(PROOF)
    assert [server() for server in servers] == [None]


def test_a_large_shard_is_freed_by_the_next_proof(servers: Servers, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the end of its proof it is there still; there are never two of them."""
    monkeypatch.setattr(parallel, "LEFT_STATES", 5)
    first = prove(PROOF)
    assert first.counts.states > parallel.LEFT_STATES
    assert [server() is None for server in servers] == [False]
    assert gc.get_freeze_count() > 0, "no collection looks at it"
    prove(PROOF)
    assert [server() is None for server in servers] == [True, False]
    parallel.LocalShard(PROOF).close()
    assert [server() is None for server in servers] == [True, True, True]
    assert gc.get_freeze_count() == 0
