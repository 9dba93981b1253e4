"""States that are reached again: what is left to do in them, and by which trace."""

from itertools import permutations

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.proof.explorer import Shard
from failure_modes.checker.proof.footprint import UNSEEN
from failure_modes.checker.proof.proof import Proof
from model.actions import Action, Tick

PROOF = Proof(scope=Scope(workers=1), bounds=Bounds(jobs=1), fault=guarded)


def _lined_up(arrivals: tuple[tuple[bytes, frozenset[Action]], ...]) -> list[tuple[bytes, object]]:
    """What is left to do in a state that was expanded but for two actions, and is reached again."""
    shard = Shard(PROOF)
    try:
        shard.add_first()
        (state,) = shard.coming.values()
        shard.coming.clear()
        shard.seen[state.digest] = frozenset([Tick(seconds=1.0), Tick(seconds=2.0)])
        for trace, sleep_set in arrivals:
            shard.absorb([evolve(state, trace=trace, sleep_set=dict.fromkeys(sleep_set, UNSEEN))])
        shard.advance()
        return [(left.trace, left.only) for left in shard.frontier]
    finally:
        shard.close()


def test_the_trace_of_a_state_does_not_depend_on_the_order_in_which_traces_come() -> None:
    """The least trace stands for the state, also if that trace alone leaves nothing to do."""
    every = frozenset([Tick(seconds=1.0), Tick(seconds=2.0)])
    arrivals = ((b"\x00", every), (b"\x01", every - {Tick(seconds=1.0)}), (b"\x02", every))
    for order in permutations(arrivals):
        assert _lined_up(order) == [(b"\x00", frozenset([Tick(seconds=1.0)]))]
    assert _lined_up((arrivals[0], arrivals[2])) == []


@pytest.mark.parametrize("first", ["least", "greatest"])
def test_the_trace_of_a_new_state_does_not_depend_on_the_shard_that_reaches_it_first(first: str) -> None:
    """A state has come from another shard: the least trace stands for it, that one or the own one."""
    shard = Shard(evolve(PROOF, scope=Scope(workers=2), bounds=Bounds(jobs=2)))
    try:
        shard.add_first()
        shard.advance()
        start = shard.frontier[:]
        shard.expand(1)
        whole = [state for state in shard.coming.values() if not state.sleep_set]
        assert whole
        for own in whole:
            another = b"\x00" if first == "least" else b"\xff"
            shard.coming.clear()
            shard.absorb([evolve(own, trace=another)])
            shard.frontier = start[:]
            shard.expand(1)
            assert shard.coming[own.digest].trace == min(own.trace, another)
    finally:
        shard.close()
