"""The Hypothesis state machine over the lock-step, and a search with it.

One rule draws the action; what cannot happen is skipped, so that leaving out a step does not change what
another says. The invariants are judged by the lock-step, after each action. The exception that ends a
search carries the actions as data.
"""

from hypothesis import HealthCheck, Phase, Verbosity, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test
from hypothesis.strategies import sampled_from

from failure_modes.checker.experiment.findings import Found
from failure_modes.checker.experiment.target import needs_ending
from failure_modes.checker.oracle.lockstep import Lockstep
from failure_modes.checker.oracle.run_actions import attempt
from failure_modes.checker.search.draws import by_seed_alone
from failure_modes.checker.search.minimise import shrink
from failure_modes.checker.search.results import Progress, Result, Search, Tally
from failure_modes.checker.subject.worlds import world_of
from failure_modes.checker.support import interrupts
from model.actions import Action


class BoundHit(BaseException):
    """The time allowed for a search is over. Not an Exception, so that no search takes it for a finding."""


def _silent(_: Tally) -> None:
    """Show nothing."""


def run(search: Search, progress: Progress = _silent, *, shrinking: bool = True) -> Result:
    """Search; shrink what is found as far as it goes. `progress` is called after each example.

    Raises NoWorld, NoVFS.
    """
    world_of(search.strategy.scope, search.swap).close()  # what is not installed is no finding
    tally = Tally()
    machine = machine_of(search, tally, progress)
    found: Found | None = None
    sure = False
    try:
        _run(search, machine, shrinking=shrinking)
    except Found as error:
        found = error
    except (BoundHit, KeyboardInterrupt) as stopped:
        tally.bound_hit, tally.interrupted = True, isinstance(stopped, KeyboardInterrupt)
        found = tally.shortest
    except Exception:
        if not tally.bound_hit:  # else Hypothesis wonders why an example ended before it drew anything
            raise
        found = tally.shortest
    if found is None:
        return Result(finding=None, actions=(), tally=tally, bound_hit=tally.bound_hit)
    if shrinking and not tally.bound_hit:
        try:
            shortest = shrink(search.strategy.scope, search.swap, search.hunted, found)
            found = attempt(search.strategy.scope, search.swap, search.hunted, shortest.actions) or found
            sure = shortest.sure
        except KeyboardInterrupt:
            tally.bound_hit = tally.interrupted = True
    return Result(
        finding=found.finding, actions=found.actions, tally=tally, bound_hit=tally.bound_hit, sure=sure
    )


@by_seed_alone()
def _run(search: Search, machine: type[RuleBasedStateMachine], *, shrinking: bool) -> None:
    run_state_machine_as_test(
        seed(search.seed)(machine),
        settings=settings(
            max_examples=search.examples,
            stateful_step_count=search.strategy.steps_max,
            database=None,
            deadline=None,
            phases=(Phase.generate, Phase.shrink) if shrinking else (Phase.generate,),
            suppress_health_check=list(HealthCheck),
            verbosity=Verbosity.quiet,
            print_blob=False,
            report_multiple_bugs=False,
        ),
    )


def machine_of(search: Search, tally: Tally, progress: Progress = _silent) -> type[RuleBasedStateMachine]:
    """The state machine of a search."""
    bursts = search.strategy.bursts()

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            interrupts.check()
            if search.seconds_max is not None and tally.stopwatch.seconds > search.seconds_max:
                tally.bound_hit = True
                raise BoundHit
            self.lockstep = Lockstep(search.strategy.scope, search.swap, hunted=search.hunted)
            self.found = False

        @rule(burst=sampled_from(bursts))
        def act(self, burst: tuple[Action, ...]) -> None:
            lockstep = self.lockstep
            for action in burst:
                if lockstep.over or not lockstep.possible(action):
                    return
                with _remembering(self):
                    lockstep.apply(action)
                if search.hunted is None and lockstep.state is not None:
                    tally.see(relative(lockstep))
                if lockstep.may_be_asked(action):
                    return

        def teardown(self) -> None:
            lockstep = self.lockstep
            try:
                if not self.found and not lockstep.over and needs_ending(search.hunted):
                    with _remembering(self):
                        lockstep.finish()
            finally:
                tally.add(lockstep, first_found=self.found)
                lockstep.close()
                progress(tally)

    class _remembering:  # noqa: N801 (reads as a statement)
        def __init__(self, machine: Machine) -> None:
            self.machine = machine

        def __enter__(self) -> None:
            return None

        def __exit__(self, kind: object, error: object, traceback: object) -> None:
            if isinstance(error, Found):
                self.machine.found = True
                if tally.shortest is None or len(error.actions) < len(tally.shortest.actions):
                    tally.shortest = error

    return Machine


def relative(lockstep: Lockstep) -> object:
    """The model's state with times counted from now, so that the same situation later is the same state."""
    state = lockstep.state
    assert state is not None, "a guarded run has a model"
    now = state.now
    jobs = [(j.key, None if j.available_at is None else j.available_at - now) for j in state.durable.jobs]
    executions = [
        (e.job, e.attempt, e.worker, e.status, e.lease_expires_at - now) for e in state.durable.executions
    ]
    until = state.durable.breaker.open_until_at
    limits = (
        tuple([at - now for at in state.durable.retries]),
        state.durable.breaker.failures,
        None if until is None else until - now,
    )
    return tuple(jobs), tuple(executions), state.workers, state.durable.charges, limits
