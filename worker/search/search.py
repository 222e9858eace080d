"""One key through time: in which backups it is, and in the live source; where it changed, and what it held."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import Any

import structlog

from worker.arguments.questions import LIVE, SearchArguments
from worker.config.settings import Settings
from worker.errors import BackupSystemError, NotFoundError, UsageError
from worker.formats.compare import rows as differences
from worker.formats.encryption import keys_of
from worker.formats.entries import Entry
from worker.formats.key_text import key_bytes, key_text
from worker.progress import Progress
from worker.repository import catalogue
from worker.repository.copies.places import home
from worker.repository.scope import scope_of
from worker.restore.selection.held import held, known_as
from worker.search import history
from worker.search.alive import Alive
from worker.search.fitting import fitting
from worker.search.places import Passed, Place, Stored, Version, by_server
from worker.server.endpoint import SOURCE, Endpoint

log = structlog.get_logger()

MOST_ROWS = 200
"""Parts of a value that are shown."""
ROOM, ROOM_BESIDE = 65_536, 8_192
"""Characters that are shown of one version, and of two side by side. A longer value is cut, and its size shown."""

Data = dict[str, Any]


def search(settings: Settings, arguments: SearchArguments, progress: Progress) -> Data:
    """Look up a key or a glob, or show versions of a key. What cannot be read becomes one of the `problems`.

    Raises NotFoundError for a backup that is named and not there, and for a version to be shown that is not there.
    """
    clock = time.monotonic()
    with ExitStack() as block:
        named = partial(_named, settings, block, progress)
        if arguments.show is not None:
            answer = _shown(settings, arguments, named, progress)
        else:
            places, problems = _places(settings, arguments, named)
            look = _through_time if arguments.match is None else _fitting
            answer = look(places, arguments, problems, progress) | {"problems": problems}
    seconds = round(time.monotonic() - clock, 3)
    log.info("key_searched", seconds=seconds)
    return answer | {"seconds": seconds}


def _places(
    settings: Settings, arguments: SearchArguments, named: Callable[[str], Stored]
) -> tuple[list[Place], list[str]]:
    """Where to look, newest first, and what is wrong with the rest."""
    problems: list[str] = []
    if arguments.names:
        by_name = {place.name: place for place in map(named, arguments.names)}
        stored = sorted(by_name.values(), key=lambda place: (place.at, place.name), reverse=True)
    else:
        storage = home(settings)
        read = catalogue.read(storage)
        keys = keys_of(settings)
        stored, problems = [Passed(storage, manifest, keys) for manifest in read.listed], read.problems
    places: list[Place] = [*stored]
    if arguments.live:
        try:
            places.insert(0, _live(settings))
        except BackupSystemError as error:
            problems.append(str(error))
    return places, problems


def _named(settings: Settings, block: ExitStack, progress: Progress, name: str) -> Stored:
    """A backup that was asked for by its name, wherever it lies: who asks for none is not made to fetch what only copies hold.

    A moment is there until the end of the block.
    """
    backup = block.enter_context(held(settings, name, scope_of(settings), None, progress))
    return Stored(backup.storage, backup.manifest, keys_of(settings), known_as(name, backup.manifest))


def _live(settings: Settings) -> Alive:
    return Alive(Endpoint(settings.redis_url, SOURCE, hurried=settings.backup_pace == "full"))


def _through_time(places: list[Place], arguments: SearchArguments, problems: list[str], progress: Progress) -> Data:
    key = key_bytes(arguments.key or "")
    databases = _databases(places, arguments)
    looked: list[tuple[Place, dict[int, Version]]] = []
    for number, place in enumerate(places, 1):
        try:
            looked.append((place, place.versions(key, databases, _numbered(progress, number, places))))
        except BackupSystemError as error:
            problems.append(history.problem(place, error))
    histories = []
    for db in (db for db in databases if any(db in versions for _, versions in looked)):
        rows = _rows(db, looked, problems)
        histories += [{"db": db, "versions": rows}] if any(row["type"] for row in rows) else []
    return {"key": key_text(key), "found": histories, "looked_through": [place.name for place, _ in looked]}


def _rows(db: int, looked: list[tuple[Place, dict[int, Version]]], problems: list[str]) -> list[history.Row]:
    """Each server has a history of its own; one that never had the key has none."""
    by_name: dict[str, history.Row] = {}
    for group in by_server([place for place, _ in looked]):
        ours = [looked[number] for number in group]
        if group[0] == 0 or any(db in versions for _, versions in ours):
            rows = history.rows(db, ((place, versions.get(db)) for place, versions in ours), problems)
            by_name |= {row["where"]: row for row in rows}
    return [by_name[place.name] for place, _ in looked if place.name in by_name]


def _databases(places: list[Place], arguments: SearchArguments) -> list[int]:
    known = {db for place in places for db in place.databases()}
    return sorted(known if arguments.databases is None else known & arguments.databases)


def _numbered(progress: Progress, number: int, places: list[Place]) -> Progress:
    """Progress that says which of the places is being read."""

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        progress(f"{phase} {number} of {len(places)}", current, total, unit)

    return tell


def _fitting(places: list[Place], arguments: SearchArguments, problems: list[str], progress: Progress) -> Data:
    return fitting(places, arguments, problems, lambda place: _numbered(progress, places.index(place) + 1, places))


def _shown(settings: Settings, arguments: SearchArguments, named: Callable[[str], Stored], progress: Progress) -> Data:
    """One version as readable rows, or what differs between two; and the arguments that restore it."""
    key = key_bytes(arguments.key or "")

    def place(name: str) -> Place:
        return _live(settings) if name == LIVE else named(name)

    at = place(arguments.show or "")
    db, own = _only_one(at, arguments, at.versions(key, _databases([at], arguments), progress))
    shown = history.row(at, own)
    other, against = None, None
    if arguments.against is not None:
        beside = place(arguments.against)
        version = beside.versions(key, [db], progress).get(db)
        other = None if version is None else history.held(version)
        against = history.row(beside, other)
    sides = history.sides(own.version, other.version if other else None)
    room = ROOM if arguments.against is None else ROOM_BESIDE
    rows, more = differences.rows(own.entry, other.entry if other else None, sides, MOST_ROWS, room)
    return {
        "key": key_text(key),
        "db": db,
        "show": shown,
        "against": against,
        "rows": [{"part": row["part"], "show": row["backup"], "against": row["live"]} for row in rows],
        "more": more,
        "restore": None if at.name == LIVE else _way_back(at.name, own.entry),
    }


def _only_one(place: Place, arguments: SearchArguments, versions: dict[int, Version]) -> tuple[int, history.Held]:
    if len(versions) > 1:
        listed = ", ".join(map(str, versions))
        raise UsageError(f"{place.name} has that key in the databases {listed}: say which one is meant, with --db.")
    for db, version in versions.items():
        if (kept := history.held(version)) is not None:
            return db, kept
    raise NotFoundError(
        f"{place.name} does not have the key {arguments.key!r}: search without a version shows where it is."
    )


def _way_back(name: str, entry: Entry) -> Data:
    """The arguments of the restore that brings this version back; what has expired since lives as long again."""
    expired = entry.expires_at is not None and entry.expires_at <= time.time() * 1000
    expiry = {"expiry": "shift"} if expired else {}
    return {"name": name, "mode": "overwrite", "keys": [key_text(entry.key)], "databases": [entry.db], **expiry}
