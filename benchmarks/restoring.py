"""Restores next to the floor (a server loads its own file) and to what else writes keys."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded
from benchmarks.made import Backup, back_up
from benchmarks.results import Round, Row
from benchmarks.servers import Server, loading, tool

LOAD, PIPE = "redis-server loads its file", "redis-cli --pipe of RESTORE"
MIRROR = "restore, mirror by replication"
SKIP_EMPTY, OVERWRITE_EMPTY = "restore, skip, into an empty target", "restore, overwrite, into an empty target"
OVERWRITE = "restore, overwrite, key by key"
JSON = "restore, overwrite, of json"
PIPE_LIVE = "redis-cli --pipe of RESTORE, over live data"
OVERWRITE_LIVE = "restore, overwrite, over live data"
OVERWRITE_UNDO = "restore, overwrite, over live data, undo kept"
MIRROR_LIVE = "restore, mirror by replication, over live data"
MIRROR_UNDO = "restore, mirror by replication, over live data, undo kept"
NO_UNDO = {"BACKUP_UNDO_DAYS": "0"}
BY_KEYS = {"RESTORE_WHOLE_KEYS": "0"}


def run(loaded: Loaded, backup: Backup, rounds: int, *, lean: bool = False) -> list[Row]:
    """Compete on empty targets and on targets that hold the same data; `lean` as in a backup."""
    empty, full = loaded.place.server, partial(loaded.place.server, loaded.rdb)
    ours = partial(_ours, loaded, backup)
    load = partial(loading, loaded.place.folder / "loading", loaded.rdb)
    found = [
        Contestant(LOAD, "floor", lambda: Outcome(load())),
        ours(MIRROR, empty, "mirror"),
        ours(OVERWRITE_EMPTY, empty, "overwrite"),
        ours(OVERWRITE, empty, "overwrite", **BY_KEYS),
    ]
    if not lean:
        found += [
            ours(SKIP_EMPTY, empty, "skip"),
            _ours(loaded, back_up(loaded, "--format", "json"), JSON, empty, "overwrite"),
            _pipe(loaded, PIPE, empty),
            _pipe(loaded, PIPE_LIVE, full),
            ours(OVERWRITE_LIVE, full, "overwrite", **NO_UNDO),
            ours(OVERWRITE_UNDO, full, "overwrite"),
            ours(MIRROR_LIVE, full, "mirror", **NO_UNDO),
            ours(MIRROR_UNDO, full, "mirror"),
        ]
    return contest("restore", loaded.shape, found, rounds, loaded.place.told)


Target = Callable[[], AbstractContextManager[Server]]


def _written(loaded: Loaded, target: Target, write: Callable[[Server], Round]) -> Outcome:
    with target() as server:
        return Outcome(write(server), loaded.compared(server))


def _pipe(loaded: Loaded, name: str, target: Target) -> Contestant:
    def write(server: Server) -> Round:
        return loaded.place.theirs(f"{tool('redis-cli')} -p {server.port} --pipe", given=loaded.restoring)

    return Contestant(name, "peer", partial(_written, loaded, target, write), ("redis-cli",))


def _ours(loaded: Loaded, backup: Backup, name: str, target: Target, mode: str, **settings: str) -> Contestant:
    def write(server: Server) -> Round:
        words = ("restore", backup.manifest.name, "--mode", mode, "--yes")
        return loaded.place.ours(*words, source=server, storage=backup.storage, **settings)[0]

    return Contestant(name, "ours", partial(_written, loaded, target, write))
