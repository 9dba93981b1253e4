"""How long the session of a failure mode takes: measured by running it, and told when it goes wrong."""

import json
from pathlib import Path

import pytest

from failure_modes.checker.campaigns import times as seconds
from failure_modes.checker.cli import times as cli_times
from tests.checker.commands import invoke


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """The commands that were run; none of them really is. What is kept is kept elsewhere."""
    commands: list[tuple[str, ...]] = []

    def run(arguments: tuple[str, ...]) -> int:
        commands.append(arguments)
        return 0

    monkeypatch.setattr(cli_times, "_run", run)
    monkeypatch.setattr(seconds, "FILE", tmp_path / "seconds.json")
    return commands


def test_all_that_the_session_runs_is_timed(ran: list[tuple[str, ...]], tmp_path: Path) -> None:
    """The command that `nox -s fm5` runs; its time is kept."""
    result = invoke("times", "FM_005")
    assert (result.exit_code, result.stdout.startswith("FM_005 lost job: 0.")) == (0, True)
    assert ran == [("run", "FM_005")]
    assert list(json.loads((tmp_path / "seconds.json").read_text())) == ["FM_005"]


def test_a_session_that_goes_wrong_or_takes_too_long_is_told(
    ran: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1, whichever it is."""
    monkeypatch.setattr(cli_times, "SECONDS_MAX", 0)
    assert invoke("times", "FM_005").exit_code == 1
    monkeypatch.setattr(cli_times, "SECONDS_MAX", 30)
    monkeypatch.setattr(cli_times, "_run", lambda _: 3)
    result = invoke("times", "FM_005")
    assert result.exit_code == 1
    assert "exit code 3 (wrong)" in result.stdout
    assert ran


def test_a_failure_mode_that_was_not_measured_has_no_time(ran: list[tuple[str, ...]]) -> None:
    """The index says so, and names the command."""
    assert seconds.measured().get("FM_099") is None
    assert not ran
