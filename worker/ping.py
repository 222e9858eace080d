"""Can we reach the source, what may we do there, and which engine would be used."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict
from redis.exceptions import NoPermissionError

from worker import sources
from worker.config import Settings
from worker.connection import SOURCE, Endpoint
from worker.errors import BackupSystemError
from worker.facts import read_facts
from worker.formats.values import seal
from worker.sources.replication import Replication
from worker.wire import Wire, pack

# Each command in a form that changes nothing, by what needs it. RESTORE carries a value of a type that cannot be:
# the server examines the payload to its end and writes nothing.
_PROBES: dict[str, dict[str, tuple[bytes, ...]]] = {
    "backup": {
        "ping": (b"PING",),
        "info": (b"INFO", b"server"),
        "select": (b"SELECT", b"0"),
        "time": (b"TIME",),
        "scan": (b"SCAN", b"0", b"COUNT", b"1"),
        "dump": (b"DUMP", b"redis_backup"),
        "pttl": (b"PTTL", b"redis_backup"),
        "pexpiretime": (b"PEXPIRETIME", b"redis_backup"),
        "type": (b"TYPE", b"redis_backup"),
        "function|dump": (b"FUNCTION", b"DUMP"),
        "replconf": (b"REPLCONF", b"capa", b"eof"),
    },
    "restore": {
        "restore": (b"RESTORE", b"redis_backup", b"0", seal(b"\xfe", 1)),
        "function|load": (b"FUNCTION", b"LOAD", b""),
    },
}


class PingArguments(BaseModel):
    """Nothing to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def ping(settings: Settings) -> dict[str, Any]:
    """Facts, rights and the engine of choice, as a dict. Raises SourceError where the source cannot be reached."""
    endpoint = Endpoint(settings.redis_url, SOURCE)
    facts = read_facts(endpoint)
    refused = _refused(endpoint)
    replication = Replication(endpoint).refusal()
    if replication is not None and "NOPERM" in replication:
        refused["backup"].append("psync")
    return {
        "address": endpoint.address,
        "facts": asdict(facts),
        "engine": _engine(settings, endpoint),
        "replication": "allowed" if replication is None else replication,
        "may_backup": not refused["backup"],
        "may_restore": not refused["restore"] and facts.role == "master",
        "missing_acl": " ".join(f"+{command}" for commands in refused.values() for command in commands),
    }


def _refused(endpoint: Endpoint) -> dict[str, list[str]]:
    """The commands that this user may not give, by what needs them."""
    with endpoint.translated("asking what is allowed"), Wire(endpoint) as wire:
        found: dict[str, list[str]] = {}
        for purpose, probes in _PROBES.items():
            wire.send(b"".join(pack(*probe) for probe in probes.values()))
            answers = list(wire.replies(len(probes)))
            found[purpose] = [
                name for name, answer in zip(probes, answers, strict=True) if isinstance(answer, NoPermissionError)
            ]
        return found


def _engine(settings: Settings, endpoint: Endpoint) -> dict[str, str]:
    try:
        choice = sources.choose(endpoint, settings.backup_engine, settings.backup_format, [0])
    except BackupSystemError as error:
        return {"name": "none", "reason": str(error)}
    return {"name": choice.source.engine, "reason": choice.reason}
