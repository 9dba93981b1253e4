"""The ids of a content by rank: a system only compares ids, so gaps between them change nothing."""

from failure_modes.checker.simulation.content import Content

Ranks = dict[str, dict[int, int]]
"""For each table the ids that are not their own rank."""


def ranks_of(content: Content) -> Ranks:
    """The ranks of a content. SQLite leaves no gaps where nothing is deleted."""
    found = {}
    for table, rows in content:
        moved = {row[0]: rank for rank, row in enumerate(rows, start=1) if row[0] != rank}
        if moved and isinstance(rows[0][0], int):
            found[table] = moved
    return found


def rank(ranks: Ranks, table: str, row_id: int | None) -> int | None:
    """The rank of an id; the id itself if it is its own rank."""
    return None if row_id is None else ranks.get(table, {}).get(row_id, row_id)
