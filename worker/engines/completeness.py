"""Whether all keys were read, key by key: what the server counted meanwhile is compared with what was read.

SCAN tells nothing of a FLUSHALL in its middle, nor of a cursor that was damaged on its way: it just ends early. But every
key that was there all the time must have been read, and keys go for reasons that a server counts: they expire, they are
evicted, or a command deletes them.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from worker.errors import SourceUnavailableError
from worker.server.endpoint import Endpoint
from worker.server.info import info, keyspace, number
from worker.server.wire import Wire

MANY = 1000
"""Keys that one call is believed to have deleted, of a command that takes any number of keys."""
FAR = 10
"""Possible deletions explain that a tenth of the keys is missing, or MANY keys, and no more."""
HARDLY = 100
"""A backup of less than a hundredth of the keys is not kept."""

_DELETE_MANY = frozenset({"del", "unlink", "migrate", "trimslots"})
_DELETE = frozenset({"del", "unlink", "getdel", "delex", "rename", "renamenx", "move"})
"""Each call deletes a key, or does nothing."""
# They delete a key by taking its last element, by an empty result, or by an expiry in the past.
_WAYS_TO_DELETE = """
    lpop rpop blpop brpop lmpop blmpop rpoplpush brpoplpush lmove blmove lrem ltrim
    srem spop smove sdiffstore sinterstore sunionstore
    zrem zpopmin zpopmax bzpopmin bzpopmax zmpop bzmpop zremrangebyrank zremrangebyscore zremrangebylex
    zdiffstore zinterstore zunionstore zrangestore georadius georadiusbymember geosearchstore
    hdel hgetdel hgetex hsetex hexpire hpexpire hexpireat hpexpireat bitop sort
    set restore restore-asking expire pexpire expireat pexpireat getex
"""
_MAY_DELETE = frozenset(_WAYS_TO_DELETE.split())
_WIPES = frozenset({"flushall", "flushdb", "swapdb"})


@dataclass(frozen=True)
class Counts:
    """What a server counts, at one moment."""

    run_id: str
    loading: bool
    replica: bool
    cluster: bool
    keys: dict[int, int]
    """By database; empty also where the server does not tell."""
    expiring: int
    lost: int
    """Keys, and fields of hashes, that expired or were evicted since its start."""
    evicted: int
    """Those of them that were evicted."""
    calls: dict[str, int] | None
    """How often each command was called since then; None where the server does not tell."""


def counted(endpoint: Endpoint) -> Counts:
    """Ask the server. Raises the endpoint's errors."""
    with endpoint.translated("asking for INFO"), Wire(endpoint) as wire:
        return _counts(info(wire), info(wire, b"commandstats"))


def _counts(info: dict[str, str], stats: dict[str, str]) -> Counts:
    databases = keyspace(info)
    calls = {name.removeprefix("cmdstat_"): _calls(text) for name, text in stats.items() if name.startswith("cmdstat_")}
    return Counts(
        run_id=info.get("run_id", ""),
        loading=info.get("loading", "0") == "1",
        replica=info.get("role", "master") != "master",
        cluster=info.get("cluster_enabled", "0") == "1",
        keys={db: value["keys"] for db, value in databases.items()},
        expiring=sum(value["expires"] for value in databases.values()),
        lost=sum(number(info, name) for name in ("expired_keys", "expired_subkeys", "evicted_keys")),
        evicted=number(info, "evicted_keys"),
        calls=calls or None,
    )


def _calls(text: str) -> int:
    """Out of `calls=3,usec=12,usec_per_call=4.00`."""
    number = text.partition("calls=")[2].partition(",")[0]
    return int(number) if number.isdigit() else 0


class Watch:
    """What happens to the keys of a server from now on, as it counts itself. Raises the endpoint's errors."""

    def __init__(self, endpoint: Endpoint, databases: Iterable[int] = ()) -> None:
        """`databases` are those that will be read."""
        self._endpoint, self._databases = endpoint, list(databases)
        self.since = datetime.now(UTC)
        self._before = counted(endpoint)

    def wiped(self) -> str | None:
        """Why the server's keys are not those of before, emptied or exchanged, as a clause; None where they are."""
        return between(self._before, counted(self._endpoint)).wiped()

    def missing(self, read: Mapping[int, int], named: int) -> str | None:
        """How many keys were `read`, of each database, and why those are not all, as a clause; None where nothing says so.

        `named` is how many SCAN named. Raises SourceUnavailableError where it named what never was, for replies were
        damaged, and where what was read is not worth keeping.
        """
        passed = between(self._before, counted(self._endpoint))
        read = {db: read.get(db, 0) for db in self._databases}
        if damage := passed.damage(read, named):
            raise SourceUnavailableError(
                f"{damage}: what the source at {self._endpoint.address} answers is damaged on the way. Look at the network "
                "in between, and use TLS (rediss://), which notices it."
            ).plain()
        if (why := passed.missing(read)) is None:
            return None
        number, there = sum(read.values()), sum(self._before.keys.get(db, 0) for db in self._databases)
        short = f"{number:,} of {there:,} keys were read of the source at {self._endpoint.address}, and {why}"
        if number * HARDLY < max(there, 1):
            raise SourceUnavailableError(f"No backup was made: only {short}. Nothing was kept; try again.").plain()
        return short


def between(before: Counts, after: Counts) -> "Between":
    """What has passed between two moments."""
    calls = None
    if before.calls is not None and after.calls is not None:
        calls = {name: number - before.calls.get(name, 0) for name, number in after.calls.items()}
    # Somebody has reset numbers that have become smaller (CONFIG RESETSTAT): they cannot be compared.
    same = before.run_id == after.run_id and after.lost >= before.lost
    comparable = same and calls is not None and min(calls.values()) >= 0 and (before.calls or {}).keys() <= calls.keys()
    return Between(before, after, calls if comparable else None, after.lost - before.lost if comparable else 0)


@dataclass(frozen=True)
class Between:
    """Two moments of one server, and what it has done from one to the other."""

    before: Counts
    after: Counts
    calls: dict[str, int] | None
    """How often each command was called in between; None where that is not known."""
    lost: int
    """Keys that expired or were evicted in between."""

    def wiped(self) -> str | None:
        """What has emptied it, or exchanged what is in it, as a clause."""
        if self.before.run_id != self.after.run_id or self.after.loading:
            return "it was restarted meanwhile, or its address leads to several servers"
        called = [name.upper() for name in sorted(_WIPES) if self._called({name})]
        return f"{' and '.join(called)} was called on it meanwhile" if called else None

    def missing(self, read: Mapping[int, int]) -> str | None:
        """Why what was read of each database is not all that was there, as a clause."""
        wiped = self.wiped()
        if wiped and not self._did_no_harm(read):
            return wiped
        short = next((db for db in read if self._is_short(db, read[db])), None)
        if short is None:
            return None
        before, after = self.before.keys.get(short, 0), self.after.keys.get(short, 0)
        return f"its database {short}, which had {before:,} keys before and {after:,} afterwards, gave only {read[short]:,}"

    def damage(self, read: Mapping[int, int], named: int) -> str | None:
        """Too many missing or repeated keys in SCAN's replies, as the beginning of a sentence; None where they are sound."""
        if self.calls is None or self.wiped() or self.before.cluster:
            return None
        gone = named - sum(read.values())
        if gone > self._explained + self._possible:
            return f"{gone:,} keys that SCAN named were not there, and not so many were deleted meanwhile"
        for db, named_there in read.items():
            there = self.after.keys.get(db, 0)
            if self.after.keys and named_there - there > self._tolerated(named_there):
                return f"SCAN named {named_there:,} keys in database {db}, where there were never so many"
        return None

    def _did_no_harm(self, read: Mapping[int, int]) -> bool:
        """Whether a wipe was of another database than these, or there was nothing before."""
        if self.calls is None or self._called({"swapdb"}):
            return False
        if not self.before.keys:
            # Where a server does not say how many keys it has, nobody knows whether there were any.
            return not any(read.values()) and not self.after.keys
        there = {db: self.before.keys.get(db, 0) for db in read}
        if self._called({"flushall"}):
            return not any(there.values())
        return all(read[db] >= number - self._explained for db, number in there.items())

    def _is_short(self, db: int, number: int) -> bool:
        before, after = self.before.keys.get(db, 0), self.after.keys.get(db, 0)
        if self.calls is None:
            return number * 2 < before
        fewest = min(before, after)
        return number < fewest - self._tolerated(fewest)

    @property
    def _explained(self) -> int:
        """How many keys have certainly gone."""
        # A replica does not count expired keys, and does not show them.
        expired = self.before.expiring if self.before.replica else 0
        return self.lost + expired + self._called(_DELETE)

    @property
    def _possible(self) -> int:
        """How many more keys may have gone; commands of modules may do anything."""
        of_modules = sum(count for name, count in (self.calls or {}).items() if "." in name)
        return (self._called(_DELETE_MANY) + of_modules) * MANY + self._called(_MAY_DELETE)

    def _tolerated(self, number: int) -> int:
        """How many keys out of so many may have gone without anything being wrong."""
        most = max(number // FAR, MANY)
        # Slots may leave a node of a cluster at any time.
        return self._explained + (most if self.before.cluster else min(self._possible, most))

    def _called(self, names: set[str] | frozenset[str]) -> int:
        return sum((self.calls or {}).get(name, 0) for name in names)
