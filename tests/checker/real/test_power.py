"""Losses of power: what the store acknowledged is there, and what other settings acknowledge is not."""

from functools import partial

import pytest

from failure_modes.checker.cli import power as cli_power
from failure_modes.checker.experiment.bounds import Bounds
from failure_modes.checker.experiment.scope import Fault, Granularity, Scope, guarded
from failure_modes.checker.experiment.strategy import UNRESTRICTED
from failure_modes.checker.experiment.target import Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.sometimes import OF_POWER
from failure_modes.checker.proof.alphabet import Alphabet
from failure_modes.checker.proof.proof import Proof
from failure_modes.checker.proof.proving import prove
from failure_modes.checker.real.power import STORE, Setting, check_images
from failure_modes.checker.search.search import Search, run
from failure_modes.checker.simulation.disk import vfs, volatile
from failure_modes.checker.simulation.disk.operations import Operation, Sync, SyncFolder
from failure_modes.checker.simulation.disk.vfs import require
from failure_modes.checker.simulation.disk.volatile import Disk
from failure_modes.checker.subject.pragmas import with_pragmas
from model.actions import Action, Enqueue, PowerLoss, Step
from system.queue import Queue
from tests.checker.commands import invoke, results_of

require()

POWER = Scope(power_loss=True)
COMMITTED: tuple[Action, ...] = (Enqueue(key="k1"), *[Step(worker="A")] * 3, PowerLoss())


def _kept_as(queue: Queue, journal: str, synchronous: str) -> Queue:
    return with_pragmas(queue, f"journal_mode = {journal}", f"synchronous = {synchronous}")


def kept_as(journal: str, synchronous: str) -> Fault:
    """The queue whose database SQLite keeps so."""
    return partial(_kept_as, journal=journal, synchronous=synchronous)


def test_nothing_that_the_store_acknowledged_is_lost() -> None:
    """In any image after any operation; with the log copied back, and with something at risk."""
    looked = check_images(STORE, 1, steps=30)
    assert (looked.lost, looked.corrupt, looked.violations, looked.first_problem) == (0, 0, (), "")
    assert looked.checkpoints > 0
    assert looked.at_risk > 100
    assert looked.distinct > 100
    assert looked.recovered > 5


@pytest.mark.parametrize(
    ("journal", "synchronous", "corrupts"),
    [("WAL", "OFF", True), ("WAL", "NORMAL", False), ("DELETE", "FULL", False)],
)
def test_other_settings_lose_what_they_acknowledged(journal: str, synchronous: str, corrupts: bool) -> None:
    """SQLite's own default among them; not all of them corrupt the database."""
    looked = check_images(Setting(journal=journal, synchronous=synchronous), 1, steps=16)
    assert looked.lost > 0
    assert (looked.corrupt > 0) is corrupts
    assert looked.first_problem.startswith("seed 1, after operation ")


@pytest.mark.parametrize("deaf_to", [Sync, SyncFolder])
def test_a_disk_that_does_not_do_as_it_is_told_is_noticed(
    deaf_to: type[Operation], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even with the store's settings: so each kind of sync is needed, and what is not there is missed."""
    does = Disk.after

    def after(disk: Disk, operation: Operation) -> Disk:
        return disk if isinstance(operation, deaf_to) else does(disk, operation)

    monkeypatch.setattr(volatile.Disk, "after", after)
    assert check_images(STORE, 1, steps=12).lost > 0


def test_the_same_seed_gives_the_same_images() -> None:
    """Nothing but the seed decides what is looked at."""
    assert check_images(STORE, 2, steps=8) == check_images(STORE, 2, steps=8)


def test_power_is_lost_only_where_the_disk_is_watched() -> None:
    """Elsewhere it cannot happen, and no proof may ask for it."""
    with Lockstep(Scope()) as lockstep:
        assert not lockstep.possible(PowerLoss())
    with Lockstep(POWER) as lockstep:
        assert lockstep.possible(PowerLoss())
    with pytest.raises(ValueError, match="only be lost in a scope in which the disk is watched"):
        Alphabet(Scope(), Bounds(power_losses=1))


@pytest.mark.parametrize("granularity", Granularity)
def test_a_free_search_finds_nothing_on_the_guarded_system(granularity: Granularity) -> None:
    """Whatever power interrupts, at each granularity; and power was lost."""
    strategy = UNRESTRICTED.weighted("PowerLoss", 1)
    scope = Scope(power_loss=True, granularity=granularity).with_each_tick()
    result = run(Search(scope=scope, strategy=strategy, fault=guarded, target=None, seed=1, examples=40))
    assert result.finding is None
    assert result.statistics.sometimes[OF_POWER] > 10


@pytest.mark.parametrize("settings", [("WAL", "OFF"), ("WAL", "NORMAL"), ("DELETE", "FULL")])
def test_a_free_search_finds_what_is_lost(settings: tuple[str, str]) -> None:
    """Without being told what to look for."""
    strategy = UNRESTRICTED.weighted("PowerLoss", 1)
    result = run(
        Search(
            scope=Scope(power_loss=True).with_each_tick(),
            strategy=strategy,
            fault=kept_as(*settings),
            target=None,
            seed=1,
            examples=100,
        )
    )
    assert result.finding is not None
    assert result.actions == (Enqueue(key="k1"), PowerLoss())


@pytest.mark.parametrize("granularity", Granularity)
def test_every_state_is_put_back_with_its_disk(granularity: Granularity) -> None:
    """A proof finds the loss that needs a commit after a synced one, and none with the store's settings."""
    scope = Scope(power_loss=True, workers=1, granularity=granularity)
    bounds = Bounds(jobs=1, power_losses=1)
    broken = prove(
        Proof(scope=scope, bounds=bounds, fault=kept_as("DELETE", "FULL"), target=Target("INV_003"))
    )
    right = prove(Proof(scope=scope, bounds=bounds, fault=kept_as("DELETE", "EXTRA")))
    store = prove(Proof(scope=scope, bounds=bounds, fault=guarded))
    assert broken.actions[-1] == PowerLoss()
    assert right.finding is store.finding is None
    assert right.complete
    assert store.complete
    assert right.counts == store.counts


def test_a_commit_that_power_takes_back_is_told() -> None:
    """The rows go back, and the text says how; with the store's settings nothing changes."""
    with Lockstep(POWER) as lockstep:
        for action in COMMITTED:
            record = lockstep.apply(action)
        assert record.before == record.after
        assert len(record.after.effects) == 1
    trace = "failure_modes/FM_017_reborn_journal/traces/commit_undone.json"
    assert "exec-1: IN_PROGRESS -> COMMITTED" in invoke("replay", trace).stdout
    assert "exec-1: COMMITTED -> IN_PROGRESS" in invoke("replay", trace).stdout


@pytest.mark.parametrize(
    "command",
    [
        ("power",),
        ("find", "FM_015"),
        ("prevent", "FM_015"),
        ("prove", "FM_015"),
        ("prove", "--power-losses", "1"),
        ("explore", "--weight", "PowerLoss=1", "--processes", "1"),
        ("replay", "failure_modes/FM_015_lost_write/traces/acknowledged_then_gone.json"),
    ],
)
def test_where_nothing_can_be_watched_the_reason_is_said(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line, with the exit code of a question that has no answer; and a test is skipped with it."""

    def library(path: str) -> object:
        del path
        return object()

    monkeypatch.setattr(vfs, "_known", [])
    monkeypatch.setattr("ctypes.CDLL", library)
    said = invoke(*command)
    assert (said.exit_code, said.stdout) == (3, "")
    assert said.stderr == "error: the functions of SQLite are not visible in this Python\n"


def test_the_command_says_what_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON: each setting with its numbers; exit code 0, for the store loses nothing and others do."""
    monkeypatch.setattr(cli_power, "SETTINGS", (Setting(journal="WAL", synchronous="NORMAL"), STORE))
    result = invoke("power", "--images", "300", "--seed", "1", "--steps", "30", "--json")
    assert result.exit_code == 0
    settings = {(one["journal"], one["synchronous"]): one for one in results_of(result)}
    assert settings["WAL", "FULL"]["lost"] == 0 < settings["WAL", "NORMAL"]["lost"]
