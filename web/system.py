"""What there is to know of the machinery: source, broker, workers, settings, without a secret in it."""

from dataclasses import dataclass
from typing import Any

from web.memory import Memory
from web.words import listed
from worker import access, audit, catalogue
from worker.config import WebSettings
from worker.errors import BrokerUnavailableError
from worker.runs import Run

ROLES = {
    "jobs": "backups, restores, undos, verifications",
    "quick": "statistics, checks, previews, searches, pruning, deletions",
    "celery": "everything",
    "beat": "the schedule",
}
EVENTS = 30
"""Lines of the audit log that are shown."""


@dataclass(frozen=True)
class Entry:
    """Who may enter by token, and who did what; empty where the broker is away."""

    tokens: list[access.Token]
    deeds: list[audit.Deed]


def entry(settings: WebSettings) -> Entry:
    """Tokens by name, and the latest deeds."""
    try:
        return Entry(access.tokens(settings), audit.recent(settings, EVENTS))
    except BrokerUnavailableError:
        return Entry([], [])


def source_facts(memory: Memory) -> tuple[dict[str, Any], Run | None]:
    """What the source said of itself last, and in which run: of statistics and checks the younger one counts."""
    candidates = [run for run in (memory.stats, memory.ping) if run is not None and isinstance(run.value, dict)]
    latest = max(candidates, key=lambda run: run.queued_at, default=None)
    if latest is None:
        return {}, None
    if latest.operation == "ping":
        return {"address": latest.value.get("address"), "reachable": True, **latest.value.get("facts", {})}, latest
    return latest.value.get("source", {}), latest


def shown(settings: WebSettings, memory: Memory) -> dict[str, str]:
    """Every setting by its name; of addresses only what is no secret."""
    databases = settings.backup_databases
    return {
        "REDIS_URL": f"{catalogue.scope_of(settings).address} (user and password not shown)",
        "REDIS_TARGETS": listed(sorted(settings.redis_targets)) or "none",
        "CELERY_BROKER_URL": f"{memory.facts.get('broker', {}).get('address', 'set')} (user and password not shown)",
        "BACKUP_STORAGE": settings.backup_storage,
        "BACKUP_ENGINE": settings.backup_engine,
        "BACKUP_FORMAT": settings.backup_format,
        "BACKUP_COMPRESSION": settings.backup_compression or "what suits the format",
        "BACKUP_DATABASES": "all" if databases is None else listed(sorted(databases)),
        "BACKUP_KEEP": str(settings.backup_keep),
        "BACKUP_UNDO_DAYS": str(settings.backup_undo_days),
        "BACKUP_DAILY_AT": f"{settings.backup_daily_at:%H:%M}",
        "BACKUP_EVERY_HOURS": f"{settings.backup_every_hours:g}",
        "MIRROR_BIND, MIRROR_PORT": f"{settings.mirror_bind or 'as the target sees us'}, {settings.mirror_port or 'any'}",
        "TZ": settings.tz,
        "LOG_LEVEL": settings.log_level,
        "WEB_BIND, PORT": f"{settings.web_bind}, {settings.port}",
        "SESSION_SECRET": "set, not shown",
        "ADMIN_PASSWORD": "as a hash, not shown" if settings.admin_password_hash else "set, not shown",
    }
