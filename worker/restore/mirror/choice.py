"""Whether a target is to load a whole backup as one file, as a replica of ours; why not, where it is to go key by key."""

from contextlib import suppress

from redis.exceptions import RedisError

from worker.arguments.restore import Request
from worker.config.settings import Settings
from worker.errors import BackupSystemError
from worker.repository.manifest import Manifest
from worker.restore.selection.plan import Plan, lacking
from worker.server.endpoint import BROKER, Endpoint
from worker.server.info import Facts, info, number, read_facts
from worker.server.wire import Wire

# Values of repl-diskless-load with which a target keeps its old data until the new data is there. Before 6.0 all did.
_FIRST_VERSION_WITH_DISKLESS_LOAD = (6, 0)
_KEEPS_ITS_DATA = ("disabled", "on-empty-db", "swapdb", None)


def because(plan: Plan, facts: Facts) -> str | None:
    """Why it goes key by key; None where this target may load this backup as one file. Writes nothing."""
    reason = _because_of_request(plan.request) or _because_of_backup(plan.manifest, facts)
    return reason or _because_of_target(plan.endpoint, facts)


def carries_broker(settings: Settings, endpoint: Endpoint, facts: Facts) -> bool:
    """Whether the broker, or what keeps results, runs on the target."""
    for url in (settings.celery_broker_url, settings.celery_result_backend):
        broker, run_id = Endpoint(url, BROKER), None
        # A broker that is away cannot be on a target that answers; where INFO is forbidden its address is compared.
        with suppress(BackupSystemError):
            run_id = read_facts(broker).run_id
        if broker.address == endpoint.address or (run_id and run_id == facts.run_id):
            return True
    return False


def _because_of_request(request: Request) -> str | None:
    if request.narrowed:
        return "only a part of the backup is meant"
    return "its keys go elsewhere, or expire at other times" if request.moved else None


def _because_of_backup(manifest: Manifest, facts: Facts) -> str | None:
    """A server that meets in a file what it cannot load has dropped its old data by then, and ends itself.

    Tried on 6.2 to 8.10: nor does it start again with that file. So only what such a server wrote may go in whole.
    """
    origin, types = manifest.source, {kind for kinds in manifest.keys_by_db.values() for kind in kinds}
    reasons = {
        "the backup is no RDB file": manifest.data_format != "rdb",
        "the backup is of some databases only": origin.databases is not None,
        f"the backup is {lacking(manifest)}": manifest.lacks_keys,
        "the backup was adopted, so nobody knows whether a server wrote it": manifest.kind == "adopted",
        "the backup holds data of modules": "module" in types or manifest.module_data,
        "the backup is of a server of another make": origin.server != facts.server,
        "the backup is of a newer server": _release(origin.version) > _release(facts.version),
    }
    return next((reason for reason, true in reasons.items() if true), None)


def _release(version: str | None) -> list[int]:
    """What must match for one server to load another's file: 7.0 of 7.0.15."""
    return [int(part) for part in (version or "").split(".")[:2] if part.isdigit()]


def _because_of_target(endpoint: Endpoint, facts: Facts) -> str | None:
    if endpoint.encrypted:
        return "the connection to the target is encrypted, and replication would not be"
    with endpoint.translated("asking whether it may become a replica of ours"), Wire(endpoint) as wire:
        config: dict[bytes, str | None] = {}
        for name in (b"repl-diskless-load", b"tls-replication", b"replica-read-only"):
            answer = wire.try_(b"CONFIG", b"GET", name)
            if isinstance(answer, RedisError):
                return f"the target does not say whether it would keep its data until the backup is there: {answer}"
            config[name] = answer[1].decode() if answer else None
        if (reason := _because_of_settings(config, facts)) or "master_replid" not in info(wire):
            return reason or "the target has no replication id to be known by"
        # At a primary this only shows whether it is allowed.
        answer = wire.try_(b"REPLICAOF", b"NO", b"ONE")
        return f"the target does not allow REPLICAOF: {answer}" if isinstance(answer, RedisError) else None


def _because_of_settings(config: dict[bytes, str | None], facts: Facts) -> str | None:
    load, first_with_it = config[b"repl-diskless-load"], facts.redis_version >= _FIRST_VERSION_WITH_DISKLESS_LOAD
    reasons = {
        # Servers of another make call themselves a Redis, and may drop their data at once.
        "the target does not say whether it would keep its data until the backup is there": first_with_it and not load,
        "the target would drop its data before the backup is there (repl-diskless-load)": load not in _KEEPS_ITS_DATA,
        "the target replicates over TLS only": config[b"tls-replication"] == "yes",
        "the target takes writes while it is a replica, and they would be lost (replica-read-only)": (
            config[b"replica-read-only"] == "no"
        ),
    }
    return next((reason for reason, true in reasons.items() if true), None)


def replicas(endpoint: Endpoint) -> int:
    """How many replicas the target has: each would load the whole backup too."""
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        return number(info(wire), "connected_slaves")
