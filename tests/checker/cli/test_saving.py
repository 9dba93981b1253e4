"""What a search finds is saved at once, and the next search does not lose it."""

from functools import cache
from pathlib import Path
from typing import Any

import pytest

from failure_modes.checker.cli import find as cli_find
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.saving import PLACE
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.search import plans
from failure_modes.checker.search.search import Result
from failure_modes.checker.traces.trace_reader import load
from tests.checker.commands import invoke, results_of

QUICK = ("FM_014",)


@cache
def _found() -> Result:
    """The result of one search, made once: what is tested is what becomes of it."""
    return plans.find(failure_mode("FM_014"), 0)


def _twice_as_long() -> Violation:
    """A finding that is not shrunk."""
    result = _found()
    assert result.finding is not None
    return Violation(result.finding, (*result.actions, *result.actions))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands write."""
    monkeypatch.setenv(PLACE, str(tmp_path))
    monkeypatch.setattr(cli_find, "run_search", lambda *_: _found())
    return tmp_path


def _saved(place: Path) -> list[str]:
    return sorted(path.name for path in (place / "found").glob("*.json"))


def test_two_searches_leave_two_traces(place: Path) -> None:
    """Each trace has a name of its own; a trace that is found again is saved once."""
    first = invoke("find", *QUICK)
    (one,) = _saved(place)
    assert f" saved: {place / 'found' / one}" in first.stdout
    invoke("find", *QUICK, "--workers", "1")
    both = _saved(place)
    assert len(both) == 2
    invoke("find", *QUICK)
    assert _saved(place) == both
    assert invoke("replay", str(place / "found" / one)).exit_code == EXIT.AS_EXPECTED


def test_a_trace_is_saved_where_the_option_says_and_never_over_another(place: Path) -> None:
    """A file that exists is refused before the search, and stays as it was."""
    file = place / "mine.json"
    (result,) = results_of(invoke("find", *QUICK, "--save", str(file), "--json"))
    assert result["saved"] == str(file)
    assert load(file).failure_mode == "FM_014"
    before = file.read_bytes()
    for command in (("find", *QUICK, "--seed", "4"), ("explore", "--examples", "5")):
        refused = invoke(*command, "--save", str(file))
        assert refused.exit_code == EXIT.REFUSED
        assert "the file exists" in refused.stderr
    assert file.read_bytes() == before
    assert _saved(place) == []


def test_a_trace_is_saved_before_it_is_shown(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if the output fails, the trace is there."""

    def fails(*_: object) -> None:
        raise OSError("the output cannot be written")

    monkeypatch.setattr(cli_find, "_show", fails)
    assert invoke("find", *QUICK).exit_code == EXIT.REFUSED
    assert len(_saved(place)) == 1


def test_the_first_finding_is_saved_before_it_is_shrunk(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the program is killed while it shrinks, the longer trace stays; else it is replaced."""

    def killed(*arguments: Any) -> Result:
        *_, first = arguments
        first(_twice_as_long())
        assert len(_saved(place)) == 1
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_find, "run_search", killed)
    invoke("find", *QUICK)
    (early,) = _saved(place)
    assert load(place / "found" / early).why.startswith("not shrunk yet: ")

    def ended(*arguments: Any) -> Result:
        *_, first = arguments
        first(_twice_as_long())
        return _found()

    monkeypatch.setattr(cli_find, "run_search", ended)
    invoke("find", *QUICK)
    (left,) = _saved(place)
    assert len(load(place / "found" / left).actions) == len(_found().actions)


def test_a_place_that_cannot_be_written_loses_no_answer(place: Path) -> None:
    """The trace is shown, and a warning says that it is not saved."""
    (place / "found").write_text("a file is in the way")
    result = invoke("find", *QUICK)
    assert result.exit_code == EXIT.AS_EXPECTED
    assert "warning: the trace is not saved" in result.stderr
    assert " saved:" not in result.stdout


def test_find_prints_a_test_and_nothing_else(place: Path) -> None:
    """Standard output is a Python file; the trace is saved all the same."""
    result = invoke("find", *QUICK, "--pytest")
    assert result.stdout.startswith('"""FM_014 silent dead letter breaks INV_005')
    names: dict[str, object] = {}
    exec(compile(result.stdout, "printed.py", "exec"), names)
    assert [name for name in names if name.startswith("test_")] == ["test_fm_014_inv_005"]
    assert len(_saved(place)) == 1
