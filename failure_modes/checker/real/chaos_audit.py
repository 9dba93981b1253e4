"""The audit of a chaos run: it compares the rows of the store with the logs of the processes."""

import json
from collections import Counter
from pathlib import Path

from attrs import field, frozen

from failure_modes.checker.real.chaos_process import read_log
from system.audit import EventKind
from system.store import AuditRow, Execution, Status, Store

_OPEN = (Status.LEASED, Status.IN_PROGRESS, Status.COMMITTED)


@frozen(kw_only=True)
class AuditReport:
    """The result of an audit. Each tuple lists defects; all are empty if the queue kept its promises."""

    jobs: int
    accepted: int
    succeeded: int
    failed: int
    lost: tuple[str, ...]
    duplicated: tuple[str, ...]
    stuck: tuple[str, ...]
    inconsistent: tuple[str, ...]
    died: tuple[str, ...]
    audit: Counter[str]
    injected: Counter[str] = field(factory=Counter)

    @property
    def clean(self) -> bool:
        """True if there is no defect."""
        return not (self.lost or self.duplicated or self.stuck or self.inconsistent or self.died)


def audit_report(
    store: Store, folder: Path, injected: Counter[str], *, died: list[str], settled: bool
) -> AuditReport:
    """Audit the rows of the store against the logs in the folder."""
    logged: dict[str, list[list[object]]] = {}
    for path in sorted(folder.glob("*.log")):
        for words in read_log(path):
            logged.setdefault(str(words[0]), []).append(words)
    requested = {str(words[1]) for words in logged.get("asked", [])}
    accepted = {(str(words[1]), words[2]) for words in logged.get("accepted", [])}
    ran = {str(words[1]) for words in logged.get("ran", [])}
    committed = {int(str(words[1])) for words in logged.get("committed", [])}
    jobs, executions, effects = store.jobs(), store.executions(), store.effects()
    events = tuple(store.audit())
    by_job: dict[int, list[Execution]] = {}
    for execution in executions:
        by_job.setdefault(execution.job_id, []).append(execution)
    commits = Counter([one.job_id for one in executions if one.status in (Status.COMMITTED, Status.DONE)])
    written = Counter([effect.job_id for effect in effects])
    with_effect = {effect.execution_id for effect in effects}
    owners = {execution.id: execution.job_id for execution in executions}
    keys = Counter([str(job.key) for job in jobs])
    ids = {str(job.key): job.id for job in jobs}
    buried = {event.job_id for event in events if event.event == EventKind.BURIED}
    names = {job.id: f"job-{job.id} ({job.key})" for job in jobs}
    lost, duplicated, stuck = [], [], []
    inconsistent = [] if settled else ["a job is still pending or running after the time limit"]
    for key, number in sorted(accepted):
        if ids.get(key) != number:
            lost.append(f"{key} was accepted as job-{number}, and there is no such job")
    lost += [
        f"the commit of exec-{number} was acknowledged, and it has no effect"
        for number in sorted(committed - with_effect)
    ]
    for one in executions:
        committed_here = one.status in (Status.COMMITTED, Status.DONE)
        if committed_here and one.id not in with_effect:
            lost.append(f"exec-{one.id} of job-{one.job_id} is {one.status}, and has no effect")
        if not committed_here and one.id in with_effect:
            inconsistent.append(f"exec-{one.id} of job-{one.job_id} is {one.status}, and has an effect")
    mentioned = {event.job_id for event in events} | set(written) | set(by_job)
    lost += [
        f"job-{number} has rows in other tables, and is gone" for number in sorted(mentioned - set(names))
    ]
    duplicated += [f"{key} has {count} jobs" for key, count in sorted(keys.items()) if count > 1]
    succeeded = failed = 0
    for job in jobs:
        attempts, name = by_job.get(job.id, []), names[job.id]
        ended = not any(one.status in _OPEN for one in attempts)
        success = any(one.status is Status.DONE for one in attempts)
        spent = bool(attempts) and attempts[-1].attempt >= job.attempts_max
        succeeded += success
        failed += ended and spent and not success
        if not ended or not (success or spent):
            stuck.append(f"{name} has not ended")
        if max(written[job.id], commits[job.id]) > 1:  # a second commit is seen by its effect, too
            duplicated.append(f"{name} has {written[job.id]} effects and {commits[job.id]} commits")
        if ended and spent and not success and job.id not in buried:
            inconsistent.append(f"{name} has failed, without an audit row that says why")
        if str(job.key) not in requested:
            inconsistent.append(f"no producer enqueued {name}")
    wanted = {job.id: job.payload_json for job in jobs}
    for effect in effects:
        right = wanted.get(effect.job_id) == effect.value and owners.get(effect.execution_id) == effect.job_id
        if not right or json.loads(effect.value) not in ran:
            inconsistent.append(f"job-{effect.job_id} has an effect that no handler wrote: {effect.value}")
    return AuditReport(
        jobs=len(jobs),
        accepted=len(accepted),
        succeeded=succeeded,
        failed=failed,
        lost=tuple(lost),
        duplicated=tuple(duplicated),
        stuck=tuple(stuck),
        inconsistent=tuple(inconsistent),
        died=tuple(died),
        audit=Counter([_name(event) for event in events]),
        injected=injected,
    )


def _name(event: AuditRow) -> str:
    return f"{event.operation} refused" if event.event == EventKind.REFUSED else event.event
