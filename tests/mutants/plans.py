"""What is mutated, and the tests that have to notice it."""

from attrs import frozen


@frozen(kw_only=True)
class Plan:
    """The code to mutate and the tests to run. A mutant runs only those tests that reach its function."""

    name: str
    sources: tuple[str, ...]
    """Folders. mutmut copies and mutates them."""
    files: tuple[str, ...]
    """Patterns of files: those that are mutated."""
    tests: tuple[str, ...]
    not_tests: tuple[str, ...] = ()
    """Parts of the names of tests that are left out: those need a server, are slow, or have ids that mutmut
    cannot give back to pytest."""


PLANS = (
    Plan(
        name="queue",
        sources=("system", "model"),
        files=(
            "model/*",
            "system/policies/*",
            "system/queue.py",
            "system/sql/*",
            "system/sqlite/transaction.py",
            "system/rows.py",
        ),
        tests=(
            "tests/model",
            "tests/test_kept_traces.py",
            "tests/system/test_policies.py",
            "tests/system/test_contract.py",
            "tests/system/test_contract_order.py",
            "tests/system/test_limits.py",
            "tests/system/test_rules.py",
            "tests/system/test_due_times.py",
            "tests/system/test_queue.py",
            "tests/system/test_restored.py",
            "tests/system/test_open_queue.py",
            "tests/system/test_set_aside.py",
            "tests/system/test_settings.py",
            "tests/system/test_settings_used.py",
            "tests/checker/oracle/test_lockstep.py",
            "tests/checker/oracle/test_settings_seen.py",
            "tests/checker/oracle/test_answers.py",
            "tests/checker/proof/test_explorer.py::test_the_counts_of_a_scope_are_known",
        ),
        not_tests=(
            "postgresql",
            "FM_018",
            "payloads_and_effects_survive",
            "keys_are_kept_as_they_are",
            "keeps_step",
            "random_settings_catches",
            "usual_settings",
        ),
    ),
    Plan(
        name="checker",
        sources=("failure_modes",),
        files=(
            "failure_modes/checker/oracle/*",
            "failure_modes/checker/proof/*",
            "failure_modes/checker/search/*",
        ),
        tests=(
            "tests/checker/oracle",
            "tests/checker/proof",
            "tests/checker/search",
            "tests/checker/report/test_index_page.py",
            "tests/test_kept_traces.py",
        ),
        not_tests=(
            "postgresql",
            "FM_018",
            "keeps_step",
            "random_settings_catches",
            "survives",
            "is_complete",
            "seen_only",
            "whatever",
            "again_and_again",
            "every_reachable_state",
            "with_one_fingerprint",
            "put_back_is_the_state",
            "test_reductions",
            "attempt_is_found",
            "parts_changes_nothing",
            "loses_states",
            "the_memory_of_a_worker",
            "memories_of_one",
            "without_a_part",
            "without_a_half_are_caught",
            "of_two_shards",
            "every_interleaving",
            "in_either_order",
            "remembered_step",
            "overlooks",
            "plain_lock_step",
            "same_seed",
            "another_seed",
            "bounds_without",
            "cannot_be_explored",
            "test_minimise",
            "on_redis",
            "starved",
            "every_kind",
            "right_table",
            "in_a_shared_world",
            "module_more",
            "goes_round",
            "nothing_is_found",
            "nothing_is_wrong",
            "fused_scope",
            "with_fused_workers",
            "does_not_hold_breaks",
            "kept_in_another_way",
            "taken_for_a_no",
            "misreads",
            "counts_as_a_failure",
            "numbers_in_place",
            "commands_know",
            "test_server_clock",
            "two_reconcilers",
            "usual_settings",
            "after_their_lock",
            "within_statements",
            "else_it_breaks",
            "find_shows_all",
            "can_be_asked_for",
            "all_of_them",
            "shortest_trace",
            "no_other_invariant",
            "breaks_inv_008",
            "breaks_and_holds",
            "explorer_without_a_half",
            "control_holds",
            "flipped_bit",
            "search_of_the_guarded_system",
            "no_search_shrinks",
            "test_file_finds_the_fault",
            "right_queue_passes",
            "at_a_server",
            "real_processes",
            "is_killed",
            "two_processes_prove",
            "counts_of_each_scope",
            "bounds4",
            "bounds2",
            "limits3",
            "shrunk_and_judged",
            "only_a_second_reconciler",
            "FinishesAnything",
            "ends_too_early",
            "matrix",
            "FM_008",
            "drawn_the_same",
            "index_links",
            "writes_pages",
            "not_as_expected",
        ),
    ),
    Plan(
        name="halves",
        sources=("failure_modes",),
        files=(
            "failure_modes/checker/oracle/deliveries.py",
            "failure_modes/checker/proof/footprint.py",
            "failure_modes/checker/search/edits.py",
            "failure_modes/checker/search/minimise.py",
            "failure_modes/checker/search/queue_shrink.py",
        ),
        tests=(
            "tests/checker/oracle/test_deliveries.py",
            "tests/checker/oracle/test_deliveries_halves.py",
            "tests/checker/oracle/test_overtaking.py",
            "tests/checker/proof/test_explorer_halves.py",
            "tests/checker/proof/test_footprint.py",
            "tests/checker/search/test_edit_halves.py",
            "tests/checker/search/test_queue_shrink_halves.py",
            "tests/checker/search/test_shrink_halves.py",
        ),
        not_tests=("lead_to_the_same", "memories_of_one", "follows_from", "checkpoint"),
    ),
    Plan(
        name="smallest",
        sources=("model",),
        files=("model/invariants/turns.py",),
        tests=("tests/model/test_turns.py",),
    ),
)


def plan_of(name: str) -> Plan:
    """The plan with that name."""
    [plan] = [plan for plan in PLANS if plan.name == name]
    return plan
