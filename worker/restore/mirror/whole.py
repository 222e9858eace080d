"""A whole backup into an empty target, in a mode that leaves alone what is there: loaded as one file where that is safe.

Where nothing is there, nothing can be lost; so it is looked at three times, the last time when the target takes no writes
any more and has not been sent a byte. Whoever has written there until then has it go key by key.
"""

from worker.config.settings import Settings
from worker.errors import BackupSystemError, TargetError
from worker.restore.mirror import choice
from worker.restore.mirror.emptiness import held
from worker.restore.mirror.replicate import replicate
from worker.restore.selection.plan import Plan
from worker.restore.target.aftermath import Watch
from worker.restore.target.job import Job
from worker.server.info import info
from worker.server.wire import Wire

REASON = "the target is empty, and allows it"


def choose(settings: Settings, job: Job, *, force: bool) -> str | None:
    """Why it goes key by key; None where the target is to load the backup as one file. Writes nothing.

    It does where it may not have the memory for all: key by key that can be stopped.
    """
    plan, facts = job.plan, job.target.facts
    least = settings.restore_whole_keys
    reasons = {
        "the target is not empty": bool(facts.keys),
        "only a part of the backup is meant": plan.request.kinds is not None,
        "RESTORE_WHOLE_KEYS says so": not least,
        f"the backup has fewer than {least:,} keys (RESTORE_WHOLE_KEYS)": (plan.manifest.keys or 0) < least,
        "the target may not have the memory for all of it": facts.max_memory and (force or job.target.tight),
    }
    reason = next((reason for reason, true in reasons.items() if true), None)
    return reason or choice.because(plan, facts) or _because_of_others(settings, plan, job)


def _because_of_others(settings: Settings, plan: Plan, job: Job) -> str | None:
    if choice.replicas(plan.endpoint):
        return "the target has replicas, and all of them would load the whole backup too"
    if choice.carries_broker(settings, plan.endpoint, job.target.facts):
        return "the broker runs on the target"
    with plan.endpoint.translated("asking whether it is empty"), Wire(plan.endpoint) as wire:
        return held(wire)


def run(settings: Settings, job: Job) -> str | None:
    """Write, and count in the target's report; or why it is to go key by key after all: nothing was written then.

    Raises what `replicate` raises where something may have been.
    """
    report, watch = job.report, Watch(job.plan.endpoint, job.plan.databases)
    try:
        reason = replicate(settings, job)
    except TargetError as error:
        if not _is_as_before(job.plan):
            raise
        return f"it could not load it as one file: {error}"
    if reason is None:
        report.account(watch.look(report.restored))
        report.way, report.reason = "replication", REASON
    return reason


def _is_as_before(plan: Plan) -> bool:
    """Whether the target is an empty primary, as it was."""
    try:
        with plan.endpoint.translated("asking whether it is empty"), Wire(plan.endpoint) as wire:
            return info(wire).get("role") == "master" and held(wire) is None
    except BackupSystemError:
        return False
