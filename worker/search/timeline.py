"""Some keys, or all, from backup to backup up to now: how many went, came or changed, where, and the last good backup of them."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import structlog

from worker.arguments.moments import at_offset
from worker.arguments.questions import LIVE, TimelineArguments
from worker.config.settings import Settings
from worker.errors import BackupSystemError, StoppedError
from worker.formats.encryption import keys_of
from worker.formats.entries import EntryStream
from worker.formats.key_text import key_bytes, key_text
from worker.progress import Progress
from worker.repository import catalogue
from worker.repository.scope import scope_of
from worker.restore.selection.filters import Selected, name_rule, prefix_of
from worker.search import history
from worker.search.alive import Alive
from worker.search.few import Few, are_few
from worker.search.last_good import Step, last_good
from worker.search.marks import Change, Counts, Marks, Shared
from worker.search.places import Stored
from worker.segments.chain import stretches
from worker.segments.marks import milliseconds
from worker.segments.telling.harm import Meant, worst
from worker.segments.telling.walking import Span
from worker.server.endpoint import SOURCE, Endpoint
from worker.storage import open_storage

log = structlog.get_logger()

PREFIXES_SHOWN = 20
CHANGES: tuple[Change, ...] = ("gone", "differs", "new", "expired")

Data = dict[str, Any]


def timeline(settings: Settings, arguments: TimelineArguments, progress: Progress) -> Data:
    """Follow keys through the newest backups of the source. What cannot be read becomes one of the `problems`.

    Each backup is read once, and not at all for a few keys that are named: those are looked up. Memory does not grow with the number of keys: see Marks.
    """
    clock = time.monotonic()
    problems: list[str] = []
    walk = _Walk(settings, arguments, problems, progress)
    versions = walk.versions()
    steps = [
        Step(older["where"], newer["where"], newer["changes"]["gone"], newer["changes"]["differs"])
        for newer, older in pairwise(versions)
    ]
    good = last_good(steps)
    closer = None if good is None else _closer(settings, arguments, good, versions, problems)
    seconds = round(time.monotonic() - clock, 3)
    log.info("timeline_made", backups=len(versions), seconds=seconds)
    return {
        "versions": versions,
        "good": None if good is None else good._asdict(),
        "closer": closer,
        "by_prefix": walk.by_prefix(),
        "problems": problems,
        "seconds": seconds,
    }


def _closer(
    settings: Settings, arguments: TimelineArguments, good: Step, versions: list[Data], problems: list[str]
) -> Data | None:
    """`{moment, since, until, number, emptied, went}`: the place in the replication stream right before most of the harm behind that
    backup was done, where the stream reaches there; None where it does not.
    """
    times = {version["where"]: datetime.fromisoformat(version["at"]) for version in versions}
    span = Span(milliseconds(times[good.before]), milliseconds(times[good.after]))
    names = [] if arguments.match or arguments.keys is None else [*map(key_bytes, arguments.keys)]
    meant = Meant(name_rule(arguments), names, good.gone > 0, arguments.databases)
    try:
        harm = worst(stretches(settings)[0], span, meant)
    except StoppedError:
        raise
    except BackupSystemError as error:
        problems.append(f"The replication stream was not looked into. {error}")
        return None
    if harm is None:
        return None
    since, until = (datetime.fromtimestamp(ms / 1000, UTC).isoformat() for ms in (harm.since, harm.until))
    told = {"number": harm.number, "emptied": harm.emptied, "went": good.gone > 0}
    return {"moment": at_offset(harm.before, harm.history), "since": since, "until": until, **told}


class _Walk:
    """One walk from now into the past, two states at a time."""

    def __init__(
        self, settings: Settings, arguments: TimelineArguments, problems: list[str], progress: Progress
    ) -> None:
        self._settings, self._arguments, self._problems, self._progress = settings, arguments, problems, progress
        self._shared = Shared()
        self._by_prefix: defaultdict[bytes | None, Counter[Change]] = defaultdict(Counter)
        self._stored = self._backups()

    def _backups(self) -> list[Stored]:
        """The newest of the source, those left out that do not hold all its keys."""
        storage, keys = open_storage(self._settings.backup_storage), keys_of(self._settings)
        own = catalogue.own(catalogue.read(storage).backups, scope_of(self._settings))
        stored = (Stored(storage, manifest, keys) for manifest in own if not manifest.lacks_keys)
        return [backup for backup, _ in zip(stored, range(self._arguments.backups), strict=False)]

    def versions(self) -> list[Data]:
        """`{where, at, keys, changes}` of each state, newest first; `changes` since the one before it, None of the oldest."""
        versions: list[Data] = []
        later: tuple[Stored, Marks] | None = None
        for backup in self._stored:
            marks = Marks(self._shared)
            try:
                self._read(backup, marks)
                if later is not None:
                    versions[-1]["changes"] = self._counted(marks.until(later[1], later[0].read_by))
            except BackupSystemError as error:
                marks.close()
                if isinstance(error, StoppedError):
                    raise
                self._problems.append(history.problem(backup, error))
                continue
            if later is not None:
                later[1].close()
            else:
                versions += self._now(backup, len(marks))
            versions.append({"where": backup.name, "at": backup.at.isoformat(), "keys": len(marks), "changes": None})
            later = backup, marks
        if later is not None:
            later[1].close()
        return versions

    def _read(self, backup: Stored, marks: Marks) -> None:
        with self._meant(backup) as stream:
            for batch in stream.batches():
                marks.add(batch, stream.rdb_version)

    @contextmanager
    def _meant(self, backup: Stored) -> Iterator[EntryStream]:
        """The keys of a backup that are followed."""
        tell = self._numbered(backup)
        if are_few(self._arguments):
            yield Few(backup, self._arguments, tell)
        else:
            with backup.read(tell) as stream:
                yield Selected(stream, self._arguments)

    def _now(self, newest: Stored, keys: int) -> list[Data]:
        """What became of a backup's keys by now, in a list; none where the source cannot be read.

        Keys that came since are not counted: the names of all live keys would have to be read for them.
        """
        counts: Counts = Counter()
        try:
            live = Alive(Endpoint(self._settings.redis_url, SOURCE, hurried=self._settings.backup_pace == "full"))
            with self._meant(newest) as stream:
                for judged in live.beside(stream, newest.databases()):
                    counts.update((prefix_of(entry.key), _NOW[kind]) for kind, entry in judged if kind in _NOW)
        except StoppedError:
            raise
        except BackupSystemError as error:
            self._problems.append(str(error))
            return []
        changes = self._counted(counts)
        there = keys - changes["gone"] - changes["expired"]
        return [{"where": LIVE, "at": live.at.isoformat(), "keys": there, "changes": changes}]

    def _numbered(self, backup: Stored) -> Progress:
        """Progress that says which of the backups is being read."""

        def tell(phase: str, current: int, total: int | None, unit: str) -> None:
            self._progress(f"{phase} {self._stored.index(backup) + 1} of {len(self._stored)}", current, total, unit)

        return tell

    def _counted(self, counts: Counts) -> dict[str, int]:
        """All prefixes together, once each is noted."""
        total: Counter[str] = Counter()
        for (prefix, change), number in counts.items():
            self._by_prefix[prefix][change] += number
            total[change] += number
        return {change: total[change] for change in CHANGES}

    def by_prefix(self) -> list[Data]:
        """The prefixes of which most keys went or changed in all, those first."""
        harmed = [(prefix, counts) for prefix, counts in self._by_prefix.items() if counts["gone"] or counts["differs"]]
        ordered = sorted(harmed, key=lambda item: (-item[1]["gone"] - item[1]["differs"], item[0] or b""))
        return [*_as_rows(ordered)][:PREFIXES_SHOWN]


_NOW: dict[str, Change] = {"new": "gone", "differs": "differs", "expired": "expired"}
"""What a key of the newest backup is beside the live ones, and what has become of it since."""


def _as_rows(ordered: list[tuple[bytes | None, Counter[Change]]]) -> Iterator[Data]:
    for prefix, counts in ordered:
        if prefix is not None:
            yield {"prefix": key_text(prefix) if prefix else "", **{change: counts[change] for change in CHANGES}}
