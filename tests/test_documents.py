"""The documents: fresh, true, and their commands and links work."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from failure_modes.checker.campaigns.measurements import measurements_of
from failure_modes.checker.cli.times import SECONDS_MAX
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.report.documents import documents
from model.invariants import INVARIANTS
from system.policies import Policies

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("failure_modes/*/*.md")])
EACH = pytest.mark.parametrize("path", DOCUMENTS, ids=[str(path.relative_to(ROOT)) for path in DOCUMENTS])
GENERATED = documents()
"""The text that each generated document should have; made once, because each takes all of them."""

EXPECTED = (
    "00_scope.md",
    "01_invariants.md",
    "02_state_model.md",
    "03_policies.md",
    "04_happy_path.md",
    "05_fidelity.md",
    "06_postgresql.md",
    "adding_a_failure_mode.md",
    "adding_an_invariant.md",
    "architecture.md",
    "bench.md",
    "breakages.md",
    "command_line.md",
    "failure_mode_index.md",
    "glossary.md",
    "mutants.md",
    "proving.md",
    "queue.md",
    "report_card.md",
    "tour.md",
    "your_queue.md",
)


def _printed(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_every_document_is_there() -> None:
    """The documents that the README speaks of exist."""
    assert sorted(path.name for path in ROOT.glob("docs/*.md")) == sorted(EXPECTED)


@pytest.mark.parametrize("path", GENERATED, ids=[path.name for path in GENERATED])
def test_a_generated_document_is_fresh(path: Path) -> None:
    """`python -m failure_modes docs` would change nothing."""
    assert path.read_text(encoding="utf-8") == GENERATED[path]


@EACH
def test_links_resolve(path: Path) -> None:
    """Each relative link leads to a file, and each anchor to a heading of it."""
    for target in re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        file, _, anchor = target.partition("#")
        linked = (path.parent / file).resolve() if file else path
        assert linked.exists(), f"{path.name}: {target} does not exist"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{path.name}: {target} is no heading"


@EACH
def test_a_failure_mode_that_is_named_has_its_link(path: Path) -> None:
    """Each `[FM_001]` has its definition at the end of the document, and each of these leads to a file."""
    text = path.read_text(encoding="utf-8")
    defined = dict(re.findall(r"^\[(FM_\d{3})\]: (\S+)$", text, re.MULTILINE))
    known = {mode.id for mode in catalogue()}
    written = re.sub(r"^\[FM_\d{3}\]: .*$", "", text, flags=re.MULTILINE)
    assert set(re.findall(r"\[(FM_\d{3})\](?![(\[])", written)) & known == set(defined)
    assert [target for target in defined.values() if not (path.parent / target).is_file()] == []


@EACH
def test_a_printed_output_is_the_real_one(path: Path) -> None:
    """Each block that says which command printed it holds exactly what that command prints."""
    text = path.read_text(encoding="utf-8")
    for command, block in re.findall(r"<!-- output of: (.*?) -->\s*```text\n(.*?)```", text, re.DOTALL):
        words = shlex.split(command)
        assert words[:2] == ["python", "-m"], f"{path.name}: cannot run {command}"
        assert _printed(*words[1:]) == block, f"{path.name}: {command} prints something else"


@EACH
def test_sessions_and_commands_exist(path: Path) -> None:
    """Each nox session and each command of the two command lines that a document names is real."""
    text = path.read_text(encoding="utf-8")
    listed = _printed("-m", "nox", "--list")
    sessions = set(re.findall(r"^[*-] (\w+)", listed, re.MULTILINE)) | {"fmN"}
    for session in re.findall(r"nox -s (\w+)", text):
        assert session in sessions, f"{path.name}: there is no session {session}"
    for module in ("failure_modes", "system"):
        shown = _printed("-m", module, "--help")
        commands = set(re.findall(r"^  (\w+)  ", shown, re.MULTILINE))
        for command in re.findall(rf"python3? -m {module}(?: --db \S+)? (\w+)", text):
            assert command in commands, f"{path.name}: `{module}` has no command {command}"


def test_the_readme_shows_a_trace_as_it_really_looks() -> None:
    """The README holds at least the broken run and the guarded one, word for word."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("<!-- output of: python -m failure_modes replay") >= 2


def test_every_failure_mode_is_in_the_readme_or_the_index() -> None:
    """The index names each failure mode of the catalogue."""
    index = (ROOT / "docs" / "failure_mode_index.md").read_text(encoding="utf-8")
    assert [mode.id for mode in catalogue() if mode.id not in index] == []


def test_each_failure_mode_was_searched_with_ten_seeds() -> None:
    """Each seed found it, and its trace shrank to the length that is the shortest today."""
    for mode in catalogue():
        known = measurements_of(mode).searched
        assert tuple(known) == mode.invariants, f"python -m failure_modes seeds {mode.id}"
        for one in mode.each:
            found = known[one.breaks]
            right = found.seeds >= 10 and found.ends_at(one.expected.shortest)
            assert right, f"{one.breaks}: python -m failure_modes seeds {one.id}"


def test_the_session_of_each_failure_mode_was_measured() -> None:
    """Each took less than 30 s, when it was measured last."""
    known = {mode.id: measurements_of(mode).session_seconds for mode in catalogue()}
    assert [mode_id for mode_id, seconds in known.items() if seconds is None] == [], "nox -s times"
    assert [mode_id for mode_id, seconds in known.items() if seconds and seconds >= SECONDS_MAX] == []


def test_the_documents_say_which_invariants_a_policy_protects() -> None:
    """The tables of policies and of invariants agree with what each policy says of itself."""
    policies = Policies()
    text = (ROOT / "docs" / "03_policies.md").read_text(encoding="utf-8")
    rows = {
        cells[1].strip(): cells[3].strip() for line in text.splitlines() if len(cells := line.split("|")) > 4
    }
    for name, policy in (
        ("idempotency", policies.idempotency),
        ("lease", policies.lease),
        ("commit boundary", policies.commit),
        ("fence", policies.fence),
        ("retry", policies.retry),
        ("retry budget", policies.budget),
        ("circuit breaker", policies.breaker),
        ("reconcile", policies.reconcile),
        ("external keys", policies.external),
    ):
        assert rows[name] == ", ".join(policy.protects)
        for invariant_id in policy.protects:
            invariants = (ROOT / "docs" / "01_invariants.md").read_text(encoding="utf-8")
            row = next(line for line in invariants.splitlines() if line.startswith(f"| {invariant_id} |"))
            assert name in row.split("|")[4]


def test_the_document_of_the_invariants_makes_the_promises_of_the_code() -> None:
    """Each invariant has its heading, and its promise word for word."""
    text = (ROOT / "docs" / "01_invariants.md").read_text(encoding="utf-8")
    for rule in INVARIANTS:
        _, heading, section = text.partition(f"\n## {rule.id} {rule.title}\n")
        assert heading, rule.id
        assert f"- **Promise.** {rule.promise}" in " ".join(section.split()), rule.id
