"""Due times and fairness, broken on purpose: INV_007 or INV_008 sees it, and no other invariant does."""

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Scope
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.proof.result import ProofResult
from model.invariants import INVARIANTS
from system.sqlite import SQLiteTransaction
from system.store import Job
from tests.checker.oracle.test_breakages import EarlyLease, transactions
from tests.checker.oracle.test_due_order import LatestRetryFirst, NewestFirst, NewJobsFirst

SCOPE = Scope(workers=1)
TWO_JOBS = Bounds(jobs=2)


class Starves(SQLiteTransaction):
    """The first job never gets its turn while there is another."""

    def next_available(self, *, retries: bool) -> Job | None:
        """Take another job, if one is due."""
        found = super().next_available(retries=retries)
        if found is None or found.id != 1:
            return found
        others = [job for job in self._due() if job.id != 1]
        return others[0] if others else found

    def _due(self) -> list[Job]:
        ids = self._rows("SELECT id FROM jobs WHERE NOT timed AND available_at IS NOT NULL ORDER BY id")
        return [self.job(row[0]) for row in ids]


@frozen
class Broken:
    """A mistake, the invariant that it breaks, and the shortest trace in these bounds."""

    kind: type[SQLiteTransaction]
    invariant: str
    bounds: Bounds
    shortest: int
    tick_seconds: float = 30


BROKEN = {
    "a retry is leased a millisecond early": Broken(
        EarlyLease, "INV_007", Bounds(jobs=1, failures=1, ticks=1), 6, 0.999
    ),
    "the newest job comes first": Broken(NewestFirst, "INV_008", TWO_JOBS, 3),
    "one job is starved": Broken(Starves, "INV_008", TWO_JOBS, 3),
    "new jobs come before retries": Broken(
        NewJobsFirst, "INV_008", Bounds(jobs=2, failures=1, ticks=1), 7, 1
    ),
    "the latest retry comes first": Broken(
        LatestRetryFirst, "INV_008", Bounds(jobs=2, failures=2, ticks=2), 11, 1
    ),
}


def _proved(broken: Broken, target: Target) -> ProofResult:
    scope = evolve(SCOPE, tick_seconds=(broken.tick_seconds,))
    proof = Proof(scope=scope, bounds=broken.bounds, fault=transactions(broken.kind), target=target)
    answer = prove(proof)
    assert answer.complete
    return answer


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_the_invariant_sees_it_by_a_shortest_trace(broken: Broken) -> None:
    """The invariant breaks at the first lease that is early or out of turn."""
    answer = _proved(broken, Target(broken.invariant))
    assert answer.finding is not None
    assert (answer.finding.invariant, answer.shortest) == (broken.invariant, broken.shortest)


@pytest.mark.parametrize("broken", BROKEN.values(), ids=list(BROKEN))
def test_no_other_invariant_sees_it(broken: Broken) -> None:
    """On that trace, and in the liveness run after it, every other invariant holds."""
    actions = _proved(broken, Target(broken.invariant)).actions
    for rule in INVARIANTS:
        if rule.id != broken.invariant:
            target = Target(rule.id, (broken.invariant,))
            run = Lockstep(SCOPE, transactions(broken.kind), target=target)
            played = play(run, actions, ending=True)
            assert (played.found, run.over, played.skipped) == (None, False, ()), rule.id
            assert broken.invariant in run.judge.tolerated, rule.id
