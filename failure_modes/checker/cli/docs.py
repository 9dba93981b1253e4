"""The command `docs`: it writes the generated documents."""

import click

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import output, show
from failure_modes.checker.cli.paths import shown_path
from failure_modes.checker.experiment.catalogue import require_checkout
from failure_modes.checker.report.documents import documents
from failure_modes.checker.support.atomic_files import write_atomically


@command()
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a document is stale.")
def docs(*, check: bool) -> EXIT:
    """Write the generated documents: the state model, the architecture, the index and pictures of traces."""
    require_checkout()
    fresh = documents()
    stale = [path for path, text in fresh.items() if not path.exists() or path.read_text() != text]
    for path in stale:
        if not check:
            write_atomically(path, fresh[path])
        show(f"{'stale' if check else 'written'}: {shown_path(path)}")
    if not stale:
        show("the generated documents are fresh")
    for path in fresh:
        state = "fresh" if path not in stale else "stale" if check else "written"
        output().add(None, document=shown_path(path), state=state)
    return EXIT.NOT_AS_EXPECTED if check and stale else EXIT.AS_EXPECTED
