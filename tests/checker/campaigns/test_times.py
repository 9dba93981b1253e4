"""What is measured of a failure mode is kept in its folder: how long its session takes, and its searches."""

import json
from pathlib import Path

import pytest
from attrs import evolve

from failure_modes.checker.campaigns.measurements import (
    Measurements,
    SeedResults,
    file_of,
    keep,
    measurements_of,
)
from failure_modes.checker.cli import seeds as cli_seeds
from failure_modes.checker.cli import times as cli_times
from failure_modes.checker.experiment.catalogue import FailureMode, catalogue, failure_mode
from tests.checker.commands import invoke

SEARCHED = SeedResults(seeds=12, found=12, lengths=(8,), first=3, last=9)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run; none of them really is."""
    commands: list[tuple[str, ...]] = []

    def run(arguments: tuple[str, ...]) -> int:
        commands.append(arguments)
        return 0

    monkeypatch.setattr(cli_times, "_run", run)
    return commands


@pytest.fixture
def mode_id(folder: Path) -> str:
    """The failure mode whose folder is elsewhere."""
    return folder.name[:6]


def test_all_that_the_session_runs_is_timed(ran: list[tuple[str, ...]], mode_id: str, folder: Path) -> None:
    """The command that the session runs; its time is kept."""
    result = invoke("times", mode_id)
    assert (result.exit_code, result.stdout.startswith(f"{mode_id} ")) == (0, True)
    assert ran == [("run", mode_id)]
    assert list(json.loads((folder / "measured.json").read_text())) == ["session_seconds"]


def test_a_session_that_goes_wrong_or_takes_too_long_is_told(
    ran: list[tuple[str, ...]], mode_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, whichever it is."""
    monkeypatch.setattr(cli_times, "SECONDS_MAX", 0)
    assert invoke("times", mode_id).exit_code == 1
    monkeypatch.setattr(cli_times, "SECONDS_MAX", 30)
    monkeypatch.setattr(cli_times, "_run", lambda _: 3)
    result = invoke("times", mode_id)
    assert result.exit_code == 1
    assert "exit code 3 (wrong)" in result.stdout
    assert ran


def test_what_was_searched_is_kept_beside_the_time(mode_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each invariant has its searches, and a later command asks for at least as many seeds."""
    keep(failure_mode(mode_id), Measurements(session_seconds=2.5, searched={"INV_001": SEARCHED}))
    asked: list[int] = []

    def search(_: object, seeds: int, *__: object) -> SeedResults:
        asked.append(seeds)
        return SEARCHED

    monkeypatch.setattr(cli_seeds, "search", search)
    invoke("seeds", mode_id)
    mode = failure_mode(mode_id)
    before = SEARCHED.seeds if mode.breaks == "INV_001" else cli_seeds.SEEDS_MIN
    assert asked[0] == before
    known = measurements_of(mode)
    assert known.session_seconds == 2.5
    assert tuple(known.searched) == mode.invariants


@pytest.mark.parametrize("mode", catalogue(), ids=lambda mode: mode.id)
def test_what_is_kept_is_written_as_it_was_read(mode: FailureMode, tmp_path: Path) -> None:
    """The file of each failure mode is in the one form there is."""
    moved = evolve(mode, folder=tmp_path)
    keep(moved, measurements_of(mode))
    assert file_of(moved).read_text() == file_of(mode).read_text()


def test_an_invariant_that_is_no_longer_broken_is_left_out(mode_id: str) -> None:
    """What was measured of it is of no use to anybody."""
    mode = failure_mode(mode_id)
    keep(mode, Measurements(searched={"INV_999": SEARCHED}))
    assert measurements_of(mode) == Measurements()


def test_a_failure_mode_that_was_not_measured_has_no_time(mode_id: str) -> None:
    """The index says so, and names the command."""
    assert measurements_of(failure_mode(mode_id)) == Measurements()
