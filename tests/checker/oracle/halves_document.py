"""Writes `docs/breakages.md`: each half of each oracle, and the breakage that it alone sees."""

from pathlib import Path

from tests.checker.oracle.fault_classes import FAULT_CLASSES, FaultClass
from tests.checker.oracle.halves import EVENTS
from tests.checker.oracle.halves_of_endings import ENDINGS
from tests.checker.oracle.halves_of_rows import COUNTS, HISTORY, OF_ANSWERS, PHASES, ROWS
from tests.checker.oracle.halves_of_statuses import STATUSES

ROOT = Path(__file__).parents[3]
DOCUMENT = ROOT / "docs" / "breakages.md"
HALVES = (*EVENTS, *ROWS, *OF_ANSWERS, *COUNTS, *STATUSES, *PHASES, *HISTORY, *ENDINGS)

ELSEWHERE = {
    "lock-step: the time that an operation read": (
        "tests/checker/traces/test_regressions.py::test_it_breaks_where_the_mistake_is_made_again"
    ),
    "lock-step: a charge, or a call that is recognised": (
        "tests/checker/oracle/test_model_broken.py"
        "::test_the_model_knows_a_charge_from_a_call_that_is_recognised"
    ),
    "lock-step: a model without a state": (
        "tests/checker/oracle/test_model_broken.py"
        "::test_a_model_that_loses_its_state_is_no_divergence_of_the_system"
    ),
    "invariants: each clause on a commit": (
        "tests/model/test_invariants.py::test_a_breach_of_a_commit_has_words_of_its_own"
    ),
    "invariants: each clause at the end": (
        "tests/model/test_endings.py::test_a_breach_at_the_end_has_words_of_its_own"
    ),
    "explorer: endings in each order of workers": (
        "tests/checker/proof/test_endings.py::test_endings_that_try_one_order_are_caught"
    ),
    "explorer: an ending with its order": (
        "tests/checker/proof/test_endings.py::test_endings_that_forget_the_order_are_caught"
    ),
    "explorer: a recovery that goes round": (
        "tests/checker/proof/test_endings.py::test_a_recovery_that_goes_round_in_a_circle_is_found"
    ),
    "explorer: the parts of a fingerprint": (
        "tests/checker/proof/test_fingerprint.py::test_states_that_differ_in_what_matters_are_told_apart"
    ),
    "explorer: each half of a fingerprint, of a footprint and of the sleep sets": (
        "tests/checker/proof/test_explorer_halves.py::test_an_explorer_without_a_half_is_caught"
    ),
    "explorer: a fault that a fingerprint without times misses": (
        "tests/checker/proof/test_explorer_halves.py"
        "::test_a_fingerprint_without_times_misses_a_lease_that_ends_now"
    ),
    "explorer: memories that forget": (
        "tests/checker/proof/test_explorer_halves.py::test_memories_of_one_change_no_count"
    ),
    "explorer: each part of a checkpoint": (
        "tests/checker/proof/test_explorer_halves.py::test_a_checkpoint_without_a_part_is_caught"
    ),
    "walk of a file: schemas, rows and answers": (
        "tests/checker/proof/test_file_walk.py::test_the_walk_finds"
    ),
    "second threads: what only they see": (
        "tests/checker/oracle/test_second_threads.py::test_a_breakage_is_seen_only_with_second_threads"
    ),
    "second threads: a heartbeat without a reply": (
        "tests/checker/oracle/test_second_threads_replies.py"
        "::test_only_a_lost_reply_of_a_second_thread_shows_a_repeated_heartbeat_that_is_not_fenced"
    ),
    "replay: the expected step and invariant": (
        "tests/checker/cli/test_replay.py::test_a_trace_that_breaks_something_else_is_not_as_expected"
    ),
    "replay: actions that could not happen": (
        "tests/checker/cli/test_replay.py::test_an_action_that_could_not_happen_is_not_as_expected"
    ),
    "replay: the liveness run of the guarded system": (
        "tests/checker/traces/test_replay_halves.py::test_a_guarded_replay_has_its_liveness_run"
    ),
    "shrinker: the same invariant": (
        "tests/checker/search/test_shrink_halves.py::test_a_shorter_trace_of_another_invariant_is_not_taken"
    ),
    "certificate: the same invariant": (
        "tests/checker/search/test_shrink_halves.py::test_a_proof_of_another_invariant_certifies_nothing"
    ),
    "explorer: the parts of a fingerprint that only a broken system needs": (
        "tests/checker/proof/test_fingerprint_halves.py::test_a_part_alone_tells_two_states_apart"
    ),
    "explorer: what a fingerprint need not have": (
        "tests/checker/proof/test_explorer_halves.py"
        "::test_the_memory_of_a_worker_follows_from_what_its_process_has_seen"
    ),
    "explorer: a worker that a rollback left without its execution": (
        "tests/checker/proof/test_explorer_halves.py"
        "::test_a_worker_whose_execution_a_rollback_has_lost_follows_from_what_it_has_seen"
    ),
    "limits: a probe that fails": (
        "tests/checker/oracle/test_limits.py::test_a_probe_that_fails_opens_the_breaker_again"
    ),
    "limits: the backoff after more attempts than usual": (
        "tests/checker/oracle/test_limits.py::test_the_backoff_doubles_after_each_attempt"
    ),
    "invariants: the change of each action, also if its reply is lost": (
        "tests/checker/oracle/test_judged_actions.py::test_the_change_of_each_action_is_judged"
    ),
    "fused worker: a finish before a buried job": (
        "tests/checker/oracle/test_fused.py::test_a_finish_before_a_buried_job_is_done_once"
    ),
    "shards: states, counts and owners": (
        "tests/checker/proof/test_shard_halves.py::test_shards_without_a_half_are_caught"
    ),
    "shards: each part of a shared checkpoint": (
        "tests/checker/proof/test_shard_halves.py::test_shards_that_are_resumed_without_a_half_are_caught"
    ),
    "shards: a violation of any of them": (
        "tests/checker/proof/test_shard_halves.py::test_a_violation_in_any_shard_is_found"
    ),
    "shards on a cluster: no shard is begun again": (
        "tests/checker/campaigns/test_on_a_cluster.py::test_a_shard_that_was_begun_again_answers_nothing"
    ),
    "judged queue: each rule of the weak model": (
        "tests/checker/oracle/test_deliveries_halves.py::test_one_rule_alone_sees_a_history"
    ),
    "judged queue: what is no trouble": (
        "tests/checker/oracle/test_deliveries_halves.py::test_a_history_that_is_almost_a_trouble_is_none"
    ),
    "judged queue: each kind of finding, in a queue": (
        "tests/checker/oracle/test_deliveries.py::test_each_kind_is_found_in_a_queue_that_has_it"
    ),
    "shrinker: each local edit": (
        "tests/checker/search/test_edit_halves.py::test_an_edit_alone_leads_to_the_shortest_trace"
    ),
    "shrinker of judged queues: each edit": (
        "tests/checker/search/test_queue_shrink_halves.py::test_an_edit_alone_leads_to_the_shortest_moves"
    ),
    "debugger: a run that was cut": (
        "tests/checker/traces/test_debugging.py::test_a_run_that_was_cut_is_no_verdict_on_the_trace"
    ),
    "chaos audit: each comparison": (
        "tests/checker/real/test_chaos_halves.py::test_one_comparison_alone_sees_a_defect"
    ),
    "fidelity: each column of a step": (
        "tests/checker/real/test_fidelity_halves.py::test_each_column_of_a_step_is_compared"
    ),
    "fidelity: pause points, rows, steps and ends": (
        "tests/checker/real/test_fidelity_halves.py::test_the_number_of_steps_and_the_end_are_compared"
    ),
    "power: the content of an image": (
        "tests/checker/real/test_power_halves.py::test_an_image_is_judged_by_its_content"
    ),
    "power: a recovered database": (
        "tests/checker/real/test_power_halves.py::test_a_recovered_database_is_judged"
    ),
    "fidelity: the canary": (
        "tests/checker/real/test_real.py::test_a_crash_that_lets_finally_commit_is_noticed"
    ),
    "power: a disk that does not sync": (
        "tests/checker/real/test_power.py::test_a_disk_that_does_not_do_as_it_is_told_is_noticed"
    ),
    "fence: the token, and not the number alone": (
        "tests/checker/oracle/test_rollbacks.py::test_numbers_in_place_of_tokens_are_seen_only_with_rollbacks"
    ),
    "lock-step: a new job is due at any time": (
        "tests/checker/oracle/test_clock_back.py::"
        "test_a_new_job_that_waits_is_seen_only_when_the_clock_is_set_back"
    ),
    "lock-step: a release is no failure of the handler": (
        "tests/checker/oracle/test_releases.py::"
        "test_a_release_that_counts_as_a_failure_is_seen_only_with_releases"
    ),
    "lock-step: a time-out is a failure of the handler": (
        "tests/checker/oracle/test_hung_handlers.py::"
        "test_a_time_out_that_does_not_count_is_seen_only_with_time_outs"
    ),
    "liveness: a worker that never comes back": (
        "tests/checker/oracle/test_hung_handlers.py::"
        "test_a_queue_whose_workers_recover_their_own_jobs_is_seen_only_with_hung_handlers"
    ),
    "lock-step: the clock of a process does not count": (
        "tests/checker/oracle/test_clock_skew.py::"
        "test_a_store_with_the_clock_of_its_process_is_seen_only_where_clocks_differ"
    ),
    "lock-step: a silence is no answer": (
        "tests/checker/oracle/test_lost_replies.py::"
        "test_each_operation_that_misreads_a_silence_is_seen_only_with_lost_replies"
    ),
    "idle worker: a notice of the server that is lost": (
        "tests/system/test_wakeups.py::test_a_lost_notice_costs_one_poll"
    ),
    "idle worker: a lost notice and no poll": (
        "tests/system/test_wakeups.py::test_without_notice_and_poll_the_check_fails"
    ),
    "ledger: what stays known after a rollback": (
        "tests/checker/oracle/test_rollbacks.py"
        "::test_a_crash_stays_known_where_the_restored_store_can_know_of_it"
    ),
}
"""Halves that a test of another folder sees."""


def _row(of: FaultClass) -> str:
    tests = " ".join([f"`{test}`" for test in dict.fromkeys((of.found, of.alone))])
    return f"| {of.number}. {of.title} | {of.sight} | {of.breakage} | {of.seconds:g} | {tests} |"


def text() -> str:
    """The document."""
    return "\n".join(
        [
            "# Breakages",
            "",
            "<!-- generated by `python -m tests.checker.oracle.halves_document` -->",
            "",
            "## Classes of faults",
            "",
            "The checker has a sight for each of these classes. The first test of a row finds the",
            "breakage. The second one shows that without this sight nothing finds it; where one test is",
            "named, it shows both. The seconds are the CPU time until the breakage is found, on one core.",
            "",
            "| class | sight | breakage | seconds | tests |",
            "| --- | --- | --- | --- | --- |",
            *[_row(one) for one in FAULT_CLASSES],
            "",
            "## Halves of oracles",
            "",
            "An oracle has several halves: it compares several things. Each row has a breakage that one",
            "half sees. `tests/checker/oracle/test_halves.py` runs each twice: the whole checker finds",
            "it, and the checker without this half finds nothing.",
            "",
            "| oracle | half | breakage |",
            "| --- | --- | --- |",
            *[f"| {one.oracle} | {one.half} | {one.breakage} |" for one in HALVES],
            "",
            "## Tests in other folders",
            "",
            "| half | test |",
            "| --- | --- |",
            *[f"| {half} | `{test}` |" for half, test in ELSEWHERE.items()],
            "",
        ]
    )


if __name__ == "__main__":
    DOCUMENT.write_text(text(), encoding="utf-8")
