"""A proof from beginning to end: level by level, until no state is left, something breaks, or a bound is hit.

The result never says just "ok": it is `complete`, or it names the bound that stopped it.
"""

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

from failure_modes.checker.proof.checkpoint import Checkpoint, CheckpointError, load, save
from failure_modes.checker.proof.parallel import ShardHandle, rare_collections, shard_handles
from failure_modes.checker.proof.proof import Broken, Counts, Proof
from failure_modes.checker.proof.result import ProofResult, confirmed
from failure_modes.checker.support import interrupts
from system.clock import Stopwatch

if TYPE_CHECKING:  # a proof on this machine needs no more
    from failure_modes.checker.support.cluster import Cluster

ROUND_STATES = 5_000
"""States that each shard expands before it is asked how far it has come."""

SAVE_EVERY_SECONDS = 30.0

SMALL_STATES = 500
"""A proof with fewer states than this is done before other processes have started."""


@frozen(kw_only=True)
class Limits:
    """When a proof stops early, and in which file it keeps how far it has come."""

    seconds_max: float | None = None
    states_max: int | None = None
    checkpoint: Path | None = None


Report = Callable[[Counts, int, float], None]
"""Called after each round with the counts, the depth and the seconds."""


def _silent(counts: Counts, depth: int, seconds: float) -> None:
    """Show nothing."""
    del counts, depth, seconds


def prove(
    proof: Proof,
    *,
    processes: int = 1,
    cluster: "Cluster | None" = None,
    limits: Limits | None = None,
    report: Report = _silent,
) -> ProofResult:
    """Explore until complete, broken, or stopped, in processes of this machine or on a cluster.

    A proof that turns out to be small is done in this process. Raises CheckpointError, ClusterWorkerLost,
    Disagreement, ShardLost, Unexplorable.
    """
    limits = limits or Limits()
    with _interruptible() as interrupted:
        if limits.checkpoint is not None and not limits.checkpoint.absolute().parent.is_dir():
            raise CheckpointError(f"{limits.checkpoint}: there is no folder to keep it in")
        if (processes > 1 or cluster is not None) and limits.checkpoint is None:
            few = evolve(limits, states_max=min(SMALL_STATES, limits.states_max or SMALL_STATES))
            result = _run(proof, 1, None, few, report, interrupted)
            if result.bound != "states" or limits.states_max == few.states_max:
                return result
        return _run(proof, processes, cluster, limits, report, interrupted)


def _run(
    proof: Proof,
    processes: int,
    cluster: "Cluster | None",
    limits: Limits,
    report: Report,
    interrupted: Callable[[], bool],
) -> ProofResult:
    with rare_collections():
        shards = _shards(proof, processes, cluster)
        try:
            return _ProofRun(proof, shards, limits, report, interrupted).run()
        finally:
            for shard in shards:
                shard.close()


def _shards(proof: Proof, processes: int, cluster: "Cluster | None") -> Sequence[ShardHandle]:
    if cluster is None:
        return shard_handles(proof, processes)
    from failure_modes.checker.proof.cluster_shards import cluster_shards

    return cluster_shards(proof, cluster)


class _ProofRun:
    """A proof that is being run."""

    def __init__(
        self,
        proof: Proof,
        shards: Sequence[ShardHandle],
        limits: Limits,
        report: Report,
        interrupted: Callable[[], bool],
    ) -> None:
        self._proof = proof
        self._shards = shards
        self._limits = limits
        self._report = report
        self._interrupted = interrupted
        self._stopwatch = Stopwatch()
        self._seconds_before = 0.0
        self._before = Counts()
        self._saved_at = 0.0
        self._counts = Counts()
        self._depth = 0

    @property
    def seconds(self) -> float:
        return self._seconds_before + self._stopwatch.seconds

    def run(self) -> ProofResult:
        if not self._resume():
            self._all("add_first")
            self._level()
        while True:
            if broken := self._broken():
                return self._result(broken=broken)
            if not self._counts.frontier:
                return self._result()
            if self._proof.depth_max is not None and self._depth >= self._proof.depth_max:
                self._save()
                return self._result(bound="depth")
            bound = self._finish_level()
            if bound and not self._broken():
                return self._result(bound=bound)
            self._depth += 1
            if broken := self._broken():
                return self._result(broken=broken)
            self._level()

    def _level(self) -> None:
        self._counts = sum(self._all("advance"), Counts())

    def _finish_level(self) -> str | None:
        """Expand every state of the level. Returns the bound that was hit, if one was."""
        while self._counts.frontier:
            if bound := self._bound():
                if not self._broken():  # else that is the result, and a checkpoint would lose it
                    self._save()
                return bound
            states_max = self._limits.states_max
            left = ROUND_STATES if states_max is None else states_max + 1 - self._counts.states
            replies = self._all("expand", min(ROUND_STATES, left))
            for number, shard in enumerate(self._shards):
                shard.ask("absorb", [packed[number] for _, packed in replies if number in packed])
            for shard in self._shards:
                shard.answer()
            self._counts = sum([counts for counts, _ in replies], Counts())
            self._report(self._total, self._depth, self.seconds)
            if self.seconds - self._saved_at > SAVE_EVERY_SECONDS and not self._broken():
                self._save()
        return None

    def _bound(self) -> str | None:
        limits = self._limits
        if self._interrupted():
            return "interrupted"
        if limits.seconds_max is not None and self._stopwatch.seconds > limits.seconds_max:
            return "seconds"
        if limits.states_max is not None and self._counts.states > limits.states_max:
            return "states"
        return None

    def _broken(self) -> Broken | None:
        found = [broken for found in self._all("broken") for broken in found]
        return min(found, key=lambda broken: (len(broken.trace), broken.trace), default=None)

    @property
    def _total(self) -> Counts:
        counts, before = self._counts, self._before
        return counts + Counts(
            transitions=before.transitions, endings=before.endings, off_target=before.off_target
        )

    def _result(self, *, bound: str | None = None, broken: Broken | None = None) -> ProofResult:
        finding, actions = (None, ()) if broken is None else confirmed(self._proof, broken)
        if self._limits.checkpoint is not None and bound is None:
            self._limits.checkpoint.unlink(missing_ok=True)
        return ProofResult(
            complete=bound is None,
            bound=bound,
            counts=self._total,
            depth=self._depth,
            seconds=self.seconds,
            peak_memory_mb=sum(self._all("memory_kb")) / 1024,
            others=frozenset().union(*self._all("others")),
            finding=finding,
            actions=actions,
        )

    def _all(self, what: str, *arguments: Any) -> list[Any]:
        for shard in self._shards:
            shard.ask(what, *arguments)
        return [shard.answer() for shard in self._shards]

    def _save(self) -> None:
        self._saved_at = self.seconds
        if self._limits.checkpoint is None:
            return
        saved: list[Checkpoint] = self._all("saved")
        whole = Checkpoint(
            depth=self._depth,
            seconds=self.seconds,
            counts=self._total,
            seen=tuple([digest for one in saved for digest in one.seen]),
            sleep_sets={digest: actions for one in saved for digest, actions in one.sleep_sets.items()},
            frontier=tuple([reached for one in saved for reached in one.frontier]),
            coming=tuple([reached for one in saved for reached in one.coming]),
        )
        save(self._limits.checkpoint, self._proof, whole)

    def _resume(self) -> bool:
        path = self._limits.checkpoint
        if path is None or not path.exists():
            return False
        checkpoint = load(path, self._proof)
        try:
            self._all("restore", checkpoint)
        except ValueError as error:
            raise CheckpointError(f"{path}: made by another version of the system: {error}") from None
        self._depth, self._seconds_before = checkpoint.depth, checkpoint.seconds
        self._saved_at = checkpoint.seconds
        self._before = checkpoint.counts
        frontier = len(checkpoint.frontier)
        self._counts = Counts(states=len(checkpoint.seen), frontier=frontier)
        if not frontier:  # the level was finished, and the next not begun
            self._depth += 1
            self._level()
        return True


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """While it is open, SIGINT and SIGTERM ask to stop after the round. A second SIGINT stops at once."""
    if interrupts.listening():
        yield interrupts.received
        return
    asked: list[int] = []

    def ask(number: int, frame: FrameType | None) -> None:
        del frame
        asked.append(number)
        signal.signal(signal.SIGINT, signal.default_int_handler)

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: no signal arrives here
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
