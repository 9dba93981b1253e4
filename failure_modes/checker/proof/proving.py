"""A proof from beginning to end: level by level, until no state is left, something breaks, or a bound is hit.

The answer never says just "ok": it is `complete`, or it names the bound. A violation is run again from the
start by the plain lock-step before anyone hears of it.
"""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from attrs import evolve, frozen

from failure_modes.checker.experiment.canonical import canonical
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.oracle.run_actions import attempt
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.checkpoint import Checkpoint, CheckpointError, load, save
from failure_modes.checker.proof.explorer import Broken, Counts, Proof
from failure_modes.checker.proof.parallel import Hand, hands
from failure_modes.checker.support import interrupts
from failure_modes.checker.support.errors import CheckerError
from model.actions import Action
from system.clock import Stopwatch

ROUND_STATES = 5_000
"""States that each part goes on from before it is asked how far it has come."""

SAVE_EVERY_SECONDS = 30.0

SMALL_STATES = 500
"""A space with fewer states than this is done before other processes would have started."""


class Disagreement(CheckerError):
    """The explorer found what the plain lock-step does not: one of them is wrong, and nothing is proved."""


@frozen(kw_only=True)
class Answer:
    """What a proof came to.

    `complete`: every reachable state was checked, or a shortest violation was found. Else `bound` says what
    it was stopped by: `depth`, `seconds`, `states` or `interrupted`. `depth` is the number of levels that
    were finished; no trace up to that length breaks anything that was not found.
    """

    complete: bool
    bound: str | None
    counts: Counts
    depth: int
    seconds: float
    peak_memory_mb: float
    finding: Finding | None = None
    actions: tuple[Action, ...] = ()

    @property
    def shortest(self) -> int | None:
        """The length of the shortest violation."""
        return len(self.actions) if self.finding else None

    def as_json(self) -> dict[str, Any]:
        """One object that says it all."""
        return {
            "complete": self.complete,
            "bound": self.bound,
            "states": self.counts.states,
            "transitions": self.counts.transitions,
            "depth": self.depth,
            "seconds": round(self.seconds, 3),
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "shortest": self.shortest,
            "breaks": self.finding.invariant if self.finding else None,
        }


@frozen(kw_only=True)
class Limits:
    """When to stop early, and where to keep how far it has come."""

    seconds_max: float | None = None
    states_max: int | None = None
    checkpoint: Path | None = None


Report = Callable[[Counts, int, float], None]
"""Called after each round with the counts, the depth and the seconds."""


def _silent(counts: Counts, depth: int, seconds: float) -> None:
    """Show nothing."""
    del counts, depth, seconds


def prove(
    proof: Proof, *, processes: int = 1, limits: Limits | None = None, report: Report = _silent
) -> Answer:
    """Explore until complete, broken, or stopped.

    With several processes a space that turns out to be small is done in this one. Raises CheckpointError,
    Disagreement, PartLost, Unexplorable.
    """
    limits = limits or Limits()
    with _interruptible() as interrupted:
        if limits.checkpoint is not None and not limits.checkpoint.absolute().parent.is_dir():
            raise CheckpointError(f"{limits.checkpoint}: there is no folder to keep it in")
        if processes > 1 and limits.checkpoint is None:
            few = evolve(limits, states_max=min(SMALL_STATES, limits.states_max or SMALL_STATES))
            answer = _run(proof, 1, few, report, interrupted)
            if answer.bound != "states" or limits.states_max == few.states_max:
                return answer
        return _run(proof, processes, limits, report, interrupted)


def _run(
    proof: Proof, processes: int, limits: Limits, report: Report, interrupted: Callable[[], bool]
) -> Answer:
    crew = hands(proof, processes)
    try:
        return _Course(proof, crew, limits, report, interrupted).run()
    finally:
        for hand in crew:
            hand.close()


class _Course:
    """One proof on its way."""

    def __init__(
        self, proof: Proof, crew: list[Hand], limits: Limits, report: Report, interrupted: Callable[[], bool]
    ) -> None:
        self._proof = proof
        self._crew = crew
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

    def run(self) -> Answer:
        if not self._resume():
            self._all("begin")
            self._level()
        while True:
            if broken := self._broken():
                return self._answer(broken=broken)
            if not self._counts.frontier:
                return self._answer()
            if self._proof.depth_max is not None and self._depth >= self._proof.depth_max:
                self._save()
                return self._answer(bound="depth")
            bound = self._finish_level()
            if bound and not self._broken():
                return self._answer(bound=bound)
            self._depth += 1
            if broken := self._broken():
                return self._answer(broken=broken)
            self._level()

    def _level(self) -> None:
        self._counts = sum(self._all("advance"), Counts())

    def _finish_level(self) -> str | None:
        """Go on from every state of the level. Returns the bound that was hit, if one was."""
        while self._counts.frontier:
            if bound := self._bound():
                if not self._broken():  # else that is the answer, and a checkpoint would forget it
                    self._save()
                return bound
            states_max = self._limits.states_max
            left = ROUND_STATES if states_max is None else states_max + 1 - self._counts.states
            replies = self._all("expand", min(ROUND_STATES, left))
            for part, hand in enumerate(self._crew):
                hand.ask("absorb", [packed[part] for _, packed in replies if part in packed])
            for hand in self._crew:
                hand.answer()
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
        found = [broken for part in self._all("broken") for broken in part]
        return min(found, key=lambda broken: (len(broken.trace), broken.trace), default=None)

    @property
    def _total(self) -> Counts:
        counts, before = self._counts, self._before
        return counts + Counts(transitions=before.transitions, endings=before.endings, asides=before.asides)

    def _answer(self, *, bound: str | None = None, broken: Broken | None = None) -> Answer:
        finding, actions = (None, ()) if broken is None else self._confirmed(broken)
        if self._limits.checkpoint is not None and bound is None:
            self._limits.checkpoint.unlink(missing_ok=True)
        return Answer(
            complete=bound is None,
            bound=bound,
            counts=self._total,
            depth=self._depth,
            seconds=self.seconds,
            peak_memory_mb=sum(self._all("memory_kb")) / 1024,
            finding=finding,
            actions=actions,
        )

    def _confirmed(self, broken: Broken) -> tuple[Finding, tuple[Action, ...]]:
        """The violation, found again by the plain lock-step from the start; under canonical names if it can.

        The liveness run schedules workers in the order of their names, so there the names may matter.
        """
        proof = self._proof
        alphabet = Alphabet(proof.scope, proof.bounds)
        plain = tuple([alphabet.actions[number] for number in broken.trace])
        for actions in (canonical(plain), plain):
            again = attempt(proof.scope, proof.swap, proof.hunted, actions)
            same = again is not None and again.finding.invariant == broken.finding.invariant
            if again is not None and same and again.actions == actions:
                return again.finding, actions
        raise Disagreement(
            f"the explorer found {broken.finding.invariant}: {broken.finding.got}, by {plain}; run from the "
            f"start it gives {again}"
        )

    def _all(self, what: str, *arguments: Any) -> list[Any]:
        for hand in self._crew:
            hand.ask(what, *arguments)
        return [hand.answer() for hand in self._crew]

    def _save(self) -> None:
        self._saved_at = self.seconds
        if self._limits.checkpoint is None:
            return
        parts: list[Checkpoint] = self._all("saved")
        whole = Checkpoint(
            depth=self._depth,
            seconds=self.seconds,
            counts=self._total,
            seen=tuple([digest for part in parts for digest in part.seen]),
            sleepers={digest: actions for part in parts for digest, actions in part.sleepers.items()},
            frontier=tuple([reached for part in parts for reached in part.frontier]),
            coming=tuple([reached for part in parts for reached in part.coming]),
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
    """While it lasts, SIGINT and SIGTERM ask to stop after the round; a second SIGINT stops at once."""
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
    except ValueError:  # not in the main thread: whoever runs us there stops us in another way
        before = {}
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
