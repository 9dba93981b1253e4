"""Checkpoints: a proof that was broken off, and is resumed, goes on as if it never had been."""

import os
import pickle
import signal
from itertools import count, cycle
from multiprocessing import active_children
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.scope import Granularity, Scope, guarded
from failure_modes.checker.proof import proving
from failure_modes.checker.proof.checkpoint import Checkpoint, load, save
from failure_modes.checker.proof.parallel import RemoteShard, ShardHandle, ShardLost, ShardServer
from failure_modes.checker.proof.proof import Counts, Proof, Reductions
from failure_modes.checker.proof.proving import Limits, Report, prove
from failure_modes.checker.proof.result import ProofResult

MODE = failure_mode("FM_001")
STATEMENT = Scope(granularity=Granularity.STATEMENT)
GUARDED = Proof(
    scope=Scope(),
    bounds=Bounds(jobs=1, ticks=1, crashes=1),
    fault=guarded,
    reductions=Reductions(sleep=True),
)
BROKEN = evolve(GUARDED, scope=Scope(constraints=False), fault=MODE.fault, target=MODE.target)
"""Without the unique indexes of the schema, which would refuse the second effect."""

PROOFS = {
    "guarded": GUARDED,
    "guarded, by statements": evolve(GUARDED, scope=STATEMENT, bounds=Bounds(jobs=1)),
    "broken": BROKEN,
    "broken, by statements": evolve(
        BROKEN, scope=evolve(STATEMENT, constraints=False), bounds=Bounds(jobs=1, ticks=1)
    ),
}
EACH = pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)


class _Desk:
    """A part in this process, that shares no more with the others than if it had a process of its own."""

    def __init__(self, proof: Proof, number: int, parts: int) -> None:
        self._desk = ShardServer(proof, number, parts)
        self._answer = b""

    def ask(self, what: str, *arguments: Any) -> None:
        self._answer = pickle.dumps(getattr(self._desk, what)(*pickle.loads(pickle.dumps(arguments))))

    def answer(self) -> Any:
        return pickle.loads(self._answer)

    def close(self) -> None:
        self._desk.close()


def _desks(proof: Proof, parts: int) -> list[ShardHandle]:
    return [_Desk(proof, number, parts) for number in range(parts)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the checkpoint is to be, in a folder of its own."""
    return tmp_path / "proof"


@pytest.fixture
def _parts_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """All parts in this process, since a new one takes a second; and no proof is too small for them."""
    monkeypatch.setattr(proving, "shard_handles", _desks)
    monkeypatch.setattr(proving, "SMALL_STATES", 0)


def _came_to(answer: ProofResult) -> tuple[object, ...]:
    """All but what depends on the machine, and on how often a step had to be taken anew."""
    counts = evolve(answer.counts, real_steps=0)
    return answer.complete, answer.bound, counts, answer.depth, answer.finding, answer.actions


def _interrupt(counts: Counts, depth: int, seconds: float) -> None:
    """Ask it to stop, by a real signal. Called after each round."""
    del counts, depth, seconds
    os.kill(os.getpid(), signal.SIGTERM)


def _interrupt_each(rounds: int) -> Report:
    """The same, but only after so many rounds each time."""
    left = count(1)
    return lambda *told: _interrupt(*told) if next(left) % rounds == 0 else None


def _rounds(monkeypatch: pytest.MonkeyPatch, whole: ProofResult, wanted: int) -> None:
    """So many states a round that there are about as many rounds as wanted, or one for each level."""
    monkeypatch.setattr(proving, "ROUND_STATES", whole.counts.states // wanted)


# A proof that is cut off and resumed.


@EACH
def test_a_proof_cut_off_by_its_bound_again_and_again_comes_to_the_same(
    proof: Proof, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a little more of `states_max` each time, the answer in the end is that of one run."""
    whole = prove(proof)
    assert (whole.finding is None) is (proof.fault is guarded)
    _rounds(monkeypatch, whole, 20)
    cuts, states_max = 0, 1
    while True:
        answer = prove(proof, limits=Limits(states_max=states_max, checkpoint=file))
        if answer.complete:
            break
        assert (answer.bound, file.exists()) == ("states", True)
        cuts, states_max = cuts + 1, answer.counts.states + whole.counts.states // 8
    assert cuts >= 5
    assert answer.shortest == whole.shortest
    assert _came_to(answer) == _came_to(whole)
    assert not file.exists()


@EACH
@pytest.mark.usefixtures("_parts_here")
@pytest.mark.parametrize("parts", [(1,), (1, 3, 2, 5)], ids=["one part", "other parts each time"])
def test_a_proof_interrupted_again_and_again_comes_to_the_same(
    proof: Proof, parts: tuple[int, ...], file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many parts it had and has now, it goes on where it was; the least trace stands for a state.

    What is found in a round is the answer at once, so of the last level less may have been seen.
    """
    whole = prove(proof, processes=3)
    _rounds(monkeypatch, whole, 8)
    report = _interrupt_each(1 + whole.depth // 10)
    cuts = 0
    for processes in cycle(parts):
        answer = prove(proof, processes=processes, limits=Limits(checkpoint=file), report=report)
        if answer.complete:
            break
        assert (answer.bound, file.exists()) == ("interrupted", True)
        cuts += 1
    assert cuts >= 5
    assert (answer.shortest, answer.depth) == (whole.shortest, whole.depth)
    if whole.finding is None:
        assert _came_to(answer) == _came_to(whole)
    else:
        assert answer.counts.states <= whole.counts.states
    assert not file.exists()


def test_it_goes_on_from_whatever_was_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also from between two levels: each of its checkpoints leads to the same answer."""
    files: list[Path] = []

    def keep_each(path: Path, proof: Proof, checkpoint: Checkpoint) -> None:
        files.append(path.with_name(f"{len(files)}"))
        save(files[-1], proof, checkpoint)

    whole = prove(GUARDED)
    _rounds(monkeypatch, whole, 12)
    with monkeypatch.context() as saving:
        saving.setattr(proving, "SAVE_EVERY_SECONDS", -1.0)
        saving.setattr(proving, "save", keep_each)
        assert _came_to(prove(GUARDED, limits=Limits(checkpoint=tmp_path / "proof"))) == _came_to(whole)
    depths = [load(file, GUARDED).depth for file in files]
    assert (len(set(depths)), depths) == (whole.depth, sorted(depths))
    assert {bool(load(file, GUARDED).frontier) for file in files} == {True, False}
    for file in files:
        assert _came_to(prove(GUARDED, limits=Limits(checkpoint=file))) == _came_to(whole)


def test_real_processes_save_and_resume(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What two processes were interrupted in one goes on with, and what that leaves two."""
    monkeypatch.setattr(proving, "SMALL_STATES", 0)
    whole = prove(GUARDED)
    _rounds(monkeypatch, whole, 12)
    for processes in (2, 1):
        answer = prove(GUARDED, processes=processes, limits=Limits(checkpoint=file), report=_interrupt)
        assert (answer.bound, file.exists()) == ("interrupted", True)
    assert _came_to(prove(GUARDED, processes=2, limits=Limits(checkpoint=file))) == _came_to(whole)
    assert (active_children(), file.exists()) == ([], False)


# The file.


@pytest.mark.parametrize("proof", [GUARDED, BROKEN], ids=["nothing broke", "something broke"])
def test_the_checkpoint_is_gone_when_the_proof_is_complete(proof: Proof, file: Path) -> None:
    """Once there is an answer there is nothing to go on from."""
    limits = Limits(states_max=50, checkpoint=file)
    assert prove(proof, limits=limits).bound == "states"
    assert file.exists()
    assert prove(proof, limits=evolve(limits, states_max=None)).complete
    assert list(file.parent.iterdir()) == []


@pytest.mark.usefixtures("_parts_here")
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("bound", ["states", "seconds", "interrupted", "depth"])
def test_the_checkpoint_is_kept_whatever_bound_was_hit(
    bound: str, processes: int, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked for a checkpoint can go on, with a higher bound, whichever it was."""
    monkeypatch.setattr(proving, "SMALL_STATES", 2_000)
    proof = evolve(GUARDED, depth_max=4 if bound == "depth" else None)
    limits = Limits(
        states_max=50 if bound == "states" else None,
        seconds_max=1e-9 if bound == "seconds" else None,
        checkpoint=file,
    )
    report = _interrupt if bound == "interrupted" else lambda *_: None
    answer = prove(proof, processes=processes, limits=limits, report=report)
    assert (answer.complete, answer.bound) == (False, bound)
    assert list(file.parent.iterdir()) == [file]


@pytest.mark.parametrize("function", ["write_text", "replace"])
def test_the_checkpoint_is_written_whole_or_not_at_all(
    function: str, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the checkpoint that was there before stays, and nothing lies beside it."""
    write = Path.write_text

    def fail(self: Path, text: str | Path, **options: Any) -> None:
        if isinstance(text, str):
            write(self, text[: len(text) // 2], **options)
        raise OSError(28, "No space left on device", str(self))

    prove(GUARDED, limits=Limits(states_max=50, checkpoint=file))
    before = file.read_text()
    with monkeypatch.context() as full:
        full.setattr(Path, function, fail)
        with pytest.raises(OSError, match="No space left"):
            prove(GUARDED, report=_interrupt, limits=Limits(checkpoint=file))
    assert (list(file.parent.iterdir()), file.read_text()) == ([file], before)


# Processes that die.


def _told(there: RemoteShard) -> None:
    there.answer()


def _asked(there: RemoteShard) -> None:
    there.ask("advance")
    there.answer()


@pytest.mark.parametrize("asked_first", [True, False])
def test_a_process_that_is_killed_is_told_of(asked_first: bool) -> None:
    """Whoever waits for its answer, or asks it anew, hears that it died, and does not wait for ever."""
    there = RemoteShard(GUARDED, 0, 1)
    there.ask("add_first")
    assert there.answer() is None
    (child,) = active_children()
    os.kill(child.pid or 0, signal.SIGSTOP)  # so that it cannot answer before it dies
    try:
        if asked_first:
            there.ask("advance")
        child.kill()
        child.join()
        with pytest.raises(ShardLost, match="a process of the proof died"):
            _told(there) if asked_first else _asked(there)
    finally:
        there.close()
    assert active_children() == []


def test_a_proof_ends_when_a_process_of_it_is_killed(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says so, and the other process ends as well; what was saved before is still there."""
    monkeypatch.setattr(proving, "SMALL_STATES", 0)
    monkeypatch.setattr(proving, "SAVE_EVERY_SECONDS", -1.0)
    monkeypatch.setattr(proving, "ROUND_STATES", 20)

    def kill_one(counts: Counts, depth: int, seconds: float) -> None:
        del counts, seconds
        if depth == 5:
            active_children()[0].kill()

    with pytest.raises(ShardLost, match="a process of the proof died"):
        prove(GUARDED, processes=2, limits=Limits(checkpoint=file), report=kill_one)
    assert (active_children(), load(file, GUARDED).depth) == ([], 4)
