"""What `explore --off` shows: which sets of policies break what, and which of them it takes."""

import json
from typing import Any

import click

from failure_modes.checker.exits import EXIT, leave
from failure_modes.checker.hunting import Break, hunt, trials
from failure_modes.checker.progress import Lines
from failure_modes.checker.strategy import Strategy
from failure_modes.checker.telling import steps_told
from failure_modes.checker.trace import action_to_json


def hunt_and_show(strategy: Strategy, number: int, options: dict[str, Any]) -> None:
    """Hunt with so many random sets switched off; leave with 0, unless the guarded system breaks."""
    lines = Lines("hunting")
    found: list[Break] = []
    seed, json_ = options["seed"], options["json_"]
    for trial in trials(number, seed):
        if not json_:
            attempts = f"{trial.attempts_max} attempt{'s' * (trial.attempts_max > 1)} a job"
            click.echo(f"off: {', '.join(trial.off)}; {attempts}")
        breaks = hunt(strategy, trial, seed=seed, examples=options["examples"], say=lines.note)
        for one in breaks:
            found.append(one)
            if not json_:
                click.echo(f"   {one.invariant} in {steps_told(len(one.actions))}, {_told(one)}")
    together = [one for one in found if len(one.needed) > 1]
    if json_:
        click.echo(json.dumps([_as_json(one) for one in found]))
    else:
        click.echo(f"{len(found)} breaks; {len(together)} that no policy shows alone")
    leave(EXIT.AS_EXPECTED if all(one.needed for one in found) else EXIT.NOT_AS_EXPECTED)


def _told(one: Break) -> str:
    if len(one.needed) > 1:
        return f"for want of {' and '.join(one.needed)} together"
    return (
        f"for want of {one.needed[0]}"
        if one.needed
        else "and with every policy on: the guarded system breaks"
    )


def _as_json(one: Break) -> dict[str, Any]:
    return {
        "off": one.off,
        "invariant": one.invariant,
        "needed": one.needed,
        "actions": [action_to_json(action) for action in one.actions],
    }
