"""The rows of the store before and after a step, and the model's rows beside them, as tables of cells."""

from enum import Enum
from typing import Any

from attrs import asdict, evolve, frozen

from model.state import Breaker, Durable

_TIMES = ("at", "open_until_at")
_QUIET = frozenset(["payload", "enqueued_at", "timed", "attempts_max"])
"""Columns that are shown only where something differs in them."""
_TITLES = {"lease_expires_at": "lease to", "available_at": "available", "open_until_at": "open until"}


@frozen(kw_only=True)
class Cell:
    """A value after the step; what it was before, if that was another one; the model's, if it differs."""

    text: str
    before: str | None = None
    model: str | None = None


@frozen(kw_only=True)
class TableRow:
    """A row. `state` is `new`, `gone`, `changed`, `missing` if only the model has it, or empty."""

    name: str
    cells: tuple[Cell, ...]
    state: str


@frozen(kw_only=True)
class Table:
    """The rows of one table."""

    name: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]


def tables_of(before: Durable, after: Durable, model: Durable | None) -> tuple[Table, ...]:
    """The tables that have a row before or after the step, or in the model. `model` is None if it is left."""
    old, new, expected = _rows(before), _rows(after), _rows(model) if model else None
    tables = [_table(name, old[name], new[name], expected[name] if expected else None) for name in new]
    return tuple([table for table in tables if table is not None])


Rows = dict[str, dict[str, Any]]
"""The values of each row of a table, by the name of the row."""


def _rows(durable: Durable) -> dict[str, Rows]:
    jobs = {
        f"job-{job.id}": {"state": durable.job_state(job.id), **_without(asdict(job), "id")}
        for job in durable.jobs
    }
    executions = {
        f"exec-{one.id}": {**_without(asdict(one), "id"), "job": f"job-{one.job}"}
        for one in durable.executions
    }
    effects: Rows = {}
    for effect in durable.effects:
        number = sum(name.startswith(f"by exec-{effect.execution}") for name in effects)
        name = f"by exec-{effect.execution}" + (f", {number + 1}" if number else "")
        effects[name] = {"job": f"job-{effect.job}", "value": effect.value}
    usual = durable.breaker == Breaker()
    return {
        "jobs": jobs,
        "executions": executions,
        "effects": effects,
        "charges": {
            f"charge-{number}": {"for": value} for number, value in enumerate(durable.charges, start=1)
        },
        "retries": {f"retry-{number}": {"at": at} for number, at in enumerate(durable.retries, start=1)},
        "breaker": {} if usual else {"breaker": asdict(durable.breaker)},
    }


def _without(values: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key != name}


def _table(name: str, old: Rows, new: Rows, model: Rows | None) -> Table | None:
    names = list(dict.fromkeys([*old, *new, *(model or {})]))
    if not names:
        return None
    columns = list(next(iter({**(model or {}), **old, **new}.values())))
    rows = [
        _row(row, columns, old.get(row), new.get(row), model.get(row) if model is not None else None)
        for row in names
    ]
    if model is not None:
        rows = [_not_in_model(row) if row.name not in model and row.state != "gone" else row for row in rows]
    shown = [
        at
        for at, column in enumerate(columns)
        if column not in _QUIET or any(row.cells[at].before or row.cells[at].model for row in rows)
    ]
    return Table(
        name=name,
        columns=tuple([_TITLES.get(columns[at], columns[at].replace("_", " ")) for at in shown]),
        rows=tuple([evolve(row, cells=tuple([row.cells[at] for at in shown])) for row in rows]),
    )


def _row(
    name: str,
    columns: list[str],
    old: dict[str, Any] | None,
    new: dict[str, Any] | None,
    model: dict[str, Any] | None,
) -> TableRow:
    state = "new" if old is None else "gone" if new is None else "changed" if old != new else ""
    if new is None and old is None:
        state = "missing"
    shown = new or old or model or {}
    cells = []
    for column in columns:
        text = _text(column, shown[column])
        before = _text(column, old[column]) if old and new else None
        expected = _text(column, model[column]) if model and new else None
        cells.append(
            Cell(
                text=text,
                before=None if before == text else before,
                model=None if expected == text else expected,
            )
        )
    return TableRow(name=name, cells=tuple(cells), state=state)


def _not_in_model(row: TableRow) -> TableRow:
    """The row, marked as one that the model does not have."""
    first = evolve(row.cells[0], model="no such row")
    return evolve(row, cells=(first, *row.cells[1:]))


def _text(column: str, value: Any) -> str:
    if value is None:
        return "—"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, int) and (column in _TIMES or column.endswith("_at")):
        return f"{value // 1000 if value % 1000 == 0 else value / 1000:,} s"
    if isinstance(value, bool):
        return str(value).lower()
    return str(value)
