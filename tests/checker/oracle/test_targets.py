"""What a run is after: one invariant, and those that may break on the way to it."""

import re
from pathlib import Path

import pytest

from failure_modes.checker.cli.exits import EXIT, worst
from failure_modes.checker.experiment.catalogue import catalogue, failure_mode
from failure_modes.checker.experiment.findings import Violation
from failure_modes.checker.experiment.target import ANY_INVARIANT, DIVERGENCE, Target
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run import play
from failure_modes.checker.search import search as searching
from failure_modes.checker.search.examples import TimeLimitReached
from failure_modes.checker.search.minimise import Shortest
from failure_modes.checker.search.plans import guards_of
from failure_modes.checker.testing import prove_broken, prove_guarded
from failure_modes.checker.traces.database import kept
from failure_modes.checker.traces.trace_reader import load
from tests.checker.commands import invoke, results_of
from tests.checker.torn_recovery import TORN_RECOVERY, in_catalogue

TORN = failure_mode("FM_002")
DONE_TWICE = next(trace for path, trace in kept(TORN) if path.stem == "done_twice")


def _broken_at(hunt: Target) -> tuple[int | None, str | None, list[str]]:
    """At which step of the trace the hunt ends, which other invariant ended it, and what was gone past."""
    with Lockstep(DONE_TWICE.scope, TORN.fault, target=hunt) as lockstep:
        try:
            for action in DONE_TWICE.actions:
                lockstep.apply(action)
                if lockstep.over:
                    break
        except Violation as violation:
            return violation.finding.step, None, list(lockstep.judge.tolerated)
        return None, lockstep.judge.off_target, list(lockstep.judge.tolerated)


def test_what_may_break_on_the_way_does_not_end_the_run() -> None:
    """The effect without a record stands at step 4, and the second effect at step 8."""
    assert _broken_at(Target("INV_002")) == (4, None, [])
    assert _broken_at(Target("INV_001", ("INV_002",))) == (8, None, ["INV_002"])


def test_what_may_not_break_on_the_way_ends_the_run() -> None:
    """A run that breaks another invariant than it hunts, or may go past, is no use."""
    assert _broken_at(Target("INV_001"))[:2] == (None, "INV_002")
    assert _broken_at(Target("INV_001", ("INV_003",)))[:2] == (None, "INV_002")


def test_any_invariant_is_the_first_one_that_breaks() -> None:
    """The run goes on after a divergence, which is no break, and ends at the first invariant."""
    assert _broken_at(ANY_INVARIANT) == (4, None, [])
    assert not ANY_INVARIANT.is_divergence
    assert DIVERGENCE.is_divergence
    diverging = failure_mode("FM_001")
    (trace,) = [one for path, one in kept(diverging) if path.stem == "both_commit_after_the_lease_ran_out"]
    with Lockstep(trace.scope, diverging.fault, target=ANY_INVARIANT) as lockstep:
        played = play(lockstep, trace.actions, ending=False)
        diverged = lockstep.judge.diverged
    assert played.found is not None
    assert played.found.finding.invariant == "INV_001"
    assert diverged is not None
    assert diverged.step == 7


@pytest.mark.parametrize(
    ("invariant", "past", "why"),
    [
        ("INV_009", (), "there is no invariant 'INV_009'"),
        ("INV_001", ("INV_002", "nothing"), "there is no invariant 'nothing'"),
        ("INV_001", ("INV_001",), "INV_001 is the target, and a target does not tolerate itself"),
        ("INV_005", ("INV_003",), "INV_005 cannot tolerate INV_003"),
    ],
)
def test_a_hunt_that_makes_no_sense_is_refused(invariant: str, past: tuple[str, ...], why: str) -> None:
    """The error says what is wrong with it."""
    with pytest.raises(ValueError, match=why):
        Target(invariant, past)


def test_each_thing_that_a_failure_mode_breaks_is_kept() -> None:
    """For each invariant that a scenario names there is a trace that breaks it."""
    for mode in catalogue():
        broken = [trace.breaks.invariant for _, trace in kept(mode)]
        assert [one.breaks for one in mode.each if one.breaks not in broken] == [], mode.id


@pytest.mark.parametrize(
    ("mode_id", "breaks"),
    [(mode.id, one.breaks) for mode in catalogue() for one in mode.each[1:]],
)
def test_what_a_scenario_says_of_what_else_it_breaks_is_so(mode_id: str, breaks: str) -> None:
    """Its shortest length, and the states with the fault put right: also where they are its first one's."""
    prove_broken(mode_id, breaks=breaks)
    prove_guarded(mode_id, breaks=breaks)


def test_a_fault_put_right_is_asked_for_once() -> None:
    """What a failure mode breaks in one scope has one guard; a scope of its own has one of its own."""
    assert [one.breaks for one in guards_of(TORN_RECOVERY)] == ["INV_003"]
    assert [one.breaks for one in guards_of(TORN)] == ["INV_002", "INV_001"]
    assert [one.breaks for one in guards_of(failure_mode("FM_009"))] == ["INV_003", "INV_001"]


def test_find_shows_all_that_a_failure_mode_breaks() -> None:
    """First what it breaks first, then what breaks then, with what broke on the way."""
    result = invoke("find", "FM_002")
    assert result.exit_code == EXIT.AS_EXPECTED
    heads = [line.split(" (")[0] for line in result.stdout.splitlines() if line.startswith("FM_002")]
    assert heads == ["FM_002 torn commit breaks INV_002", "FM_002 torn commit breaks INV_001"]
    assert " tolerated: INV_002 broke at step 4: exec-1 is IN_PROGRESS and has an effect\n" in result.stdout
    assert " replay: python -m failure_modes find FM_002 --seed 0\n" in result.stdout
    assert " replay: python -m failure_modes find FM_002 --breaks INV_001 --seed 0\n" in result.stdout


def test_one_of_them_can_be_asked_for() -> None:
    """`--breaks` takes one alone: of a search, of a search of the fix, and of a proof."""
    found = invoke("find", "FM_002", "--breaks", "INV_001", "--json")
    (only,) = results_of(found)
    assert (only["target"], only["breaks"], only["length"]) == ("INV_001", "INV_001", 8)
    proved = invoke("prove", "FM_009", "--breaks", "INV_001", "--json")
    broken, guarded = results_of(proved)
    assert (broken["shortest"], guarded["states"], guarded["verdict"]) == (9, 7, "held")
    prevented = invoke("prevent", "FM_009", "--breaks", "INV_001", "--examples", "20")
    assert prevented.stdout.startswith("FM_009 lease race, external keys switched off: prevented by lease; ")
    assert {found.exit_code, proved.exit_code, prevented.exit_code} == {EXIT.AS_EXPECTED}


def test_a_proof_says_it_of_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The JSON object has a result for each break; a fix is proved once for each scope."""
    mode_id = in_catalogue(TORN_RECOVERY, monkeypatch)
    first, guarded, then = results_of(invoke("prove", mode_id, "--json"))
    assert (first["breaks"], first["shortest"], guarded["states"]) == ("INV_003", 6, 1_271)
    assert (then["breaks"], then["shortest"], then["system"]) == ("INV_004", 6, "broken")
    text = invoke("prove", mode_id).stdout
    assert text.count("nothing breaks in any reachable state") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("find", "FM_002", "--breaks", "INV_003"), "FM_002 torn commit breaks INV_002 and INV_001"),
        (("find", "FM_002", "--breaks", "INV_1"), "'INV_1' is not one of 'INV_001'"),
        (("prove", "--breaks", "INV_001"), "--breaks is for an invariant of a failure mode; name one"),
    ],
)
def test_what_it_does_not_break_cannot_be_asked_for(arguments: tuple[str, ...], message: str) -> None:
    """The exit code is 2, and the message says what could be asked for."""
    result = invoke(*arguments)
    assert result.exit_code == EXIT.REFUSED
    assert message in result.stderr


def test_the_worst_of_several_answers_is_the_exit_code() -> None:
    """What is not as expected stands before what is not known."""
    assert worst([EXIT.AS_EXPECTED, EXIT.INCONCLUSIVE, EXIT.NOT_AS_EXPECTED]) is EXIT.NOT_AS_EXPECTED
    assert worst([EXIT.INCONCLUSIVE, EXIT.AS_EXPECTED]) is EXIT.INCONCLUSIVE
    assert worst([]) is EXIT.AS_EXPECTED


def test_an_interrupted_search_keeps_what_it_found_and_looks_no_further(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C while a trace is made shorter: it is shown as it is, and the next is not begun."""

    def interrupted(*_: object, **__: object) -> Shortest:
        raise KeyboardInterrupt

    monkeypatch.setattr(searching, "shrink", interrupted)
    result = invoke("find", "FM_002", "--driver", "walk", "--json")
    (said,) = results_of(result)
    assert (result.exit_code, said["breaks"]) == (130, "INV_002")
    result = invoke("find", "FM_002", "--driver", "walk")
    assert "interrupted, perhaps not shortest" in result.stdout
    assert result.stderr == "interrupted\n"


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, TimeLimitReached])
def test_a_search_that_was_stopped_keeps_no_trace(
    stopped: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trace may not be the shortest: it is saved as one that was found, and one line says so."""

    def stop(*_: object, **__: object) -> Shortest:
        raise stopped

    monkeypatch.setattr(searching, "shrink", stop)
    name = "a_search_that_was_stopped"
    result = invoke("find", "FM_002", "--breaks", "INV_002", "--driver", "walk", "--keep", name)
    path = failure_mode("FM_002").folder / "traces" / f"{name}.json"
    was_kept = path.exists()
    path.unlink(missing_ok=True)
    assert not was_kept
    assert " kept: " not in result.stdout + result.stderr
    assert f"not kept as {name}: the search was stopped" in result.stderr
    (saved,) = re.findall(r"^ saved: (.*)$", result.stdout, re.MULTILINE)
    assert load(Path(saved)).breaks.invariant == "INV_002"
