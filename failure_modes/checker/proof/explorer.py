"""Every reachable state in a scope, breadth first, on the real system in lock-step with the model.

A level holds the states that are first reached by so many actions. It is finished before the next begins,
so the first violation is a shortest one, and an empty level means that every reachable state was checked.

States are shared out by their fingerprint among *parts*, each with a world of its own (one a process: see
`parallel.py`). Which trace stands for a state, and so every count, does not depend on how many there are.

An action *sleeps* where trying it would only lead to a state that is reached in another order (sleep sets,
Patrice Godefroid, LNCS 1032, 1996). A state that is met again with fewer actions asleep is gone on from, by
those actions (Godefroid, Holzmann, Pirottin: "State-space caching revisited", 1995).
"""

from collections.abc import Iterable
from functools import cache

from attrs import asdict, evolve, field, frozen, validators

from failure_modes.checker.experiment.bounds import NOTHING_SPENT, Bounds, Spent
from failure_modes.checker.experiment.findings import Finding
from failure_modes.checker.experiment.scope import Granularity, Scope, StoreKind, Swap
from failure_modes.checker.experiment.target import Hunt, needs_ending
from failure_modes.checker.oracle.footprint import Footprint, independent
from failure_modes.checker.oracle.records import Ends, Snapshot
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.fingerprint import HOME_BYTES, Renaming
from failure_modes.checker.proof.successors import Walker
from model.actions import Action, Crash, Fail, Heartbeat, Step
from system.clock import Stopwatch

ROUND_SECONDS = 2.0
"""How long a part goes on, about, before it says how far it has come."""


@frozen(kw_only=True)
class Reductions:
    """What need not be tried, each with a switch: none changes what is found, nor how short it is."""

    symmetry: bool = True
    """Workers are interchangeable."""
    sleep: bool | None = None
    """Independent actions are tried in one order only. None: at granularity `statement`, where it pays."""
    answers: bool = True
    """Of an operation of the queue that came back, a process remembers the answer only."""
    memory: bool = True
    """A step that was taken in a state with the same store, time and process is not taken again."""


@frozen(kw_only=True)
class Proof:
    """What is to be proved: in which scope, within which bounds, of which system."""

    scope: Scope
    bounds: Bounds
    swap: Swap
    hunted: Hunt | None = None
    reductions: Reductions = field(factory=Reductions)
    depth_max: int | None = field(default=None, validator=validators.optional(validators.ge(1)))

    @property
    def sleeps(self) -> bool:
        """Whether independent actions are tried in one order only.

        Not under limits: what is counted of late is no row, and no footprint tells of it. Nor where power may
        be lost: what the disk was told to keep is no row either. Nor on PostgreSQL: nor is who holds which.
        """
        settings = self.scope.settings
        if self.scope.power_loss or self.scope.store is not StoreKind.SQLITE:
            return False
        if settings.retries_max is not None or settings.failures_max is not None:
            return False
        exact = self.scope.granularity is Granularity.STATEMENT
        return exact if self.reductions.sleep is None else self.reductions.sleep


@frozen(kw_only=True)
class Broken:
    """A violation: the numbers of its actions in the alphabet, and what was found."""

    trace: bytes
    finding: Finding


@frozen(kw_only=True)
class Candidate:
    """A state that was reached, and may be new. `asleep` are the actions that need not be tried from it."""

    digest: bytes
    base: bytes
    """The digest without what is spent."""
    trace: bytes
    there: Snapshot
    spent: Spent
    asleep: dict[Action, Footprint]
    renaming: Renaming
    only: frozenset[Action] | None = None
    """The actions to try, if this state was gone on from before; in the names of the fingerprint."""

    @property
    def sleepers(self) -> frozenset[Action]:
        """The actions that sleep, in the names of the fingerprint."""
        return frozenset([renamed(action, self.renaming) for action in self.asleep])


@frozen(kw_only=True)
class Counts:
    """How far a part has come; their sum is how far all have."""

    states: int = 0
    transitions: int = 0
    real_steps: int = 0
    frontier: int = 0
    endings: int = 0
    asides: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(**{name: getattr(self, name) + value for name, value in asdict(other).items()})


def owner(digest: bytes, parts: int) -> int:
    """The part that a state belongs to; all that share a store are together, and share what is remembered."""
    return int.from_bytes(digest[:HOME_BYTES], "big") % parts


class Part:
    """The states of one part, and the world that they are tried in."""

    def __init__(self, proof: Proof, number: int = 0, parts: int = 1) -> None:
        self.proof = proof
        self.alphabet = Alphabet(proof.scope, proof.bounds)
        self.seen: dict[bytes, frozenset[Action]] = {}
        """The states gone on from, or about to be, and which of their actions sleep."""
        self.frontier: list[Candidate] = []
        """What is left to go on from in this level; the next is last."""
        self.coming: dict[bytes, Candidate] = {}
        self.broken: list[Broken] = []
        self.transitions = self.endings = self.asides = 0
        self.number = number
        self._parts = parts
        switches = proof.reductions
        self._walker = Walker(
            proof.scope,
            proof.swap,
            proof.hunted,
            symmetry=switches.symmetry,
            memory=switches.memory,
            answers=switches.answers,
            footprints=proof.sleeps,
        )
        self._sleeps = proof.sleeps
        self._judges_endings = needs_ending(proof.hunted)

    def close(self) -> None:
        """Let go of the world."""
        self._walker.close()

    @property
    def counts(self) -> Counts:
        """How far it has come."""
        return Counts(
            states=len(self.seen),
            transitions=self.transitions,
            real_steps=self._walker.real_steps,
            frontier=len(self.frontier),
            endings=self.endings,
            asides=self.asides,
        )

    def begin(self) -> None:
        """Take in the first state, if it is this part's."""
        first = self._candidate(self._walker.start, NOTHING_SPENT, b"", {})
        if owner(first.digest, self._parts) == self.number:
            self.absorb([first])

    def take(self, candidates: Iterable[Candidate]) -> None:
        """Take in what another part has reached."""
        self.absorb([evolve(c, there=self._walker.own(c.there)) for c in candidates])

    def absorb(self, candidates: Iterable[Candidate]) -> None:
        """Take in states of this part that were reached; of equal ones the least trace stands for all."""
        for candidate in candidates:
            known = self.coming.get(candidate.digest)
            if known is not None:
                least, other = (known, candidate) if known.trace <= candidate.trace else (candidate, known)
                self.coming[candidate.digest] = _both(least, other)
            elif candidate.digest not in self.seen or self.seen[candidate.digest] - candidate.sleepers:
                self.coming[candidate.digest] = candidate

    def advance(self) -> None:
        """Begin the next level: judge the states that are new, and make ready to go on from them."""
        level: list[Candidate] = []
        for candidate in sorted(self.coming.values(), key=lambda reached: reached.trace):
            before = self.seen.get(candidate.digest)
            if before is None:
                self.seen[candidate.digest] = candidate.sleepers
                self._judge_ending(candidate)
                level.append(candidate)
            else:
                self.seen[candidate.digest] = before & candidate.sleepers
                level.append(evolve(candidate, only=before - candidate.sleepers))
        self.coming.clear()
        self.frontier = level[::-1]

    def expand(self, most: int) -> dict[int, list[Candidate]]:
        """Go on from so many states at most. Takes in what is its own; returns what is of other parts."""
        reached: dict[int, dict[bytes, Candidate]] = {}
        stopwatch = Stopwatch()  # it says when to come up for air, and no result depends on that
        for _ in range(min(most, len(self.frontier))):
            if stopwatch.seconds > ROUND_SECONDS:
                break
            for candidate in self._successors(self.frontier.pop()):
                mine = reached.setdefault(owner(candidate.digest, self._parts), {})
                known = mine.get(candidate.digest)
                mine[candidate.digest] = candidate if known is None else _both(known, candidate)
        self.absorb(reached.pop(self.number, {}).values())
        return {part: list(candidates.values()) for part, candidates in reached.items()}

    def put_back(self, trace: bytes, asleep: Iterable[Action]) -> Candidate:
        """The state that the trace leads to, taken step by step. Raises ValueError if it leads nowhere."""
        there, spent = self._walker.start, NOTHING_SPENT
        for number in trace:
            if number >= len(self.alphabet.actions):
                raise ValueError(f"there is no action {number}")
            action = self.alphabet.actions[number]
            possible = dict(self.alphabet.possible(there.standings, spent))
            change = self._walker.step(there, action) if action in possible else None
            if change is None or isinstance(change, Ends):
                raise ValueError(f"action {number} cannot happen")
            there, spent = self._walker.after(there, action, change), possible[action]
        footprints = {}
        now_possible = dict(self.alphabet.possible(there.standings, spent))
        for action in asleep:
            change = self._walker.step(there, action) if action in now_possible else None
            if change is None or isinstance(change, Ends):
                raise ValueError(f"{action} cannot sleep there")
            footprints[action] = change.footprint
        return self._candidate(there, spent, trace, footprints)

    def _successors(self, state: Candidate) -> list[Candidate]:
        walker, found = self._walker, []
        asleep = dict(state.asleep)
        for action, spent in self.alphabet.possible(state.there.standings, state.spent):
            if action in state.asleep:
                continue
            if state.only is not None and renamed(action, state.renaming) not in state.only:
                continue
            self.transitions += 1
            trace = state.trace + bytes([self.alphabet.index[action]])
            change = walker.step(state.there, action)
            if isinstance(change, Ends):
                self._note(change, trace)
                continue
            there = walker.after(state.there, action, change)
            still = {}
            if self._sleeps:
                kind = self.alphabet.kind(action, state.spent)
                for other, footprint in asleep.items():
                    shares = kind and kind == self.alphabet.kind(other, state.spent)
                    if not shares and independent(footprint, change.footprint):
                        still[other] = footprint
                asleep[action] = change.footprint
            found.append(self._candidate(there, spent, trace, still))
        return found

    def _candidate(
        self, there: Snapshot, spent: Spent, trace: bytes, asleep: dict[Action, Footprint]
    ) -> Candidate:
        base, renaming = self._walker.fingerprints.of(there)
        return Candidate(
            digest=self._walker.fingerprints.with_spent(base, spent),
            base=base,
            trace=trace,
            there=there,
            spent=spent,
            asleep=asleep,
            renaming=renaming,
        )

    def _judge_ending(self, candidate: Candidate) -> None:
        if not self._judges_endings:
            return
        self.endings += 1
        for ends, names in self._walker.endings(candidate.there, candidate.base, candidate.renaming):
            actions = [renamed(self.alphabet.actions[number], names) for number in candidate.trace]
            self._note(ends, bytes([self.alphabet.index[action] for action in actions]))

    def _note(self, ends: Ends, trace: bytes) -> None:
        if ends.finding is None:
            self.asides += 1
        else:
            self.broken.append(Broken(trace=trace, finding=ends.finding))


def renamed(action: Action, names: Renaming) -> Action:
    """The action under other names of the workers."""
    if isinstance(action, Step | Crash | Fail | Heartbeat) and action.worker in names:
        return _moving(action, names[action.worker])
    return action


@cache
def _moving(action: Step | Crash | Fail | Heartbeat, worker: str) -> Action:
    return evolve(action, worker=worker)


def _both(least: Candidate, other: Candidate) -> Candidate:
    """One state that was reached twice at the same level: what sleeps must sleep in both."""
    if not least.asleep:
        return least
    kept = other.sleepers
    asleep = {
        action: footprint
        for action, footprint in least.asleep.items()
        if renamed(action, least.renaming) in kept
    }
    return evolve(least, asleep=asleep)
