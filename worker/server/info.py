"""What a server says of itself: INFO, read once, typed."""

from dataclasses import dataclass

from worker.server.endpoint import Endpoint, SentinelError
from worker.server.replies import damaged
from worker.server.wire import Wire

_FIRST_VERSION_WITH_UNLINK = (4, 0)
_FIRST_VERSION_WITH_GROWING_BACKLOG = (7, 0)
_WITH_EXPIRING_FIELDS = ("subexpiry", "keys_with_volatile_items")
"""Of Redis 7.4, and of Valkey 9."""


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
    frees: bool
    """Whether it still has to free what was deleted or replaced."""
    bare_memory: int
    """What it needs without any data, about."""
    growing_memory: int
    """By how much its replication backlog may yet grow: with every write, up to its size, once there was a replica."""
    uncounted_memory: int
    """Of what is in use, what maxmemory is not compared with: buffers for replicas and for an AOF."""
    eviction: str
    last_save_at: int
    """Seconds since the epoch."""
    last_save_ok: bool
    changes_since_save: int
    append_only: bool
    evicted: int
    """Keys that the server has thrown out for want of memory since it started."""

    replication_id: str | None
    """Of its history, where there is one: a primary that never had a replica begins a new one with the first."""
    redis_version: tuple[int, ...]
    """The Redis whose commands it understands: of a Valkey, what it says for old clients' sake."""

    fields_expire: bool
    """Whether a hash has fields with an expiry of their own, where the server says so."""

    @property
    def release(self) -> tuple[int, ...]:
        """Its own version, in numbers."""
        return _numbers(self.version)

    @property
    def evicts(self) -> bool:
        """Whether it throws keys out when it is full."""
        return self.max_memory > 0 and self.eviction != "noeviction"

    @property
    def counted_memory(self) -> int:
        """What maxmemory is compared with."""
        return self.used_memory - self.uncounted_memory

    @property
    def delete(self) -> bytes:
        """The command that deletes keys without making others wait, where there is one."""
        return b"UNLINK" if self.redis_version >= _FIRST_VERSION_WITH_UNLINK else b"DEL"


def read_facts(endpoint: Endpoint) -> Facts:
    """Ask the server for INFO. Raises the endpoint's errors, also of a Sentinel, which is none."""
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        return facts_of(wire)


def facts_of(wire: Wire) -> Facts:
    """The same on a connection that there is. Raises redis errors, and SentinelError."""
    told = info(wire)
    # As Redis says it, or Valkey.
    if "sentinel" in (told.get("redis_mode"), told.get("server_mode")):
        raise SentinelError
    return _facts(told)


def info(wire: Wire, *section: bytes) -> dict[str, str]:
    """What INFO says, of everything or of one section, as it says it. Raises redis errors."""
    lines = wire.ask(b"INFO", *section).decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def number(info: dict[str, str], name: str) -> int:
    """One number of INFO, 0 where the server does not tell it. Raises redis' ConnectionError where it is none."""
    try:
        return int(info.get(name, 0))
    except ValueError:
        raise damaged("INFO") from None


def keyspace(info: dict[str, str]) -> dict[int, dict[str, int]]:
    """Of each database that is not empty: `keys`, and of those `expires`. Raises redis' ConnectionError without either."""
    found = {int(name[2:]): text for name, text in info.items() if name.startswith("db") and name[2:].isdigit()}
    return {db: _counts(text) for db, text in sorted(found.items())}


def _facts(info: dict[str, str]) -> Facts:
    databases = keyspace(info)
    valkey = "valkey_version" in info
    return Facts(
        server="valkey" if valkey else "redis",
        version=info["valkey_version"] if valkey else info.get("redis_version", "0"),
        run_id=info.get("run_id", ""),
        role=info.get("role", "master"),
        primary_link_up=info.get("master_link_status", "up") == "up",
        cluster=info.get("cluster_enabled", "0") == "1",
        loading=info.get("loading", "0") == "1",
        keys={db: value["keys"] for db, value in databases.items()},
        expiring={db: value["expires"] for db, value in databases.items()},
        used_memory=number(info, "used_memory"),
        max_memory=number(info, "maxmemory"),
        frees=number(info, "lazyfree_pending_objects") > 0,
        bare_memory=_bare_memory(info),
        growing_memory=_growing_memory(info),
        uncounted_memory=number(info, "mem_not_counted_for_evict"),
        eviction=info.get("maxmemory_policy", "noeviction"),
        last_save_at=number(info, "rdb_last_save_time"),
        last_save_ok=info.get("rdb_last_bgsave_status", "ok") == "ok",
        changes_since_save=number(info, "rdb_changes_since_last_save"),
        append_only=info.get("aof_enabled", "0") == "1",
        evicted=number(info, "evicted_keys"),
        replication_id=info.get("master_replid") if info.get("repl_backlog_active", "0") == "1" else None,
        redis_version=_numbers(info.get("redis_version", "0")),
        fields_expire=any(value.get(name) for value in databases.values() for name in _WITH_EXPIRING_FIELDS),
    )


def _bare_memory(info: dict[str, str]) -> int:
    needed = ["used_memory_startup", "mem_clients_normal"]
    if _numbers(info.get("redis_version", "0")) < _FIRST_VERSION_WITH_GROWING_BACKLOG:
        # Taken at once when it is a primary again; later servers let it grow.
        needed.append("repl_backlog_size")
    return sum(number(info, name) for name in needed)


def _growing_memory(info: dict[str, str]) -> int:
    growing = _numbers(info.get("redis_version", "0")) >= _FIRST_VERSION_WITH_GROWING_BACKLOG
    if not growing or info.get("repl_backlog_active") != "1":
        return 0
    return max(0, number(info, "repl_backlog_size") - number(info, "mem_replication_backlog"))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:3] if part.isdigit())


def _counts(text: str) -> dict[str, int]:
    """The numbers of a keyspace line such as `keys=3,expires=1,avg_ttl=0`."""
    pairs = (pair.partition("=") for pair in text.split(","))
    found = {name: int(value) for name, _, value in pairs if value.isdecimal()}
    if not found.keys() >= {"keys", "expires"}:
        raise damaged("INFO")
    return found
