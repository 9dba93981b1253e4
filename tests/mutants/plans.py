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
            "tests/test_kept_traces.py",
        ),
        not_tests=("postgresql", "FM_018", "keeps_step", "random_settings_catches"),
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
)
