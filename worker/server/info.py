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
    """Whether it is still freeing what was deleted or replaced."""
    bare_memory: int
    """What it needs without any data, roughly."""
    growing_memory: int
    """How much its replication backlog may still grow: once there was a replica, every write fills it up to its size."""
    uncounted_memory: int
    """Used memory that does not count for maxmemory: buffers for replicas and for an AOF."""
    eviction: str
    last_save_at: int
    """Seconds since the epoch."""
    last_save_ok: bool
    changes_since_save: int
    append_only: bool
    evicted: int
    """Keys that the server has evicted since it started."""

    replication_id: str | None
    """The id of its history. None for a primary that never had a replica: it begins a new history with the first."""
    redis_version: tuple[int, ...]
    """The version of Redis whose commands it understands; a Valkey says one for old clients."""

    fields_expire: bool
    """Whether a hash has fields with an expiry of their own, where the server says so."""

    @property
    def release(self) -> tuple[int, ...]:
        """Its own version, in numbers."""
        return _numbers(self.version)

    @property
    def evicts(self) -> bool:
        """Whether it evicts keys when it is full."""
        return self.max_memory > 0 and self.eviction != "noeviction"

    @property
    def counted_memory(self) -> int:
        """The memory that the server compares with maxmemory."""
        return self.used_memory - self.uncounted_memory

    @property
    def delete(self) -> bytes:
        """The command that deletes keys without making others wait, where there is one."""
        return b"UNLINK" if self.redis_version >= _FIRST_VERSION_WITH_UNLINK else b"DEL"


def read_facts(endpoint: Endpoint) -> Facts:
    """Ask the server for INFO. Raises the endpoint's errors, also where a Sentinel answers."""
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        return facts_of(wire)


def facts_of(wire: Wire) -> Facts:
    """The same on an open connection. Raises redis errors, and SentinelError."""
    return facts_in(info(wire))


def facts_in(fields: dict[str, str]) -> Facts:
    """The same in what INFO said. Raises SentinelError, and redis' ConnectionError where a number is none."""
    # Redis has the first of these fields, Valkey the second.
    if "sentinel" in (fields.get("redis_mode"), fields.get("server_mode")):
        raise SentinelError
    return _facts(fields)


def info(wire: Wire, *section: bytes) -> dict[str, str]:
    """What INFO says, of everything or of one section, as it says it. Raises redis errors."""
    lines = wire.ask(b"INFO", *section).decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def number(info: dict[str, str], name: str) -> int:
    """One number of INFO, 0 where it is missing. Raises redis' ConnectionError where it is not a number."""
    try:
        return int(info.get(name, 0))
    except ValueError:
        raise damaged("INFO") from None


def keyspace(info: dict[str, str]) -> dict[int, dict[str, int]]:
    """The `keys` of each database that is not empty, and how many expire. Raises redis' ConnectionError without either."""
    databases = {int(name[2:]): text for name, text in info.items() if name.startswith("db") and name[2:].isdigit()}
    return {db: _counts(text) for db, text in sorted(databases.items())}


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
    counts = {name: int(value) for name, _, value in pairs if value.isdecimal()}
    if not counts.keys() >= {"keys", "expires"}:
        raise damaged("INFO")
    return counts
