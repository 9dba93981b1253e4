"""`docs/bench.md`, from the values that `python -m tests.bench --write` keeps: no figure is typed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench import report, report_commands
from tests.bench.document_text import (
    CHECKER,
    COMMANDS,
    DIFFERENCE,
    EXPLORER,
    GUARANTEES,
    HEAD,
    JOB,
    JOBS_A_SECOND,
    LATENCY,
    VERSIONS,
    WEIGHTS,
)

MEASURED = Path(__file__).with_name("measured.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "bench.md"


def sections(measured: dict[str, Any]) -> Iterator[str]:
    """The tables of each part that was measured, for a terminal."""
    for part, of in measured.items():
        yield _where(of)
        yield from _TABLES[part](of["values"])


def document(measured: dict[str, Any]) -> str:
    """The document. A part that was not measured is left out."""
    blocks = [HEAD]
    for part, text in _TEXTS.items():
        if part in measured:
            blocks += [text, _where(measured[part]), *_TABLES[part](measured[part]["values"])]
        if part == "queue" and part in measured:
            blocks += [GUARANTEES, report.promises(measured[part]["values"])]
        if part == "job" and part in measured:
            blocks.append(DIFFERENCE)
    return "\n\n".join([block.strip("\n") for block in blocks]) + "\n"


def _where(of: dict[str, Any]) -> str:
    """The machine, the server, and a warning if the machine did other work before."""
    where = "; ".join([one for one in (of["machine"], of["server"]) if one]) + "."
    return f"{where}\n**The machine was busy: these figures show little.**" if of["busy"] else where


def _queue(values: dict[str, Any]) -> Iterator[str]:
    synced = values["synced_microseconds"]
    rounds = _rounds(values)
    of = "the mean of two rounds" if rounds == 2 else f"the median of {rounds} rounds"
    yield (
        f"{values['jobs']:,} jobs a run; each figure is {of} (the least to the most). "
        f"A synced write of 4 KB took {synced['50']:,.0f} microseconds (p50) and {synced['99']:,.0f} (p99)."
    )
    yield from [f"{name} was not measured: {why}." for name, why in values["missing"].items()]
    yield from [f"A run failed: {failure}." for failure in values["failures"]]
    for phase, meaning in report.PHASES.items():
        yield f"*{phase}*: {meaning}."
        yield report.jobs_a_second(values, phase)
        yield report.ratios(values, phase)
    yield "CPU time of the workers alone:"
    yield report.work_cpu(values)
    yield "The durability of each, asked at its own connection:"
    yield report.durability(values)


def _rounds(values: dict[str, Any]) -> int:
    of = [(run["name"], run["workers"]) for run in values["runs"]]
    return max([of.count(one) for one in of], default=0)


_TABLES: dict[str, Any] = {
    "queue": _queue,
    "job": lambda values: [report.job_costs(values)],
    "latency": lambda values: [report.lease_latency(values)],
    "burdens": lambda values: [report.weighed(values)],
    "checker": lambda values: [report.steps(values), report.searched(values)],
    "commands": lambda values: [report_commands.whole_commands(values)],
    "explorer": lambda values: [report.proofs(values)],
    "versions": lambda values: [
        report_commands.two_versions(values),
        report_commands.SAMPLED,
        report_commands.profiles(values),
    ],
}
_TEXTS = {
    "queue": JOBS_A_SECOND,
    "job": JOB,
    "latency": LATENCY,
    "burdens": WEIGHTS,
    "checker": CHECKER,
    "commands": COMMANDS,
    "explorer": EXPLORER,
    "versions": VERSIONS,
}
