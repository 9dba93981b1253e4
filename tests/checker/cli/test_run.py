"""The command `run`: the four commands for a failure mode, in one process and with one exit code."""

import re
import shlex
from collections.abc import Callable

import click
import pytest

from failure_modes.checker.cli import run as cli_run
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import Verdict, output
from failure_modes.checker.cli.paths import NOX, command_line
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.support.errors import NotInstalled
from failure_modes.checker.traces.database import kept
from tests.checker.commands import ROOT, invoke, object_of, quickest, results_of

MODE = quickest()
NAMED = f"{MODE.id} {MODE.title}"


def test_each_stage_has_a_heading_and_the_last_line_the_answer() -> None:
    """Find, prevent, prove and replay, in this order; each kept trace has a line for each system."""
    result = invoke("run", MODE.id)
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    headings = re.findall(rf"^== {MODE.id} (\w+): ", result.stdout, re.MULTILINE)
    assert headings == ["find", "prevent", "prove", "replay"]
    for path, _ in kept(MODE):
        assert f" {path.name}: breaks INV_" in result.stdout
        assert f" {path.name}, guarded: holds\n" in result.stdout
    assert re.fullmatch(rf"{NAMED}: as expected; \d+ s", result.stdout.splitlines()[-1])


def _calls(code: EXIT = EXIT.AS_EXPECTED, length: int = MODE.expected.shortest) -> Callable[..., EXIT]:
    """In place of the commands that `run` calls: each adds a result, and ends with that code."""

    def call(called: click.Command, name: str, *_: str) -> EXIT:
        output().add(
            Verdict.BROKEN, failure_mode=name, target=MODE.breaks, length=length, command=called.name
        )
        return code

    return call


def test_the_json_has_the_results_of_every_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each result says its stage."""
    monkeypatch.setattr(cli_run, "_call", _calls())
    results = results_of(invoke("run", MODE.id, "--json"))
    stages = [result["stage"] for result in results]
    assert stages == ["find", "prevent", "prove", *["replay"] * 2 * len(kept(MODE))]
    assert [result["command"] for result in results[:3]] == stages[:3]


def test_a_stage_that_is_not_as_expected_is_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst exit code is that of the run, every stage is run, and the last line says which are wrong."""
    codes = {"find": EXIT.AS_EXPECTED, "prevent": EXIT.INCONCLUSIVE, "prove": EXIT.NOT_AS_EXPECTED}
    monkeypatch.setattr(cli_run, "_call", lambda called, *_: codes[called.name])
    result = invoke("run", MODE.id)
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    said = f"{NAMED}: prevent inconclusive, prove not as expected; "
    assert result.stdout.splitlines()[-1].startswith(said)
    assert f"== {MODE.id} replay: " in result.stdout


def test_a_search_that_ends_at_a_longer_trace_is_not_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scenario says how short the shortest is; a search that stops before it is a defect."""
    monkeypatch.setattr(cli_run, "_call", _calls(length=MODE.expected.shortest + 1))
    result = invoke("run", MODE.id)
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    ends = f"shortest={MODE.expected.shortest}, but the search ends at {MODE.expected.shortest + 1}"
    assert f" different from its scenario.py: {ends}\n" in result.stdout
    assert result.stdout.splitlines()[-1].startswith(f"{NAMED}: find not as expected; ")


def test_without_a_name_all_are_run_with_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure mode that does not happen on that store says so, and is no failure."""
    monkeypatch.setattr(cli_run, "_call", lambda *_: EXIT.AS_EXPECTED)
    monkeypatch.setattr(cli_run, "_replay", lambda *_: EXIT.AS_EXPECTED)
    result = invoke("run", "--store", "sqlite")
    lines = result.stdout.splitlines()
    assert result.exit_code == EXIT.AS_EXPECTED
    assert [line[:6] for line in lines] == [mode.id for mode in catalogue()]
    assert "FM_018 unlocked read: does not happen on sqlite: " in result.stdout


def test_what_is_not_installed_is_said_and_the_next_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a server the failure modes on other stores still have an answer."""

    def call(_: object, name: str, *__: str) -> EXIT:
        if name == "FM_018":
            raise NotInstalled("there is no server")
        return EXIT.AS_EXPECTED

    monkeypatch.setattr(cli_run, "_call", call)
    monkeypatch.setattr(cli_run, "_replay", lambda *_: EXIT.AS_EXPECTED)
    result = invoke("run", "FM_018", MODE.id)
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert result.stderr == "error: FM_018 unlocked read: there is no server\n"
    assert result.stdout.splitlines()[-1].startswith(f"{NAMED}: as expected; ")
    assert object_of(invoke("run", "FM_018", "--json"))["verdict"] is None


def test_a_printed_command_is_one_that_its_reader_can_type(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a session of nox it is a session, for nothing else may be installed. Words are quoted."""
    assert command_line("find", "FM_001", "--seed", "0") == "python -m failure_modes find FM_001 --seed 0"
    monkeypatch.setenv(NOX, "1")
    assert command_line("find", "FM_001", "--seed", "0") == "nox -s find -- FM_001 --seed 0"
    assert command_line("replay", "a b.json") == "nox -s replay -- 'a b.json'"


def test_a_printed_command_does_the_same_again() -> None:
    """The command that `find` prints is a command, and prints the same trace."""
    first = invoke("find", MODE.id, "--seed", "1", "--weight", "crash=2")
    (line,) = [line for line in first.stdout.splitlines() if line.startswith(" replay: ")]
    again = invoke(*shlex.split(line.removeprefix(" replay: python -m failure_modes ")))
    assert again.stdout.splitlines()[:-1] == first.stdout.splitlines()[:-1]


def test_a_session_passes_its_options_on() -> None:
    """No session reads an option; a session of a failure mode runs one command in the light environment."""
    text = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    assert not re.search(r"posargs\[|\bin session\.posargs", text)
    assert '_checker(session, "run", identity, *session.posargs, environment=_environment_of(name))' in text
