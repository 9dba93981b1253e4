"""The survivors of mutation testing: what mutmut prints, and the reviewed list in `docs/mutants.md`.

A mutant is known by its function and its changed lines, not by mutmut's number, which changes with the code.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from attrs import frozen

NOTICED = ("killed", "timeout", "suspicious", "segfault", "caught by type check")
"""The words of mutmut for a mutant that failed a test, or never ended."""
NO_END = ("timeout",)
"""The word for a mutant that never ended, which counts as noticed."""
UNREACHED = "no tests"
"""The word for a mutant of a function that no test of the plan reaches."""
KINDS = ("mutants", "run", "killed", "no end", "survived", "equivalent", "not reached")
NOT_RUN = ("not checked", "check was interrupted by user")
EQUIVALENT = "equivalent"
"""The reason of a survivor that no test could notice begins with this word."""

_RESULT = re.compile(r"^\s+(?P<name>\S+): (?P<status>[a-z ]+)$")
_SQL = re.compile(r"\b(SELECT|FROM|WHERE|INSERT INTO|VALUES|UPDATE|DELETE|ORDER BY|LIMIT|AND|UNION ALL)\b")
_ROW = re.compile(r"^\| `(?P<function>[^`]+)` \| `` (?P<change>.+) `` \| (?P<reason>.+) \|$")


@frozen(kw_only=True, order=True)
class Mutant:
    """A change of one function, in one line: the lines before, an arrow, the lines after."""

    function: str
    change: str


def results(output: str) -> dict[str, str]:
    """The status of each mutant, by mutmut's name for it, from `mutmut results --all true`."""
    found = (_RESULT.match(line) for line in output.splitlines())
    return {match["name"]: match["status"] for match in found if match}


def function_of(name: str) -> str:
    """The function of a mutant: `model.step.xǁStateǁmove__mutmut_3` changes `model.step.State.move`."""
    module, _, mangled = name.rpartition(".")
    plain = mangled.rpartition("__mutmut_")[0].removeprefix("x_").removeprefix("xǁ").replace("ǁ", ".")
    return f"{module}.{plain}"


def mutant(name: str, diff: str) -> Mutant:
    """The mutant, from what `mutmut show` prints of it."""
    lines = [line for line in diff.splitlines() if not line.startswith(("---", "+++"))]
    before, after = (
        " ".join([line[1:].strip() for line in lines if line.startswith(sign)]) for sign in ("-", "+")
    )
    return Mutant(function=function_of(name), change=f"{before} → {after}")


def same_sql(survivor: Mutant) -> bool:
    """True if only letters changed their case, in a line with words of SQL: SQL reads both alike."""
    before, _, after = survivor.change.partition(" → ")
    return before.casefold() == after.casefold() and bool(_SQL.search(survivor.change.upper()))


def reviewed(document: str) -> dict[Mutant, str]:
    """The reason for each survivor that the document lists."""
    rows = (_ROW.match(line) for line in document.splitlines())
    return {
        Mutant(function=row["function"], change=row["change"].replace(r"\|", "|")): row["reason"]
        for row in rows
        if row
    }


def as_row(survivor: Mutant, reason: str) -> str:
    """The line of the document for a survivor."""
    change = survivor.change.replace("|", r"\|")
    return f"| `{survivor.function}` | `` {change} `` | {reason} |"


def figures(statuses: Mapping[str, str], equivalent: Iterable[str]) -> tuple[str, ...]:
    """A Markdown table: the numbers of mutants by folder. `equivalent`: the names of such survivors."""
    same = set(equivalent)
    counts: dict[str, Counter[str]] = {}
    for name, status in sorted(statuses.items()):
        of = counts.setdefault(folder_of(name), Counter())
        of["mutants"] += 1
        if status not in NOT_RUN:
            of["run"] += 1
            of[_kind(name, status, same)] += 1
    rows = [
        f"| `{folder}` | {' | '.join([f'{of[kind]:,}' for kind in KINDS])} |" for folder, of in counts.items()
    ]
    return (f"| folder | {' | '.join(KINDS)} |", f"| --- |{' --- |' * len(KINDS)}", *rows)


def folder_of(name: str) -> str:
    """The folder of a mutant: `model`, `system`, or one of the checker's, with dots."""
    parts = name.split(".")
    return ".".join(parts[:3] if parts[0] == "failure_modes" else parts[:1])


def _kind(name: str, status: str, equivalent: set[str]) -> str:
    if status in NO_END:
        return "no end"
    if status in NOTICED:
        return "killed"
    if status == UNREACHED:
        return "not reached"
    return "equivalent" if name in equivalent else "survived"
