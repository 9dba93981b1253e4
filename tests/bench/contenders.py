"""Who is measured, and why one is not."""

import importlib

from tests.bench.bare import BarePostgreSQL, BareSQLite
from tests.bench.contender import Contender
from tests.bench.ours import OnPostgreSQL, OnSQLite
from tests.bench.postgresql_peers import PgQueuer, PgQueuerInBatches, Procrastinate
from tests.bench.sqlite_peers import Huey, LiteQueue

ALL: tuple[Contender, ...] = (
    OnSQLite(),
    Huey(),
    LiteQueue(),
    BareSQLite(),
    OnPostgreSQL(),
    Procrastinate(),
    PgQueuer(),
    PgQueuerInBatches(),
    BarePostgreSQL(),
)
BY_NAME = {contender.name: contender for contender in ALL}


def why_not(contender: Contender) -> str | None:
    """Why it cannot be measured here; None when it can."""
    for module in contender.needs:
        try:
            importlib.import_module(module)
        except Exception as error:
            return f"{module} cannot be imported: {error}"
    return None
