"""The command `list`: the failure modes and their kept traces."""

from failure_modes.checker.cli.command import command
from failure_modes.checker.cli.exits import EXIT
from failure_modes.checker.cli.output import output, show
from failure_modes.checker.experiment.catalogue import catalogue
from failure_modes.checker.oracle.describe import steps_described
from failure_modes.checker.traces.database import kept


@command("list")
def list_() -> EXIT:
    """List the failure modes and their kept traces."""
    for mode in catalogue():
        broken = " and ".join(mode.invariants)
        traces = kept(mode)
        show(f"{mode.id}  {mode.title}: breaks {broken}, prevented by {mode.policy}")
        for path, trace in traces:
            show(f"        {path.name}  {steps_described(len(trace.actions))}, {trace.scope.granularity}")
        output().add(
            None,
            failure_mode=mode.id,
            title=mode.title,
            breaks=mode.invariants,
            policy=mode.policy,
            traces=[
                {
                    "name": path.name,
                    "breaks": trace.breaks.invariant,
                    "length": len(trace.actions),
                    "granularity": trace.scope.granularity.value,
                    "store": trace.scope.store.value,
                }
                for path, trace in traces
            ],
        )
    return EXIT.AS_EXPECTED
