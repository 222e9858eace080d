"""Can we reach the source, what may we do there, and which engine would be used."""

from dataclasses import asdict
from typing import Any

from worker import engines
from worker.broker.choices import following
from worker.config.settings import Settings
from worker.engines.replication import Replication
from worker.errors import BackupSystemError
from worker.server import refusals, rights
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import Facts, read_facts


def ping(settings: Settings) -> dict[str, Any]:
    """Facts, the engine of choice and rights, as a dict. Raises SourceError where the source cannot be reached.

    `rights` says of each operation whether it is `allowed`, what an ACL line would have to add for it (`missing`), with
    what it would do better (`better`), and `why` it is not to be, where rights would not help. `warnings` tell what is not known of the chosen settings.
    """
    endpoint = Endpoint(settings.redis_url, SOURCE)
    facts = read_facts(endpoint)
    refusal = Replication(endpoint).refusal()
    engine = _engine(settings, endpoint, facts)
    allowed = _rights(endpoint, facts, refusal)
    return {
        "address": endpoint.address,
        "user": endpoint.user,
        "facts": asdict(facts),
        "engine": engine,
        "replication": "allowed" if refusal is None else refusal,
        "may_backup": engine["name"] != "none",
        "may_restore": any(right["allowed"] for name, right in allowed.items() if name.startswith("restore")),
        "rights": allowed,
        "warnings": [problem] if (problem := following.standing(settings).warning) else [],
    }


def _rights(endpoint: Endpoint, facts: Facts, refusal: str | None) -> dict[str, dict[str, Any]]:
    lacking = set(refusals.missing(endpoint, rights.ALL))
    if refusal is not None and refusal.startswith("NOPERM"):
        lacking.add("psync")
    allowed: dict[str, dict[str, Any]] = {}
    for name, needs in rights.OPERATIONS.items():
        missing = [right for right in (*needs.all_keys, *needs.needed.split()) if right in lacking]
        better = [right for right in needs.better.split() if right in lacking]
        why = _why_not(name, facts, refusal)
        acl = {"missing": rights.as_acl(missing), "better": rights.as_acl(better)}
        allowed[name] = {"allowed": not missing and why is None, "why": why, **acl}
    return allowed


def _why_not(operation: str, facts: Facts, refusal: str | None) -> str | None:
    """Why an operation is not possible there although it is allowed, as a clause."""
    if operation == "backup by replication":
        return None if refusal is None or refusal.startswith("NOPERM") else refusal
    if not rights.OPERATIONS[operation].writes:
        return None
    if facts.cluster:
        return "it is a node of a cluster, which holds only some of the keys"
    return "it is a replica, which takes no writes" if facts.role != "master" else None


def _engine(settings: Settings, endpoint: Endpoint, facts: Facts) -> dict[str, str]:
    try:
        wanted = engines.Wanted(settings.backup_engine, settings.backup_format, [0])
        choice = engines.choose(endpoint, facts, wanted)
    except BackupSystemError as error:
        return {"name": "none", "reason": str(error)}
    return {"name": choice.source.engine, "reason": choice.reason}
