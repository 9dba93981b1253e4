"""A store with gaps in its ids: states that differ only in gaps are equal, unless the system uses the ids."""

from pathlib import Path

import pytest
from attrs import evolve, frozen

from failure_modes.checker.experiment.scope import Scope, guarded
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.ledger import LedgerSnapshot
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.proof.fingerprint import Fingerprints
from failure_modes.checker.subject.worlds import world_of
from model.actions import Enqueue
from model.state import Settings
from system.policies import Idempotency
from system.policies.idempotency import Accepted
from system.queue import Queue
from system.store import Store


@frozen
class BurnsAnId(Idempotency):
    """An enqueue of a known key uses up an id."""

    def accept(
        self, store: Store, *, key: str | None, payload_json: str, attempts_max: int, actor: str
    ) -> Accepted:
        """Find the job as usual; but a duplicate first tries an insert that is ignored."""
        with store.transaction() as tx:
            tx._rows(  # type: ignore[attr-defined]  # noqa: SLF001
                "INSERT OR IGNORE INTO jobs (id, key, payload, attempts_max, enqueued_at)"
                " SELECT NULL, key, payload, attempts_max, enqueued_at FROM jobs WHERE key = ?",
                key,
            )
        return super().accept(
            store, key=key, payload_json=payload_json, attempts_max=attempts_max, actor=actor
        )


def burning(queue: Queue) -> Queue:
    """A queue whose ids have gaps."""
    return evolve(queue, policies=evolve(queue.policies, idempotency=BurnsAnId()))


def _fingerprint(settings: Settings, *keys: str) -> tuple[bytes, tuple[int, ...]]:
    scope = Scope(workers=1, settings=settings)
    world = world_of(scope, burning, restorable=True)
    with Lockstep(scope, burning, target=Target("INV_001"), world=world) as lockstep:
        for key in keys:
            lockstep.apply(Enqueue(key=key))
            while not lockstep.rests("producer"):
                lockstep.apply(Enqueue(key=key))
        there = evolve(lockstep.snapshot(), ledger=LedgerSnapshot(), state=None)
        digest, _ = Fingerprints(scope, world.content.columns(), world.subject.layout, symmetry=True).of(
            there
        )
        return digest, tuple([row[0] for row in dict(there.system.content)["jobs"]])


@pytest.mark.parametrize(
    ("settings", "one"),
    [(Settings(), True), (Settings(jitter_seed=1), False), (Settings(external=True), False)],
    ids=["only compared", "jitter", "external keys"],
)
def test_ids_are_compared_exactly_if_the_system_uses_them(settings: Settings, *, one: bool) -> None:
    """Jobs 1 and 3 have the same future as jobs 1 and 2 only if the system just compares ids."""
    late, late_ids = _fingerprint(settings, "k1", "k2", "k2")
    early, early_ids = _fingerprint(settings, "k1", "k1", "k2")
    assert late_ids != early_ids
    assert (late == early) is one


def test_a_world_does_not_remove_a_database_of_another() -> None:
    """The world of a child process does not remove the file of its parent."""
    parent = world_of(Scope(), guarded)
    file = Path(parent.database.location)
    child = world_of(Scope(), guarded, path=file)
    child.close()
    assert file.exists()
    parent.close()
    assert not file.exists()
