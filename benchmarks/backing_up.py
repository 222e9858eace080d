"""Backups next to what else takes a snapshot away, down to the floor."""

from functools import partial
from pathlib import Path

from benchmarks import floors
from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded, size_of
from benchmarks.made import checked, file_compared
from benchmarks.results import Row
from benchmarks.servers import tool
from benchmarks.timing import LEAN, timed
from worker.config.settings import CompressionName

SYNC, DUMP = "SYNC to nowhere", "SCAN and DUMP to nowhere"
REPLICATION, SCAN, JSON = "backup, replication, zstd", "backup, scan, zstd", "backup, replication, json"
ALONE, GZIP, ZSTD = "redis-cli --rdb -", "redis-cli --rdb - | gzip", "redis-cli --rdb - | zstd"
DUMP_GO = "redis-dump-go"


def run(loaded: Loaded, rounds: int, *, lean: bool = False) -> list[Row]:
    """Compete, each behind its floor; `lean` leaves those out that only repeat on other data what is known."""
    snapshots = [
        Contestant(SYNC, "floor", partial(_floor, loaded, "sync")),
        _ours(loaded, REPLICATION, "--engine", "replication"),
    ]
    others = [
        _piped(loaded, ALONE),
        _piped(loaded, ZSTD, "zstd -q -3", "zstd"),
        _piped(loaded, GZIP, "gzip", "gzip"),
        _ours(loaded, JSON, "--engine", "replication", "--format", "json"),
    ]
    scans = [
        Contestant(DUMP, "floor", lambda: _floor(loaded, "replay", str(loaded.asking))),
        _ours(loaded, SCAN, "--engine", "scan"),
    ]
    dump_go = Contestant(DUMP_GO, "peer", partial(_dump_go, loaded), ("redis-dump-go", "redis-cli"), once=True)
    found = [*snapshots, *scans] if lean else [*snapshots, *others, *scans, dump_go]
    return contest("backup", loaded.shape, found, rounds, loaded.place.told)


def _floor(loaded: Loaded, name: str, *words: str) -> Outcome:
    lean = [*LEAN, str(Path(floors.__file__)), name, str(loaded.server.port), *words]
    return Outcome(timed(lean, loaded.place.folder))


def _ours(loaded: Loaded, name: str, *options: str) -> Contestant:
    return Contestant(name, "ours", partial(checked, loaded, *options))


def _piped(loaded: Loaded, name: str, behind: str = "", compression: CompressionName = "none") -> Contestant:
    """What a user types: a snapshot by redis-cli, and a compressor behind it."""
    needs = ("redis-cli", *behind.split()[:1])

    def run() -> Outcome:
        path = loaded.place.folder / "piped"
        snapshot = f"{tool('redis-cli')} -p {loaded.server.port} --rdb -"
        script = f"set -o pipefail; {snapshot} | {behind}" if behind else snapshot
        took = loaded.place.theirs(script, output=path)
        return Outcome(took, file_compared(loaded, path, compression), size_of(path))

    return Contestant(name, "peer", run, needs)


def _dump_go(loaded: Loaded) -> Outcome:
    path = loaded.place.folder / "dumped"
    port = loaded.server.port
    took = loaded.place.theirs(f"{tool('redis-dump-go')} -host 127.0.0.1 -port {port} -output resp -s", output=path)
    with loaded.place.server() as target:
        loaded.place.theirs(f"{tool('redis-cli')} -p {target.port} --pipe", given=path)
        return Outcome(took, loaded.compared(target), size_of(path))
