"""What is known at one moment of backups, copies, source, storage and workers: all that conditions are judged by."""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from typing import Any

from worker.broker import heartbeat
from worker.config.settings import Settings
from worker.config.storage_url import place_of
from worker.errors import StorageError, UnreadError
from worker.repository import catalogue
from worker.repository.contents import Catalogue
from worker.repository.copies import places
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.runs import reach
from worker.runs.run import Run
from worker.runs.store import Ours, open_runs
from worker.segments.visits.standing import Standing, shown

STORAGE_SECONDS = 20
"""How long manifests are read that no one has read before; the next look goes on from there."""
BROKER_SECONDS, IN_ALL_SECONDS = 2, 10
LOOKED_THROUGH = 200
"""How many runs of one kind are searched for the latest of something."""


@dataclass(frozen=True)
class Facts:
    """What is None could not be found out, and nothing is judged by it."""

    now: datetime
    since: datetime
    """Since when somebody looks."""
    settings: Settings
    source: str = ""
    """Its address."""
    contents: Catalogue | None = None
    fault: str | None = None
    """Why the storage cannot be looked into."""
    is_there: bool = True
    """Whether the folder of the storage is there."""
    backups: list[Run] = field(default_factory=list)
    """Newest first, as are the others."""
    verifications: list[Run] = field(default_factory=list)
    prunes: list[Run] = field(default_factory=list)
    copies: dict[str, Run] = field(default_factory=dict)
    """The latest that ended for each of the other storages, by what people call that."""
    standings: list[dict[str, Any]] | None = None
    """How it stands there, as the latest statistics found it."""
    word: reach.Word | None = None
    """Whether the source could be reached."""
    free_bytes: int | None = None
    alive: dict[str, list[str]] | None = None
    """Hosts by role."""
    stream: Standing | None = None
    """How it stands with the replication stream, by the last visit."""

    @property
    def own(self) -> list[Manifest]:
        """The good backups of this source, newest first."""
        return [*catalogue.own(self.contents.backups, scope_of(self.settings))] if self.contents else []

    @property
    def newest(self) -> Manifest | None:
        """The newest of these."""
        return next(iter(self.own), None)

    @property
    def partial(self) -> Manifest | None:
        """The newest of this source that lacks keys."""
        lacking = self.contents.partials if self.contents else []
        return next((backup for backup in lacking if backup.scope == scope_of(self.settings)), None)


def gather(settings: Settings, now: datetime, since: datetime) -> Facts:
    """All of it, within a minute; of the source, the copies and the room what the latest statistics found. Raises
    BrokerUnavailableError.
    """
    contents, fault = _stored(settings)
    with open_runs(settings, BROKER_SECONDS, IN_ALL_SECONDS) as runs:
        ours = runs.ours
        statistics = ours.latest("stats", state="SUCCESS")
        backups = _ended(ours, "backup")
        last_made = next((run for run in backups if run.state == "SUCCESS" and not run.skipped), None)
        numbers = statistics.value if statistics is not None and isinstance(statistics.value, dict) else {}
        return Facts(
            now=now,
            since=since,
            settings=settings,
            source=str(scope_of(settings).address),
            contents=contents,
            fault=fault,
            is_there=places.home(settings).exists() if fault is None else True,
            backups=backups,
            verifications=_ended(ours, "verify"),
            prunes=_ended(ours, "prune"),
            copies=_copies(settings, ours),
            standings=numbers.get("copies"),
            word=reach.latest([statistics, ours.latest("ping"), ours.latest("ping", state="SUCCESS"), last_made]),
            free_bytes=(numbers.get("storage") or {}).get("free_bytes"),
            alive=heartbeat.seen(settings),
            stream=shown(settings, str(scope_of(settings).address)) if settings.backup_stream_seconds else None,
        )


def _stored(settings: Settings) -> tuple[Catalogue | None, str | None]:
    """What lies in storage, or why that cannot be said; neither where it only takes longer."""
    try:
        return catalogue.read(places.home(settings), STORAGE_SECONDS), None
    except UnreadError:
        return None, None
    except StorageError as error:
        return None, error.outside


def _ended(ours: Ours, operation: str) -> list[Run]:
    return [run for run in islice(ours.each(operation), LOOKED_THROUGH) if run.ended]


def _copies(settings: Settings, ours: Ours) -> dict[str, Run]:
    if not settings.backup_copies:
        return {}
    runs = [run for run in _ended(ours, "copy") if run.tells]
    storages = places.elsewhere(settings)
    latest = zip(storages, (_latest_to(runs, storage.place) for storage in storages), strict=True)
    return {str(storage): run for storage, run in latest if run is not None}


def _latest_to(runs: list[Run], place: str) -> Run | None:
    """The latest that copied to that storage, or to all."""
    return next((run for run in runs if (to := run.arguments.get("to")) is None or place_of(str(to)) == place), None)
