"""What a server says of itself: INFO, read once, typed."""

from dataclasses import dataclass
from typing import Any

from worker.connection import Endpoint


@dataclass(frozen=True)
class Facts:
    """One server at one moment; sizes in bytes, numbers of keys by database."""

    server: str
    """`redis` or `valkey`."""
    version: str
    run_id: str
    role: str
    primary_link_up: bool
    cluster: bool
    loading: bool
    keys: dict[int, int]
    expiring: dict[int, int]
    used_memory: int
    max_memory: int
    eviction: str
    last_save_at: int
    """Seconds since the epoch."""
    last_save_ok: bool
    changes_since_save: int
    append_only: bool
    evicted: int
    """Keys that the server has thrown out for want of memory since it started."""

    redis_version: tuple[int, ...]
    """The Redis whose commands it understands: of a Valkey, what it says for old clients' sake."""


def read_facts(endpoint: Endpoint) -> Facts:
    """Ask the server for INFO. Raises the endpoint's errors."""
    with endpoint.translated("asking for INFO"):
        client = endpoint.client()
        try:
            return _facts(client.info())
        finally:
            client.close()


def _facts(info: dict[str, Any]) -> Facts:
    databases = {int(name[2:]): value for name, value in info.items() if name.startswith("db") and name[2:].isdigit()}
    valkey = "valkey_version" in info
    return Facts(
        server="valkey" if valkey else "redis",
        version=str(info["valkey_version"] if valkey else info.get("redis_version", "0")),
        run_id=str(info.get("run_id", "")),
        role=str(info.get("role", "master")),
        primary_link_up=info.get("master_link_status", "up") == "up",
        cluster=bool(info.get("cluster_enabled", 0)),
        loading=bool(info.get("loading", 0)),
        keys={db: int(value["keys"]) for db, value in sorted(databases.items())},
        expiring={db: int(value["expires"]) for db, value in sorted(databases.items())},
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
        eviction=str(info.get("maxmemory_policy", "noeviction")),
        last_save_at=int(info.get("rdb_last_save_time", 0)),
        last_save_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        changes_since_save=int(info.get("rdb_changes_since_last_save", 0)),
        append_only=bool(info.get("aof_enabled", 0)),
        evicted=int(info.get("evicted_keys", 0)),
        redis_version=tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:3] if part.isdigit()),
    )
