"""The classes of faults: for each class, a breakage that only the sight of this class catches.

`sight` is what the checker got to see the class. `found` is the test that the checker finds the breakage;
`alone` is the test that without this sight nothing finds it: often the same test.
"""

from attrs import frozen

ORACLE, PROOF, CLI = "tests/checker/oracle", "tests/checker/proof", "tests/checker/cli"


@frozen(kw_only=True)
class FaultClass:
    """A class of faults. `seconds`: the CPU time of this case of `found`, on one core of a small machine."""

    number: int
    title: str
    sight: str
    breakage: str
    found: str
    alone: str
    seconds: float


FAULT_CLASSES = (
    FaultClass(
        number=1,
        title="answers",
        sight="the answers of the queue are compared with those of the model",
        breakage="a duplicate is answered as new",
        found=f"{ORACLE}/test_answers.py::test_a_false_answer_is_a_divergence",
        alone=f"{ORACLE}/test_halves.py::test_without_the_half_nothing_sees_it",
        seconds=0.02,
    ),
    FaultClass(
        number=2,
        title="columns that were dropped",
        sight="each column of each row and of the audit is compared",
        breakage="`payload` has another value when the row of a job is written",
        found=f"{ORACLE}/test_halves.py::test_a_half_sees_its_breakage",
        alone=f"{ORACLE}/test_halves.py::test_without_the_half_nothing_sees_it",
        seconds=0.02,
    ),
    FaultClass(
        number=3,
        title="settings that are always the default",
        sight="settings are drawn at random",
        breakage="each lease is for 30 s, whatever the setting",
        found=f"{ORACLE}/test_settings_seen.py::test_a_search_with_random_settings_catches",
        alone=f"{ORACLE}/test_settings_seen.py::test_with_the_usual_settings_a_constant_is_no_mistake",
        seconds=0.02,
    ),
    FaultClass(
        number=4,
        title="the clock of the server",
        sight="the time functions of PostgreSQL answer with the simulated time",
        breakage="a commit reads the time from before it waited for its lock",
        found=f"{ORACLE}/test_server_clock.py::test_a_time_from_before_the_wait_is_found",
        alone=f"{ORACLE}/test_server_clock.py::test_on_a_test_clock_it_is_not_found",
        seconds=4.4,
    ),
    FaultClass(
        number=5,
        title="races within a statement",
        sight="a process pauses between the snapshot of a statement and its locks",
        breakage="rows are not read again after their lock was waited for",
        found=f"{ORACLE}/test_statement_snapshots.py"
        "::test_rows_that_are_not_read_again_after_their_lock_are_found",
        alone=f"{ORACLE}/test_statement_snapshots.py"
        "::test_without_a_pause_within_statements_they_are_not_found",
        seconds=0.2,
    ),
    FaultClass(
        number=6,
        title="threads",
        sight="a second thread sends heartbeats on the same connection",
        breakage="a heartbeat joins the open transaction of the other thread",
        found=f"{ORACLE}/test_second_threads.py::test_a_breakage_is_seen_only_with_second_threads",
        alone=f"{ORACLE}/test_second_threads.py::test_a_breakage_is_seen_only_with_second_threads",
        seconds=2.0,
    ),
    FaultClass(
        number=7,
        title="a lost reply with a live process",
        sight="a COMMIT runs, and its caller gets an error and goes on",
        breakage="silence is taken for a no",
        found=f"{ORACLE}/test_lost_replies.py"
        "::test_a_silence_that_is_taken_for_a_no_is_seen_only_with_lost_replies",
        alone=f"{ORACLE}/test_lost_replies.py"
        "::test_a_silence_that_is_taken_for_a_no_is_seen_only_with_lost_replies",
        seconds=0.9,
    ),
    FaultClass(
        number=8,
        title="a rollback with survivors",
        sight="the store loses its last commits, and workers live on",
        breakage="the fence compares numbers, which a restored store gives again",
        found=f"{ORACLE}/test_rollbacks.py::test_numbers_in_place_of_tokens_are_seen_only_with_rollbacks",
        alone=f"{ORACLE}/test_rollbacks.py::test_numbers_in_place_of_tokens_are_seen_only_with_rollbacks",
        seconds=0.9,
    ),
    FaultClass(
        number=9,
        title="a handler that never returns",
        sight="a handler hangs to the end of the run",
        breakage="only the worker that took a job recovers it",
        found=f"{ORACLE}/test_hung_handlers.py"
        "::test_a_queue_whose_workers_recover_their_own_jobs_is_seen_only_with_hung_handlers",
        alone=f"{ORACLE}/test_hung_handlers.py"
        "::test_a_queue_whose_workers_recover_their_own_jobs_is_seen_only_with_hung_handlers",
        seconds=1.3,
    ),
    FaultClass(
        number=10,
        title="time that goes back",
        sight="the clock is set back",
        breakage="a new job waits for the time of its row",
        found=f"{ORACLE}/test_clock_back.py"
        "::test_a_new_job_that_waits_is_seen_only_when_the_clock_is_set_back",
        alone=f"{ORACLE}/test_clock_back.py"
        "::test_a_new_job_that_waits_is_seen_only_when_the_clock_is_set_back",
        seconds=1.0,
    ),
    FaultClass(
        number=11,
        title="a second reconciler",
        sight="a scope has two reconcilers",
        breakage="a reconciler looks in one transaction and acts in another",
        found=f"{ORACLE}/test_settings_seen.py::test_only_a_second_reconciler_shows_what_two_of_them_end",
        alone=f"{ORACLE}/test_settings_seen.py::test_only_a_second_reconciler_shows_what_two_of_them_end",
        seconds=0.14,
    ),
    FaultClass(
        number=12,
        title="bounds of batches",
        sight="a scope has batches of one or two",
        breakage="the reconciliation forgets what is beyond its batch",
        found=f"{ORACLE}/test_settings_seen.py::test_a_search_with_random_settings_catches",
        alone=f"{ORACLE}/test_settings_seen.py::test_with_the_usual_settings_nothing_is_found",
        seconds=0.06,
    ),
    FaultClass(
        number=13,
        title="upgrades of the schema",
        sight="two processes create or upgrade one file in steps; no other run makes a file in steps",
        breakage="a version is read before the lock, and not again after it",
        found=f"{PROOF}/test_file_walk.py::test_the_walk_finds",
        alone=f"{PROOF}/test_file_walk.py::test_the_walk_finds",
        seconds=0.4,
    ),
    FaultClass(
        number=14,
        title="due times and turns",
        sight="INV_007 and INV_008 judge each lease",
        breakage="new jobs come before retries",
        found=f"{ORACLE}/test_turns.py::test_the_invariant_sees_it_by_a_shortest_trace",
        alone=f"{ORACLE}/test_turns.py::test_no_other_invariant_sees_it",
        seconds=0.13,
    ),
    FaultClass(
        number=15,
        title="a divergence is a finding",
        sight="`find --diverges` looks for a divergence",
        breakage="a fault that breaks no invariant",
        found=f"{CLI}/test_divergences.py::test_find_looks_for_the_first_divergence",
        alone=f"{CLI}/test_divergences.py::test_no_invariant_sees_what_only_diverges",
        seconds=0.05,
    ),
    FaultClass(
        number=16,
        title="half oracles",
        sight="each half of each oracle has a breakage: the tables below",
        breakage="an audit row has another reason",
        found=f"{ORACLE}/test_halves.py::test_a_half_sees_its_breakage",
        alone=f"{ORACLE}/test_halves.py::test_without_the_half_nothing_sees_it",
        seconds=0.02,
    ),
    FaultClass(
        number=17,
        title="answers that prove nothing",
        sight="an empty search or proof is refused, or its exit code says inconclusive",
        breakage="`prove --jobs 0`, and a search in which no worker ever moves",
        found=f"{CLI}/test_vacuous.py::test_it_is_refused",
        alone=f"{CLI}/test_vacuous.py::test_it_is_inconclusive",
        seconds=0.02,
    ),
)
