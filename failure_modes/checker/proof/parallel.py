"""The shards of a proof: one in this process, or one in each of several processes.

The processes share no memory. Each owns the states whose fingerprints belong to its shard. States that it
reaches of other shards are sent to them between two rounds. A process ends when its parent is gone.
"""

import gc
import pickle
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from attrs import evolve

from failure_modes.checker.proof.checkpoint import Checkpoint, SavedState
from failure_modes.checker.proof.explorer import ReachedState, Shard, owner
from failure_modes.checker.proof.proof import Broken, Counts, Proof
from failure_modes.checker.support import temporary
from failure_modes.checker.support.errors import MachineError
from model.actions import Action

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LEFT_STATES = 10_000
"""A shard with more states than this is left to the garbage collector. To free its states one by one takes a
tenth of the time of its proof; and most processes end then, and the system frees all at once."""

OBJECTS_MAX = 10_000_000
"""The garbage collector looks at the objects of a proof when there are so many new ones."""


class ShardHandle(Protocol):
    """Calls a method of a shard's server, wherever the shard is. Each `ask` is followed by one `answer`."""

    def ask(self, what: str, *arguments: Any) -> None:
        """Begin to call that method of `ShardServer`."""
        ...

    def answer(self) -> Any:
        """What the method returned."""
        ...

    def close(self) -> None:
        """Let go of the shard."""
        ...


class ShardServer:
    """Serves one shard. States for other shards are pickled, so that they can be relayed unopened."""

    def __init__(self, proof: Proof, number: int, shards: int) -> None:
        self._shard = Shard(proof, number, shards)
        self._index = self._shard.alphabet.index
        self._shards = shards
        self._itself: ShardServer | None = None
        """Set when the shard is left to the garbage collector: only the collector frees a circle."""

    def add_first(self) -> None:
        """Take in the first state."""
        self._shard.add_first()

    def expand(self, most: int) -> tuple[Counts, dict[int, bytes]]:
        """Expand so many states at most."""
        reached = self._shard.expand(most)
        return self._shard.counts, {shard: pickle.dumps(found) for shard, found in reached.items()}

    def absorb(self, packed: list[bytes]) -> None:
        """Take in the states that other shards have reached."""
        for pack in packed:
            self._shard.take(pickle.loads(pack))

    def advance(self) -> Counts:
        """Begin the next level."""
        self._shard.advance()
        return self._shard.counts

    def broken(self) -> list[Broken]:
        """The violations found in this level."""
        return self._shard.broken

    def others(self) -> frozenset[str]:
        """The invariants that broke and were not the target."""
        return frozenset(self._shard.others)

    def memory_kb(self) -> int:
        """The most memory that this process ever had."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak

    def saved(self) -> Checkpoint:
        """How far the shard has come."""
        shard = self._shard
        return Checkpoint(
            depth=0,
            seconds=0.0,
            counts=shard.counts,
            seen=tuple(shard.seen),
            sleep_sets={
                digest.hex(): self._numbers(actions) for digest, actions in shard.seen.items() if actions
            },
            frontier=tuple([self._saved(state) for state in shard.frontier]),
            coming=tuple([self._saved(state) for state in shard.coming.values()]),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from this shard's share of a checkpoint. Raises ValueError where it does not fit."""
        seen = {
            digest: self._actions(checkpoint.sleep_sets.get(digest.hex(), ()))
            for digest in checkpoint.seen
            if self._is_mine(digest)
        }
        self._shard.resume(seen, self._states(checkpoint.frontier), self._states(checkpoint.coming))

    def close(self) -> None:
        """Let go of the world."""
        self._shard.close()

    def leave(self) -> None:
        """Let go of the world. A large shard is left to the garbage collector."""
        self.close()
        if self._shard.counts.states > LEFT_STATES:
            self._itself = self
            _left.append(self._shard.number)

    def _is_mine(self, digest: bytes) -> bool:
        return owner(digest, self._shards) == self._shard.number

    def _states(self, all_saved: tuple[SavedState, ...]) -> list[ReachedState]:
        mine = [one for one in all_saved if self._is_mine(bytes.fromhex(one.digest))]
        found = []
        for saved in sorted(mine, key=lambda one: one.trace):  # neighbours share steps
            sleep_set = self._actions(saved.sleep_set)
            state = self._shard.restore(bytes.fromhex(saved.trace), sleep_set)
            if state.digest.hex() != saved.digest:
                raise ValueError("a trace leads to another state than it did")
            only = None if saved.only is None else self._actions(saved.only)
            found.append(evolve(state, only=only))
        return found

    def _saved(self, state: ReachedState) -> SavedState:
        return SavedState(
            digest=state.digest.hex(),
            trace=state.trace.hex(),
            sleep_set=tuple([self._index[action] for action in state.sleep_set]),
            only=None if state.only is None else self._numbers(state.only),
        )

    def _actions(self, numbers: tuple[int, ...]) -> frozenset[Action]:
        actions = self._shard.alphabet.actions
        if any(number >= len(actions) for number in numbers):
            raise ValueError("there is no action of that number")
        return frozenset([actions[number] for number in numbers])

    def _numbers(self, actions: frozenset[Action]) -> tuple[int, ...]:
        return tuple(sorted([self._index[action] for action in actions]))


_left: list[int] = []
"""The shards that were left to the garbage collector since it last ran here."""


class LocalShard:
    """A shard in this process. The one before it, if it was left to the garbage collector, is freed first."""

    def __init__(self, proof: Proof) -> None:
        if _left:
            gc.unfreeze()
            gc.collect()
            _left.clear()
        self._server = ShardServer(proof, 0, 1)
        self._answer: Any = None

    def ask(self, what: str, *arguments: Any) -> None:
        """Call the method at once."""
        self._answer = getattr(self._server, what)(*arguments)

    def answer(self) -> Any:
        """What it returned."""
        return self._answer

    def close(self) -> None:
        """Let go of the shard."""
        self._server.leave()
        del self._server  # a small shard is freed here, before the garbage collector looks at it


class ShardLost(MachineError):
    """A process of the proof died, and the states of its shard are lost."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the proof died, its share of the states is lost, and nothing is proved"
        )


class RemoteShard:
    """A shard in a process of its own. The proof must be picklable: its swap a function of a module."""

    def __init__(self, proof: Proof, number: int, shards: int) -> None:
        from multiprocessing import get_context

        from failure_modes.checker.support import child_processes

        context = get_context("spawn")
        self._connection, far = context.Pipe()
        self._process = child_processes.start(context, _serve, far, proof, number, shards, daemon=True)
        far.close()

    def ask(self, what: str, *arguments: Any) -> None:
        """Have the process call the method, and do not wait."""
        try:
            self._connection.send((what, arguments))
        except OSError:
            raise ShardLost from None

    def answer(self) -> Any:
        """What the method returned. Raises what it raised."""
        try:
            failed, answer = self._connection.recv()
        except (EOFError, OSError):
            raise ShardLost from None
        if failed:
            raise answer
        return answer

    def close(self) -> None:
        """End the process."""
        self._connection.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            temporary.sweep()


def _serve(connection: "Connection[Any, Any]", proof: Proof, number: int, shards: int) -> None:
    server = ShardServer(proof, number, shards)
    with rare_collections():
        _answer_all(connection, server)
        server.leave()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside, the garbage collector runs rarely: most objects of a proof live on, and few are in cycles.

    Each state has some 50 objects. To look at all of them once would take a tenth of the time of a proof.
    """
    before = gc.get_threshold()
    gc.set_threshold(OBJECTS_MAX, 100, 1_000)
    try:
        yield
    finally:
        if _left:
            gc.freeze()  # no collection looks at what was left, until another proof begins
        gc.set_threshold(*before)


def _answer_all(connection: "Connection[Any, Any]", server: ShardServer) -> None:
    """Answer each request until the pipe is closed."""
    while True:
        try:
            what, arguments = connection.recv()
        except (EOFError, OSError):
            break
        try:
            reply = (False, getattr(server, what)(*arguments))
        except (Exception, temporary.NoRoom) as error:
            reply = (True, error)
        try:
            connection.send(reply)
        except OSError:
            break


def shard_handles(proof: Proof, processes: int) -> list[ShardHandle]:
    """One shard in each process; with one process, a shard in this one."""
    if processes == 1:
        return [LocalShard(proof)]
    return [RemoteShard(proof, number, processes) for number in range(processes)]
