"""Can we reach the source, what may we do there, and which engine would be used."""

from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict
from redis.exceptions import NoPermissionError

from worker import sources
from worker.config import Settings
from worker.connection import SOURCE, Endpoint
from worker.errors import BackupSystemError
from worker.facts import Facts, read_facts
from worker.formats.sealing import seal
from worker.sources.replication import Replication
from worker.wire import Wire, pack

# Each command in a form that changes nothing, by what needs it. RESTORE carries a value of a type that cannot be: the
# server examines the payload to its end and writes nothing.
_KEY = b"redis_backup"
_PROBES: dict[str, dict[str, tuple[bytes, ...]]] = {
    "replication": {"replconf": (b"REPLCONF", b"capa", b"eof")},
    "scan": {
        "select": (b"SELECT", b"0"),
        "scan": (b"SCAN", b"0", b"COUNT", b"1"),
        "dump": (b"DUMP", _KEY),
        "pttl": (b"PTTL", _KEY),
        "time": (b"TIME",),
        "pexpiretime": (b"PEXPIRETIME", _KEY),
        "function|dump": (b"FUNCTION", b"DUMP"),
    },
    "restore": {
        "select": (b"SELECT", b"0"),
        "time": (b"TIME",),
        "restore": (b"RESTORE", _KEY, b"0", seal(b"\xfe", 1)),
        "function|load": (b"FUNCTION", b"LOAD", b""),
        # To keep what it replaces, or to know what it creates, and to undo it.
        "exists": (b"EXISTS", _KEY),
        "dump": (b"DUMP", _KEY),
        "pttl": (b"PTTL", _KEY),
        "pexpiretime": (b"PEXPIRETIME", _KEY),
        "function|dump": (b"FUNCTION", b"DUMP"),
        "unlink": (b"UNLINK", b"redis_backup:no such key"),
        "function|delete": (b"FUNCTION", b"DELETE", b""),
    },
    # Besides what a restore needs; without the last two it goes key by key.
    "mirror": {
        "scan": (b"SCAN", b"0", b"COUNT", b"1"),
        "type": (b"TYPE", _KEY),
        "function|list": (b"FUNCTION", b"LIST"),
        "config|get": (b"CONFIG", b"GET", b"repl-diskless-load"),
        # No port is called that. `NO ONE` would be allowed as well, and would make a primary of a replica.
        "replicaof": (b"REPLICAOF", b"redis_backup", b"no-port"),
    },
}


class PingArguments(BaseModel):
    """Nothing to tell."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def ping(settings: Settings) -> dict[str, Any]:
    """Facts, the engine of choice and rights, as a dict. Raises SourceError where the source cannot be reached.

    `missing_acl` names, for each engine, for a restore (of an rdb backup) and for a mirror, what an ACL line would have to add.
    """
    endpoint = Endpoint(settings.redis_url, SOURCE)
    facts = read_facts(endpoint)
    missing = _missing(endpoint)
    refusal = Replication(endpoint).refusal()
    if refusal is not None and refusal.startswith("NOPERM"):
        missing["replication"].append("+psync")
    engine = _engine(settings, endpoint, facts)
    return {
        "address": endpoint.address,
        "facts": asdict(facts),
        "engine": engine,
        "replication": "allowed" if refusal is None else refusal,
        "may_backup": engine["name"] != "none",
        "may_restore": not missing["restore"] and facts.role == "master",
        "missing_acl": {purpose: " ".join(words) for purpose, words in missing.items() if words},
    }


def _missing(endpoint: Endpoint) -> dict[str, list[str]]:
    """What this user may not do, as words of an ACL line, by what needs it."""
    with endpoint.translated("asking what is allowed"), Wire(endpoint) as wire:
        found: dict[str, list[str]] = {}
        for purpose, probes in _PROBES.items():
            wire.send(b"".join(pack(*probe) for probe in probes.values()))
            answers = zip(probes, list(wire.replies(len(probes))), strict=True)
            refused = ((name, str(answer)) for name, answer in answers if isinstance(answer, NoPermissionError))
            # Dict, for its order: a key that is out of bounds is said once, whichever command ran into it.
            found[purpose] = list(dict.fromkeys("~*" if _names_a_key(words) else f"+{name}" for name, words in refused))
        return found


def _names_a_key(words: str) -> bool:
    return "access a key" in words or "access one of the keys" in words


def _engine(settings: Settings, endpoint: Endpoint, facts: Facts) -> dict[str, str]:
    try:
        wanted = sources.Wanted(settings.backup_engine, settings.backup_format, [0])
        choice = sources.choose(endpoint, facts, wanted)
    except BackupSystemError as error:
        return {"name": "none", "reason": str(error)}
    return {"name": choice.source.engine, "reason": choice.reason}
