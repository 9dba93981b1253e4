"""All that is known of one step: the statements, the rows, the audit, and what each process knows."""

from attrs import frozen

from failure_modes.checker.oracle.describe import describe_answer
from failure_modes.checker.report.pages.rows import Table, tables_of
from failure_modes.checker.report.statements import Statement, statement_of
from failure_modes.checker.simulation.stepping import CALL
from failure_modes.checker.traces.recording import RecordedStep
from model.events import Event


@frozen(kw_only=True)
class AuditRow:
    """An audit row. `state` is empty, or `model` if only the model writes it."""

    cells: tuple[str, ...]
    state: str


AUDIT_COLUMNS = ("operation", "event", "actor", "job", "execution", "status", "reason", "detail", "at")


@frozen(kw_only=True)
class Knows:
    """What a process knows, beside what the model's worker of its name knows."""

    name: str
    system: str
    model: str


@frozen(kw_only=True)
class Answered:
    """What the queue answered to its caller, beside the model's answer."""

    system: str
    model: str
    same: bool


@frozen(kw_only=True)
class Detail:
    """All that is known of one step."""

    messages: tuple[str, ...]
    statements: tuple[Statement, ...]
    calls_gateway: bool
    tables: tuple[Table, ...]
    audit: tuple[AuditRow, ...]
    answers: tuple[Answered, ...]
    knows: tuple[Knows, ...]
    with_model: bool
    """False once the run goes on without the model."""


def detail_of(step: RecordedStep, *, messages: tuple[str, ...]) -> Detail:
    """All that is known of a step."""
    record = step.record
    return Detail(
        messages=messages,
        statements=tuple([statement_of(ran) for ran in step.statements]),
        calls_gateway=record.statement == CALL,
        tables=tables_of(record.before, record.after, step.state.durable if step.state else None),
        audit=_audit(step),
        answers=tuple(
            [
                Answered(
                    system=f"{one.system.operation}: {describe_answer(one.system)}",
                    model=f"{one.model.operation}: {describe_answer(one.model)}" if one.model else "nothing",
                    same=one.model == one.system or step.state is None,
                )
                for one in record.answers
            ]
        ),
        knows=_knows(step),
        with_model=step.state is not None,
    )


def _audit(step: RecordedStep) -> tuple[AuditRow, ...]:
    record = step.record
    rows = [AuditRow(cells=_cells(event), state="") for event in record.events]
    expected = record.model.events if record.model else ()
    if step.state is not None and expected != record.events:
        rows += [AuditRow(cells=_cells(event), state="model") for event in expected]
    return tuple(rows)


def _cells(event: Event) -> tuple[str, ...]:
    status = f"{event.before or '(new)'} → {event.after}" if event.after else ""
    return (
        event.operation,
        event.event,
        event.actor,
        f"job-{event.job}",
        "" if event.execution is None else f"exec-{event.execution}",
        status,
        event.reason or "",
        event.detail or "",
        f"{event.at / 1000:g} s",
    )


def _knows(step: RecordedStep) -> tuple[Knows, ...]:
    found = []
    for process in step.processes:
        worker = step.state.worker(process.name) if step.state else None
        job = f", on job-{process.current_job}" if process.current_job else ""
        model = "" if worker is None else str(worker.phase)
        if worker is not None and worker.execution is not None:
            model += f", exec-{worker.execution}"
        found.append(Knows(name=process.name, system=f"{process.at}{job}", model=model))
    return tuple(found)
