"""The numbers on the dashboard: the backups, the source, and what comes next.

Newest, oldest and age are those of this source's own backups; count, bytes and history are of all in storage, but for
what restores can be undone with, for partial backups and for the trash: those are counted apart.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from worker.backups import schedule
from worker.broker.choices import following
from worker.config.settings import Settings
from worker.errors import BackupSystemError, SourceUnavailableError
from worker.notify.overview import overview
from worker.repository import catalogue
from worker.repository.copies import holdings
from worker.repository.copies.standing import Standing, standings
from worker.repository.drills import standing as drills
from worker.repository.drills.standing import standing
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.signing import keys
from worker.server.endpoint import BROKER, GLANCE, Endpoint
from worker.server.info import read_facts
from worker.storage import open_storage

MOST_POINTS = 1000
"""Backups that the history has: the numbers are kept with their run, and read for every page."""


def stats(settings: Settings) -> dict[str, Any]:
    """Count, bytes, ages, history, next runs and the source's facts. A source that is away is a fact, and no error."""
    now = datetime.now(UTC)
    storage = open_storage(settings.backup_storage)
    contents = catalogue.read(storage)
    backups = contents.backups
    copies = standings(settings, contents, holdings.look(settings))
    scope = scope_of(settings)
    own = [*catalogue.own(backups, scope)]
    newest, oldest = (own[0], own[-1]) if own else (None, None)
    rehearsed = standing(own, settings.drill_every_days, now)
    raw, stored = sum(backup.bytes.raw for backup in backups), sum(backup.bytes.stored for backup in backups)
    return {
        "count": len(backups),
        "bytes": stored,
        "undos": {"count": len(contents.undos), "bytes": sum(backup.bytes.stored for backup in contents.undos)},
        "partials": {
            "count": len(contents.partials),
            "bytes": sum(backup.bytes.stored for backup in contents.partials),
        },
        "trash": {"count": len(contents.trash), "bytes": sum(trashed.bytes for trashed in contents.trash)},
        "ahead": [backup.name for backup in contents.ahead[:MOST_POINTS]],
        "suspicious": [backup.name for backup in contents.listed if backup.suspicious][:MOST_POINTS],
        "newest": newest.name if newest else None,
        "oldest": oldest.name if oldest else None,
        "last_good_at": newest.created_at.isoformat() if newest else None,
        "last_good_age_seconds": round(newest.age_seconds(now), 1) if newest else None,
        "compression_ratio": round(raw / stored, 2) if stored else None,
        "history": [_point(backup) for backup in reversed(backups[:MOST_POINTS])],
        "next_runs": _next_runs(settings, newest, now),
        "copies": [_copies(there) for there in copies],
        "rehearsed": _rehearsed(rehearsed),
        "channels": _channels(settings),
        "storage": {"where": str(storage), "free_bytes": storage.free_bytes()},
        "alarms": catalogue.in_brief(contents.alarms),
        "signing": {"key": keys.own_public(settings), "trusted": [*settings.backup_trusted_keys]},
        "problems": catalogue.in_brief(contents.problems),
        "warnings": catalogue.in_brief(
            [
                *contents.warnings,
                *(said for each in copies for said in each.warnings),
                *filter(None, (rehearsed.warning, following.standing(settings).warning)),
            ]
        ),
        "source": (source := _source(settings)),
        "broker": _broker(settings, source.get("run_id")),
    }


def _copies(there: Standing) -> dict[str, Any]:
    moments = {"read_at": there.read_at, "newest_at": there.newest_at}
    return asdict(there) | {name: moment.isoformat() if moment else None for name, moment in moments.items()}


def _rehearsed(rehearsed: drills.Standing) -> dict[str, Any] | None:
    """The last rehearsal that brought everything back; None where there was none."""
    if rehearsed.good is None:
        return None
    drill = rehearsed.good.drill
    return {"name": rehearsed.good.backup.name, **drill.model_dump(mode="json"), "seconds_per_gb": drill.seconds_per_gb}


def _channels(settings: Settings) -> list[dict[str, Any]] | None:
    """How it stands with each channel that messages go to, with the number of those that wait; None while the broker is away."""
    # The numbers are asked for by a shell as well, which may have no broker.
    try:
        rows = overview(settings)["channels"]
    except BackupSystemError:
        return None
    return [row | {"waiting": len(row["waiting"])} for row in rows]


def _point(manifest: Manifest) -> dict[str, Any]:
    return {
        "name": manifest.name,
        "created_at": manifest.created_at.isoformat(),
        "source": manifest.source.address,
        "bytes": manifest.bytes.stored,
        "raw_bytes": manifest.bytes.raw,
        "keys": manifest.keys,
        "seconds": manifest.duration_seconds,
    }


def _next_runs(settings: Settings, newest: Manifest | None, now: datetime) -> dict[str, str]:
    return {
        "daily": schedule.next_daily(settings, now).isoformat(),
        "interval": schedule.next_interval(settings, newest.created_at if newest else None, now).isoformat(),
    }


def _broker(settings: Settings, source_run_id: str | None) -> dict[str, Any]:
    """What is wrong with the broker: it may evict jobs when memory is short, or be the source itself."""
    endpoint = Endpoint(settings.celery_broker_url, BROKER)
    try:
        facts = read_facts(endpoint)
    except BackupSystemError as error:
        return {"address": endpoint.address, "reachable": False, "error": str(error)}
    same = bool(facts.run_id) and facts.run_id == source_run_id
    return {"address": endpoint.address, "reachable": True, "eviction": facts.eviction, "is_source": same}


def _source(settings: Settings) -> dict[str, Any]:
    endpoint = Endpoint(settings.redis_url, GLANCE)
    facts = {"address": endpoint.address}
    try:
        return {**facts, "reachable": True, "answers": True, **asdict(read_facts(endpoint))}
    except BackupSystemError as error:
        # A server that refuses us does answer.
        answers = not isinstance(error, SourceUnavailableError)
        return {**facts, "reachable": False, "answers": answers, "error": str(error), "outside": error.outside}
