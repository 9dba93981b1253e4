"""The earlier rows of a store that may be set back: a part of the content of its world.

They are compared, kept in a snapshot, and counted in a fingerprint as the present rows are.
"""

from attrs import frozen

from failure_modes.checker.simulation.content import Content

HISTORY = "history"
"""The name of the history in a content, beside the names of the tables."""


@frozen
class History:
    """The rows before the last commits, the latest first; and the number of rollbacks so far."""

    earlier: tuple[Content, ...] = ()
    rollbacks: int = 0


def with_earlier_rows(content: Content) -> Content:
    """The content with the rows of its history as rows of more tables, so that all are read in one way."""
    if not content or content[0][0] != HISTORY:
        return content
    history: History = content[0][1][0][0]
    earlier = [table for rows in history.earlier for table in rows]
    return ((HISTORY, ((history.rollbacks,),)), *earlier, *content[1:])
