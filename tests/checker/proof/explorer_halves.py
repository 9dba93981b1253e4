"""The halves of the explorer, and how to take each of them out: see `test_explorer_halves.py`.

A half of a fingerprint is taken out of each state before the fingerprint is taken. A half of a footprint is
taken out after an action was seen.
"""

from collections.abc import Callable
from hashlib import blake2b
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.oracle.lockstep import Snapshot
from failure_modes.checker.proof import explorer, successors
from failure_modes.checker.proof.explorer import ReachedState, Shard
from failure_modes.checker.proof.fingerprint import Fingerprint, Fingerprints, Renaming
from failure_modes.checker.proof.footprint import Footprint

Patch = Callable[[pytest.MonkeyPatch], None]


def without(strip: Callable[[Snapshot], Snapshot]) -> Patch:
    """Fingerprints of states without what `strip` takes away."""
    usual = Fingerprints.taken
    kept: list[Snapshot] = []

    def taken(self: Fingerprints, snapshot: Snapshot) -> Any:
        kept.append(strip(snapshot))  # a fingerprint knows parts by their ids, so each must stay
        return usual(self, kept[-1])

    return lambda monkeypatch: monkeypatch.setattr(Fingerprints, "taken", taken)


def without_of_processes(**values: Any) -> Patch:
    """Each process that is not at rest has these values."""

    def strip(snapshot: Snapshot) -> Snapshot:
        processes = [one if one.at_rest else evolve(one, **values) for one in snapshot.system.processes]
        return evolve(snapshot, system=evolve(snapshot.system, processes=tuple(processes)))

    return without(strip)


def without_table(name: str) -> Patch:
    """The table has no rows."""

    def strip(snapshot: Snapshot) -> Snapshot:
        content = tuple([(table, () if table == name else rows) for table, rows in snapshot.system.content])
        return evolve(snapshot, system=evolve(snapshot.system, content=content))

    return without(strip)


def without_faults(snapshot: Snapshot) -> Snapshot:
    """The ledger knows of no fault."""
    return evolve(snapshot, ledger=evolve(snapshot.ledger, faults=()))


def without_extra(snapshot: Snapshot) -> Snapshot:
    """Nothing lies at a server: no open transaction has an age there, and no dead process a statement."""
    return evolve(snapshot, system=evolve(snapshot.system, extra=()))


def without_changed_at(snapshot: Snapshot) -> Snapshot:
    """The last change is always now."""
    state = snapshot.state
    changed = None if state is None else evolve(state, changed_at=snapshot.system.now)
    return evolve(snapshot, state=changed)


def _memory(snapshot: Snapshot, renaming: Renaming) -> str:
    """Where each worker is paused, and what the model remembers of it, in the order of the renaming."""
    found = []
    for at, name in enumerate(renaming):
        process = snapshot.system.processes[at]
        place = None if process.at_rest else (process.at, process.in_transaction, process.current_job)
        known = None if snapshot.state is None else evolve(snapshot.state.workers[at], name="")
        found.append((renaming[name], place, known))
    return repr(sorted(found, key=lambda one: one[0]))


def with_memories(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fingerprint has the place of each worker, too, and what the model remembers of it."""
    usual = Fingerprints.taken

    def taken(self: Fingerprints, snapshot: Snapshot) -> Fingerprint:
        found = usual(self, snapshot)
        least = min([_memory(snapshot, renaming) for renaming in found.renamings])
        fits = [renaming for renaming in found.renamings if _memory(snapshot, renaming) == least]
        digest = blake2b(found.base + least.encode(), digest_size=len(found.base)).digest()
        return Fingerprint(digest, tuple(fits))

    monkeypatch.setattr(Fingerprints, "taken", taken)


def with_stale_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fingerprint has the workers that work, and whose execution a rollback has lost, too."""
    usual = Fingerprints.taken

    def taken(self: Fingerprints, snapshot: Snapshot) -> Fingerprint:
        found, processes = usual(self, snapshot), snapshot.system.processes
        working = [name for name, one in zip(self.renamings[0], processes, strict=False) if not one.at_rest]
        stale = [name for name in working if name in snapshot.ledger.stale]
        texts = [repr(sorted([renaming[name] for name in stale])) for renaming in found.renamings]
        fits = [one for one, text in zip(found.renamings, texts, strict=True) if text == min(texts)]
        digest = blake2b(found.base + min(texts).encode(), digest_size=len(found.base)).digest()
        return Fingerprint(digest, tuple(fits))

    monkeypatch.setattr(Fingerprints, "taken", taken)


def without_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is spent is no part of a state."""
    monkeypatch.setattr(Fingerprints, "with_spent", lambda _, base, __: base)


def without_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """All times are equal."""
    usual_row: Any = vars(Fingerprints)["_row"]
    usual_init: Any = Fingerprints.__init__

    def timeless(self: Any, columns: Any, row: Any, *others: Any) -> Any:
        names = columns or ("",) * len(row)
        values = [None if name in self._times else value for name, value in zip(names, row, strict=True)]
        return usual_row(self, columns, tuple(values), *others)

    def begin(self: Any, *arguments: Any, **options: Any) -> None:
        usual_init(self, *arguments, **options)
        self._are_times = {}

    monkeypatch.setattr(Fingerprints, "_row", timeless)
    monkeypatch.setattr(Fingerprints, "__init__", begin)


def without_of_footprints(**values: Any) -> Patch:
    """The footprint of each move has these values."""
    usual = successors.of_move

    def of_move(*arguments: Any, **options: Any) -> Footprint:
        return evolve(usual(*arguments, **options), **values)

    return lambda monkeypatch: monkeypatch.setattr(successors, "of_move", of_move)


def ticks_touch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footprint of a tick does not move the clock."""
    monkeypatch.setattr(successors, "UNSEEN", Footprint(None))


def crashes_touch_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footprint of a crash has no reads, and releases no lock."""
    monkeypatch.setattr(successors, "of_crash", lambda name, **_: Footprint(name))


def crashes_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The footprint of a crash has no reads."""
    monkeypatch.setattr(successors, "of_crash", lambda name, *, held: Footprint(name, moves_lock=held))


def expands_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that is reached again with a smaller sleep set is not expanded again."""
    usual = Shard.absorb

    def absorb(self: Shard, states: Any) -> None:
        usual(self, [state for state in states if state.digest not in self.seen])

    monkeypatch.setattr(Shard, "absorb", absorb)


def keeps_first_sleep_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a state that is reached twice in a level, the sleep set of one way is taken."""

    def least(one: ReachedState, _: ReachedState) -> ReachedState:
        return one

    monkeypatch.setattr(explorer, "_both", least)


def resumes_without(part: str) -> Patch:
    """A checkpoint is resumed without one of its parts."""
    usual = Shard.resume

    def resume(self: Shard, seen: Any, frontier: Any, coming: Any) -> None:
        parts: dict[str, Any] = {"seen": seen, "frontier": frontier, "coming": coming}
        parts[part] = {} if part == "seen" else []
        usual(self, **parts)

    return lambda monkeypatch: monkeypatch.setattr(Shard, "resume", resume)
