"""The command line of the checker: what it prints, what it exits with, and what it keeps."""

import json
import re
from pathlib import Path

import pytest

from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.experiment.catalogue import failure_mode
from failure_modes.checker.experiment.strategy import ACTION_NAMES
from failure_modes.checker.search import statistics as counting
from failure_modes.checker.search.search import Search
from failure_modes.checker.search.search import run as run_search
from failure_modes.checker.search.statistics import SearchStatistics
from failure_modes.checker.traces.database import all_kept, kept
from failure_modes.checker.traces.trace import FORMAT, to_json
from failure_modes.checker.traces.trace_reader import load
from tests.checker.commands import found, invoke, results_of, run
from tests.checker.sample_traces import SMALL_TEXT

MODE = failure_mode("FM_001")
KEPT = [path for path, _ in all_kept()]
TIMES = {"seconds_to_first", "seconds_total"}
ABOUT = {"verdict", "failure_mode", "target", "store"}
KEYS = {*ABOUT, "found", "breaks", "examples", "steps", *TIMES, "length", "trace", "sometimes", "saved"}


# find


def test_finding_the_break_is_as_expected() -> None:
    """The break is printed as a run that can be repeated, and the exit code is 0."""
    result = found()
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("FM_001 duplicate retry breaks INV_001 (effect at most once)      sqlite · ")
    assert sum(line.startswith(">") for line in lines) == 1
    assert lines[-3] == " replay: python -m failure_modes find FM_001 --seed 0"
    assert lines[-2].startswith(" saved: ")
    assert re.fullmatch(r" found in \d+ states after \d+\.\d s; no shorter trace exists in them", lines[-1])


@pytest.mark.parametrize("driver", ["hypothesis", "walk"])
def test_a_driver_that_draws_can_be_asked_for(driver: str) -> None:
    """It says in which example it found the break, and the command that repeats it names it."""
    lines = found("--driver", driver).stdout.splitlines()
    assert lines[-3] == f" replay: python -m failure_modes find FM_001 --seed 0 --driver {driver}"
    assert re.match(r" found in example \d+ after \d+\.\d s, shrunk after \d+\.\d s", lines[-1])


def test_the_explorer_alone_searches_within_the_bounds() -> None:
    """A tuned search has tuned bounds. What is in none of these states may lie beyond them."""
    (line,) = found("--driver", "explore", "--weight", "tick=0").stdout.splitlines()
    said = "FM_001 duplicate retry: INV_001 did not break in [0-9,]+ states; "
    assert re.fullmatch(f"{said}these are all states in the bounds of its scenario.py; .+", line)
    refused = invoke("find", "FM_001", "--diverges", "--driver", "explore")
    assert (refused.exit_code, refused.stdout) == (EXIT.REFUSED, "")


def test_the_options_of_a_search_are_in_the_command_that_repeats_it() -> None:
    """The printed command finds the same again: it carries what the search was tuned to."""
    options = ("--seed", "3", "--steps", "30", "--jobs", "2", "--workers", "1", "--weight", "crash=1")
    result = found(*options)
    assert result.exit_code == EXIT.AS_EXPECTED
    tuned = "--seed 3 --steps 30 --jobs 2 --workers 1 --weight Crash=1"
    assert f" replay: python -m failure_modes find FM_001 {tuned}\n" in result.stdout


def test_the_same_seed_finds_the_same() -> None:
    """Two searches that differ in nothing print the same run."""
    first, second = found().stdout, invoke("find", "FM_001", "--seed", "0").stdout
    assert first.splitlines()[:-1] == second.splitlines()[:-1]


def test_finding_nothing_is_not_as_expected() -> None:
    """Without time no lease runs out: nothing breaks, and the exit code is 1."""
    result = invoke("find", "FM_001", "--weight", "Tick=0", "--examples", "30")
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert result.stdout == (
        "FM_001 duplicate retry: INV_001 did not break in 30 examples; try more --steps or --examples\n"
    )


def test_running_out_of_time_is_an_answer_of_its_own() -> None:
    """A search that was stopped by its bound of time says so, and exits with 3."""
    result = invoke("find", "FM_001", "--seconds", "0.000001")
    assert result.exit_code == EXIT.INCONCLUSIVE
    assert result.stdout.startswith("FM_001 duplicate retry: INV_001 did not break in ")


class _Watch:
    """A stopwatch that stands still, until it is set."""

    seconds = 0.0


def test_what_was_found_is_kept_when_the_time_runs_out_before_it_is_short(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A bound that is hit while a finding is made shorter leaves the finding, and says that it was hit."""
    monkeypatch.setattr(counting, "Stopwatch", _Watch)
    search = Search(
        scope=MODE.scope,
        strategy=MODE.strategy,
        fault=MODE.fault,
        target=MODE.target,
        seed=0,
        examples=5_000,
        seconds_max=1.0,
    )

    def time_is_over_once_something_is_found(statistics: SearchStatistics) -> None:
        if statistics.seconds_to_first is not None:
            setattr(statistics.stopwatch, "seconds", 2.0)  # noqa: B010 (a real one cannot be set)

    result = run_search(search, time_is_over_once_something_is_found)
    assert result.finding is not None
    assert result.finding.invariant == "INV_001"
    assert result.finding.step == len(result.actions)
    assert result.stopped_early


@pytest.mark.parametrize("name", ["FM_001", "fm_001", "fm1", "1", "001", "FM_001_duplicate_retry"])
def test_a_failure_mode_goes_by_many_names(name: str) -> None:
    """Its id, its number and its folder all mean the same failure mode."""
    result = invoke("find", name, "--weight", "Tick=0", "--examples", "1")
    assert result.stdout.startswith("FM_001 duplicate retry: ")


# find --json


def test_the_json_of_a_find_has_exactly_its_keys() -> None:
    """One object on one line, with the finding and what the search met; nothing else is on the output."""
    result = found("--driver", "walk", "--json")
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    (said,) = results_of(result)
    assert set(said) == KEYS
    assert (said["verdict"], said["found"], said["breaks"]) == ("broken", True, "INV_001")
    assert said["length"] == len(said["trace"]["actions"])
    assert said["examples"] >= 1
    assert said["steps"] >= said["length"]
    assert 0 <= said["seconds_to_first"] <= said["seconds_total"]
    assert said["sometimes"]["a lease expired"] >= 1


def test_the_trace_in_the_json_is_a_trace(tmp_path: Path) -> None:
    """Written to a file it can be loaded, and replayed, and breaks what it says."""
    (said,) = results_of(found("--json"))
    file = tmp_path / "trace.json"
    file.write_text(json.dumps(said["trace"]))
    trace = load(file)
    assert json.loads(to_json(trace)) == said["trace"]
    assert (trace.failure_mode, trace.breaks.invariant) == ("FM_001", said["breaks"])
    assert (said["trace"]["format"], trace.why) == (FORMAT, "job-1 has 2 effects")
    assert invoke("replay", str(file)).exit_code == EXIT.AS_EXPECTED


def test_the_json_of_nothing_found_has_the_same_keys() -> None:
    """Where nothing was found the keys of a finding are null."""
    result = invoke("find", "FM_001", "--json", "--weight", "Tick=0", "--examples", "30")
    (said,) = results_of(result)
    assert result.exit_code == EXIT.NOT_AS_EXPECTED
    assert set(said) == KEYS
    assert (said["verdict"], said["found"]) == ("held", False)
    assert 30 <= said["examples"] < 60, "what the engine tries beside the examples is counted too"
    assert {said[key] for key in ("breaks", "seconds_to_first", "length", "trace")} == {None}


# find --keep


def test_a_kept_trace_is_in_the_folder_and_can_be_replayed(folder: Path) -> None:
    """The trace is kept under its name, with its reason, and the output says how to replay it."""
    result = invoke("find", "FM_001", "--keep", "twice", "--why", "Because.")
    path = folder / "traces" / "twice.json"
    assert result.exit_code == EXIT.AS_EXPECTED
    assert f" replay: python -m failure_modes replay {path}\n" in result.stdout
    assert result.stdout.endswith(f" kept: {path}\n")
    assert [file.name for file in (folder / "traces").iterdir()] == ["twice.json"]
    trace = load(path)
    assert path.read_text(encoding="utf-8") == to_json(trace)
    assert (trace.failure_mode, trace.why) == ("FM_001", "Because.")
    assert kept(failure_mode("FM_001")) == ((path, trace),)
    for options in ((), ("--guarded",)):
        assert invoke("replay", str(path), *options).exit_code == EXIT.AS_EXPECTED


def test_json_stays_json_when_the_trace_is_kept(folder: Path) -> None:
    """Where it was kept goes to standard error, so that the output is still one object."""
    result = invoke("find", "FM_001", "--json", "--keep", "twice")
    assert results_of(result)[0]["found"] is True
    assert result.stderr == f" kept: {folder / 'traces' / 'twice.json'}\n"


def test_the_same_violation_is_not_kept_twice(folder: Path) -> None:
    """A violation that is kept already is refused under any name, and what is there stays as it is."""
    one = folder / "traces" / "one.json"
    one.parent.mkdir()
    before = json.dumps(results_of(found("--json"))[0]["trace"])
    one.write_text(before)
    result = invoke("find", "FM_001", "--keep", "two")
    assert result.exit_code == EXIT.REFUSED
    assert (
        result.stderr
        == "error: one.json already keeps the same violation; to rename it, remove that file first\n"
    )
    assert list(one.parent.iterdir()) == [one]
    assert one.read_text() == before


def test_a_name_that_is_taken_is_refused(folder: Path) -> None:
    """Another violation under the same name does not replace the one that is there."""
    (folder / "traces").mkdir()
    taken = folder / "traces" / "taken.json"
    taken.write_text(SMALL_TEXT)
    result = invoke("find", "FM_001", "--keep", "taken")
    assert result.exit_code == EXIT.REFUSED
    assert result.stderr == (
        "error: --keep taken: there is already a trace of that name; choose another name\n"
    )
    assert result.stdout == ""
    assert taken.read_text() == SMALL_TEXT


@pytest.mark.parametrize("name", ["../up", "a b", "Name", "_a", "a.json", "ä", "a\n", "x" * 81])
def test_a_bad_name_is_refused_before_the_search(folder: Path, name: str) -> None:
    """A name that could be anything but a file in the folder is refused, and nothing is written."""
    result = invoke("find", "FM_001", "--keep", name)
    assert (result.exit_code, result.stdout) == (EXIT.REFUSED, "")
    assert (
        result.stderr == f"error: {name!r} cannot be the name of a trace; use small letters, digits and _\n"
    )
    assert not list(folder.iterdir())


# list, replay


def test_the_list_names_each_failure_mode_and_each_kept_trace() -> None:
    """A line for the failure mode, then a line for each of its traces."""
    result = invoke("list")
    assert result.exit_code == EXIT.AS_EXPECTED
    lines = result.stdout.splitlines()
    head = "FM_001  duplicate retry: breaks INV_001, prevented by commit boundary"
    first = lines.index(head)
    traces = kept(MODE)
    assert lines[first + 1 : first + 1 + len(traces)] == [
        f"        {path.name}  {len(trace.actions)} steps, {trace.scope.granularity}"
        for path, trace in traces
    ]


def test_prevention_says_what_was_met() -> None:
    """The fix holds, and what it guards against was reached: exit code 0."""
    result = invoke("prevent", "FM_001", "--examples", "200", "--steps", "40")
    assert (result.exit_code, result.stderr) == (EXIT.AS_EXPECTED, "")
    assert result.stdout.startswith("FM_001 duplicate retry: prevented by commit boundary; 2")
    for name in MODE.expected.must_reach:
        assert name in result.stdout


def test_prevention_that_met_nothing_proves_nothing() -> None:
    """A guarded search that never reached the danger says what it missed, and exits with 3."""
    result = invoke("prevent", "FM_001", "--examples", "20", "--weight", "Tick=0", "--json")
    (said,) = results_of(result)
    assert (result.exit_code, said["verdict"]) == (EXIT.INCONCLUSIVE, "inconclusive")
    assert set(said) == {*KEYS, "unreached"}
    assert said["unreached"] == list(MODE.expected.must_reach)
    missed = f"never reached: {', '.join(MODE.expected.must_reach)}; so the search proves nothing: "
    assert result.stderr == (
        f"{missed}try more --examples, or a higher --weight of the actions that lead there\n"
    )


def test_exploring_says_what_was_reached() -> None:
    """A free hunt on the guarded system finds nothing, and counts its states, actions and outcomes."""
    result = invoke("explore", "--examples", "30", "--json")
    (said,) = results_of(result)
    assert (result.exit_code, said["verdict"]) == (EXIT.AS_EXPECTED, "held")
    more = {"actions", "outcomes", "distinct_states", "examples_since_new_state", "unreached"}
    assert set(said) == (KEYS - {"failure_mode", "target"}) | more
    assert set(said["actions"]) <= set(ACTION_NAMES)
    assert 1 <= said["distinct_states"] <= said["steps"]
    assert 0 <= said["examples_since_new_state"] < said["examples"]


# As a process.


def test_a_process_exits_with_the_code_and_colours_nothing() -> None:
    """Also as `python -m failure_modes`, even where colours are wanted, the output to a pipe is plain."""
    for arguments, code in (
        (("find", "FM_017", "--seed", "1"), EXIT.AS_EXPECTED),
        (("find", "FM_001", "--weight", "Tick=0", "--examples", "30"), EXIT.NOT_AS_EXPECTED),
        (("find", "FM_999"), EXIT.REFUSED),
        (("find", "FM_001", "--seconds", "0.000001"), EXIT.INCONCLUSIVE),
        (("replay", str(KEPT[0])), EXIT.AS_EXPECTED),
    ):
        completed = run(*arguments, TERM="xterm-256color", COLORTERM="truecolor")
        assert completed.returncode == code, completed
        assert "\x1b" not in completed.stdout + completed.stderr
        assert "Traceback" not in completed.stderr


def test_the_exit_codes_are_in_the_help() -> None:
    """The help says what each of the five codes means."""
    text = " ".join(invoke("--help").stdout.split())
    assert "Exit codes: 0 as expected; 1 not as expected: an unexpected violation" in text
    for code in EXIT:
        assert f"{code.value} " in text
