"""The parts of a proof: in this process, or in one process for each core.

The processes share nothing. Each owns the states whose fingerprint falls to it; what it reaches of another's
is handed over between two rounds. A process ends when the one that began it is gone.
"""

import gc
import pickle
import resource
import sys
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Protocol

from attrs import evolve

from failure_modes.checker.proof.checkpoint import Checkpoint, Reached
from failure_modes.checker.proof.explorer import Broken, Candidate, Counts, Part, Proof, owner
from failure_modes.checker.support import child_processes, temporary
from failure_modes.checker.support.errors import MachineError
from model.actions import Action


class Hand(Protocol):
    """A part, wherever it is."""

    def ask(self, what: str, *arguments: Any) -> None:
        """Have the part do something."""
        ...

    def answer(self) -> Any:
        """What came of it."""
        ...

    def close(self) -> None:
        """End it."""
        ...


class Desk:
    """What can be asked of a part. What goes to another part is pickled, so that it can be relayed."""

    def __init__(self, proof: Proof, number: int, parts: int) -> None:
        self._part = Part(proof, number, parts)
        self._index = self._part.alphabet.index
        self._parts = parts

    def begin(self) -> None:
        """Take in the first state."""
        self._part.begin()

    def expand(self, most: int) -> tuple[Counts, dict[int, bytes]]:
        """Go on from so many states."""
        reached = self._part.expand(most)
        return self._part.counts, {part: pickle.dumps(found) for part, found in reached.items()}

    def absorb(self, packed: list[bytes]) -> None:
        """Take in what the others have reached."""
        for pack in packed:
            self._part.take(pickle.loads(pack))

    def advance(self) -> Counts:
        """Begin the next level."""
        self._part.advance()
        return self._part.counts

    def broken(self) -> list[Broken]:
        """The violations found in this level."""
        return self._part.broken

    def memory_kb(self) -> int:
        """The most memory that this process ever had."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak

    def saved(self) -> Checkpoint:
        """How far it has come."""
        part = self._part
        return Checkpoint(
            depth=0,
            seconds=0.0,
            counts=part.counts,
            seen=tuple(part.seen),
            sleepers={
                digest.hex(): self._numbers(actions) for digest, actions in part.seen.items() if actions
            },
            frontier=tuple([self._reached(candidate) for candidate in part.frontier]),
            coming=tuple([self._reached(candidate) for candidate in part.coming.values()]),
        )

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint, with this part's share of it. Raises ValueError where it does not fit."""
        part = self._part
        for digest in checkpoint.seen:
            if self._is_mine(digest):
                sleepers = checkpoint.sleepers.get(digest.hex(), ())
                part.seen[digest] = self._actions(sleepers)
        frontier = self._candidates(checkpoint.frontier)
        part.frontier = sorted(frontier, key=lambda candidate: candidate.trace, reverse=True)
        part.coming = {candidate.digest: candidate for candidate in self._candidates(checkpoint.coming)}

    def close(self) -> None:
        """Let go of the world."""
        self._part.close()

    def _is_mine(self, digest: bytes) -> bool:
        return owner(digest, self._parts) == self._part.number

    def _candidates(self, all_reached: tuple[Reached, ...]) -> list[Candidate]:
        mine = [reached for reached in all_reached if self._is_mine(bytes.fromhex(reached.digest))]
        found = []
        for reached in sorted(mine, key=lambda reached: reached.trace):  # near ones share their way
            asleep = self._actions(reached.asleep)
            candidate = self._part.put_back(bytes.fromhex(reached.trace), asleep)
            if candidate.digest.hex() != reached.digest:
                raise ValueError("a trace leads to another state than it did")
            only = None if reached.only is None else self._actions(reached.only)
            found.append(evolve(candidate, only=only))
        return found

    def _reached(self, candidate: Candidate) -> Reached:
        return Reached(
            digest=candidate.digest.hex(),
            trace=candidate.trace.hex(),
            asleep=tuple([self._index[action] for action in candidate.asleep]),
            only=None if candidate.only is None else self._numbers(candidate.only),
        )

    def _actions(self, numbers: tuple[int, ...]) -> frozenset[Action]:
        actions = self._part.alphabet.actions
        if any(number >= len(actions) for number in numbers):
            raise ValueError("there is no action of that number")
        return frozenset([actions[number] for number in numbers])

    def _numbers(self, actions: frozenset[Action]) -> tuple[int, ...]:
        return tuple(sorted([self._index[action] for action in actions]))


class Here:
    """A part in this process."""

    def __init__(self, proof: Proof) -> None:
        self._desk = Desk(proof, 0, 1)
        self._answer: Any = None

    def ask(self, what: str, *arguments: Any) -> None:
        """Do it at once."""
        self._answer = getattr(self._desk, what)(*arguments)

    def answer(self) -> Any:
        """What came of it."""
        return self._answer

    def close(self) -> None:
        """End it."""
        self._desk.close()


class PartLost(MachineError):
    """A process of the proof died, and its share of the states with it."""

    def __init__(self) -> None:
        super().__init__(
            "a process of the proof died, its share of the states is lost, and nothing is proved"
        )


class There:
    """A part in a process of its own. The proof must be picklable: its swap a function of a module."""

    def __init__(self, proof: Proof, number: int, parts: int) -> None:
        context = get_context("spawn")
        self._connection, far = context.Pipe()
        self._process = child_processes.start(context, _serve, far, proof, number, parts, daemon=True)
        far.close()

    def ask(self, what: str, *arguments: Any) -> None:
        """Have it do something, while we go on."""
        try:
            self._connection.send((what, arguments))
        except OSError:
            raise PartLost from None

    def answer(self) -> Any:
        """What came of it. Raises what it raised."""
        try:
            failed, answer = self._connection.recv()
        except (EOFError, OSError):
            raise PartLost from None
        if failed:
            raise answer
        return answer

    def close(self) -> None:
        """End it."""
        self._connection.close()
        self._process.join(timeout=10)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
            temporary.sweep()


def _serve(connection: "Connection[Any, Any]", proof: Proof, number: int, parts: int) -> None:
    gc.set_threshold(1_000_000, 100, 1_000)  # what is made here stays, and little of it is circular
    desk = Desk(proof, number, parts)
    while True:
        try:
            what, arguments = connection.recv()
        except (EOFError, OSError):
            break
        try:
            reply = (False, getattr(desk, what)(*arguments))
        except Exception as error:
            reply = (True, error)
        try:
            connection.send(reply)
        except OSError:
            break
    desk.close()


def hands(proof: Proof, processes: int) -> list[Hand]:
    """One part for each process; with one process, this one."""
    if processes == 1:
        return [Here(proof)]
    return [There(proof, number, processes) for number in range(processes)]
