"""The judgement of a run: what was found wrong, and whether that is what the run is after.

There are two oracles, reported apart. A `Divergence` says that the system is not where the model is. A
`Violation` says that an invariant does not hold on what the system did; the model plays no part in it.

A run without a target ends at the first of either. A run whose target is a divergence notes what breaks, and
ends at the divergence. A run with another target looks for one invariant, or for any. It notes a divergence
and goes on without the model. It notes what the target tolerates, and goes on. Any other broken invariant
puts the run off target, and the run is over.
"""

from failure_modes.checker.experiment.findings import Divergence, Finding, Violation
from failure_modes.checker.experiment.scope import PROCESS_OF
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.describe import describe_outcome
from failure_modes.checker.oracle.ledger import Ledger
from failure_modes.checker.oracle.records import Record
from model import invariants
from model.actions import Rollback, actor_of
from model.invariants import INVARIANTS, Ending
from model.load import Load
from model.state import Settings

_ON_CHANGE = tuple([(rule.id, rule.on_change) for rule in INVARIANTS if rule.on_change])
"""The invariants that are judged on each change."""


class Judge:
    """Judges each change and the ending. Reads the ledger to say at which step."""

    def __init__(self, target: Target | None, settings: Settings, ledger: Ledger) -> None:
        self.target = target
        self.diverged: Finding | None = None
        """The first divergence, in a run that looks for an invariant."""
        self.diverged_record: int | None = None
        """The number of the record after which it was seen; the first is 1."""
        self.tolerated: dict[str, Finding] = {}
        """What broke on the way, by its invariant."""
        self.off_target: str | None = None
        """The invariant that broke instead of the target."""
        self.others: set[str] = set()
        """All that broke and was not the target, in every run of this judge: `restore` leaves it."""
        self._settings = settings
        self._ledger = ledger

    def diverge(self, expected: str, got: str) -> None:
        """The system is not where the model is. Raises Divergence unless the run looks for an invariant."""
        finding = Finding(invariant=None, step=self._ledger.step, expected=expected, got=got)
        if self.target is None or self.target.is_divergence:
            raise Divergence(finding, tuple(self._ledger.actions))
        if self.diverged is None:
            self.diverged, self.diverged_record = finding, len(self._ledger.records)

    def judge_change(self, record: Record, load: Load) -> None:
        """Judge what an action did, if it did anything. `load` is what came before it. Raises Violation.

        A rollback is nothing that the queue did: it leads to a state that was judged before.
        """
        if isinstance(record.action, Rollback):
            return
        if not record.events and record.after == record.before:
            return
        name = actor_of(record.action)
        change = invariants.Change(
            before=record.before,
            after=record.after,
            events=record.events,
            actor="time" if name is None else PROCESS_OF.get(name, name),
            at=record.now if record.read_at is None else record.read_at,
            load=load,
            settings=self._settings,
            jobs_seen=record.visibility.jobs_seen,
            asked_at=record.visibility.asked_at,
        )
        breaches = [(name, on_change(change)) for name, on_change in _ON_CHANGE]
        self._judge(breaches, record)

    def judge_ending(self, ending: Ending) -> None:
        """Judge what is left at the end. Raises Violation."""
        self._judge([(rule.id, rule.at_end(ending)) for rule in INVARIANTS if rule.at_end], None)

    def snapshot(self) -> Finding | None:
        """What the future depends on: the divergence. A run that is off target has no future."""
        return self.diverged

    def restore(self, diverged: Finding | None) -> None:
        """Go on from there."""
        self.diverged, self.diverged_record, self.off_target = diverged, None, None
        self.tolerated.clear()

    def _judge(self, breaches: list[tuple[str, str | None]], record: Record | None) -> None:
        broken = {invariant: text for invariant, text in breaches if text}
        if not broken:
            return
        first = next(iter(broken))
        target = self.target
        invariant = first if target is None or target.is_any_invariant else target.invariant
        if invariant is None or invariant not in broken:
            assert target is not None, "without a target any invariant ends the run"
            self._note_others(broken, target)
            return
        expected = describe_outcome(record.model) if record and record.model and not self.diverged else ""
        finding = Finding(
            invariant=invariant, step=self._ledger.step, expected=expected, got=broken[invariant]
        )
        raise Violation(finding, tuple(self._ledger.actions))

    def _note_others(self, broken: dict[str, str], target: Target) -> None:
        """Note what broke on the way. What the target does not tolerate puts the run off target."""
        for invariant, text in broken.items():
            if invariant not in target.tolerates:
                self.off_target = self.off_target or invariant
            finding = Finding(invariant=invariant, step=self._ledger.step, expected="", got=text)
            self.tolerated.setdefault(invariant, finding)
            self.others.add(invariant)
