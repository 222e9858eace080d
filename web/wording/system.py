"""What there is to know of the machinery: source, broker, workers, settings, without a secret in it."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from web.activity import Memory
from web.wording.numbers import listed, size
from web.wording.runs import whose
from worker.broker import audit
from worker.broker.tokens import Token, tokens
from worker.config.address import joined
from worker.config.age_keys import fingerprint
from worker.config.fields import written
from worker.config.notify_urls import scheme_of
from worker.config.settings import WebSettings
from worker.errors import BrokerUnavailableError
from worker.notify.channels import channels
from worker.notify.overview import overview
from worker.notify.standing import standings
from worker.repository.scope import scope_of
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.segments.visits.standing import Standing, shown_or_none

ROLES = {
    "jobs": "backups, restores, undos, verifications, copies",
    "quick": "statistics, checks, pruning, pinning, deletions",
    "questions": "previews, searches, trials of the storage",
    "stream": "visits of the replication stream",
    "celery": "everything",
    "beat": "the schedule",
}
EVENTS = 30
"""Lines of the audit log that are shown."""


@dataclass(frozen=True)
class Entry:
    """The tokens, and who did what; `away` says why where the broker cannot be read."""

    tokens: list[Token]
    deeds: list[tuple[audit.Deed, str]]
    """Each with whose data its run dealt with, unless all are ours."""
    told: dict[str, Any]
    """Who hears of what is wrong, as worker/notify/overview.py has it."""
    away: str | None = None


def entry(settings: WebSettings, memory: Memory) -> Entry:
    """Tokens by name, and the latest deeds; a broker that was away a moment ago is not waited for again."""
    if memory.away is not None:
        return Entry([], [], {}, memory.away)
    try:
        return Entry(tokens(settings), _deeds(settings), overview(settings))
    except BrokerUnavailableError as error:
        return Entry([], [], {}, str(error))


def listeners(settings: WebSettings, memory: Memory) -> tuple[list[str] | None, list[str]]:
    """The channels that messages go to, None while nobody knows; and those of them that do not work."""
    if memory.away is not None:
        return None, []
    try:
        known = standings(settings) if (names := [channel.name for channel in channels(settings)]) else {}
    except BrokerUnavailableError:
        return None, []
    return names, [name for name in names if name in known and known[name].why is not None]


def stream(settings: WebSettings, memory: Memory) -> Standing | None:
    """How it stands with the replication stream; None where it is not brought home, was not yet, or nobody can tell."""
    if memory.away is not None or not settings.backup_stream_seconds:
        return None
    return shown_or_none(settings, str(scope_of(settings).address))


def _deeds(settings: WebSettings) -> list[tuple[audit.Deed, str]]:
    deeds = audit.recent(settings, EVENTS)
    ran = [_run(deed) for deed in deeds]
    with open_runs(settings) as runs:
        several = not all(run is None or runs.ours.has(run) for run in ran)
    return [(deed, whose(run) if several and run else "") for deed, run in zip(deeds, ran, strict=True)]


def _run(deed: audit.Deed) -> Run | None:
    """The run of a deed, as far as the audit log knows it; None where it was no run."""
    facts = {"operation": deed.what, "asked_by": deed.who, "queued_at": deed.at, "due_at": deed.at}
    with suppress(ValidationError):
        return Run.model_validate({**deed.details, **facts, "id": deed.details.get("run")})
    return None


def source_facts(memory: Memory) -> tuple[dict[str, Any], Run | None]:
    """The latest facts about the source, and the run that got them: of statistics and checks the younger one."""
    answers: list[tuple[dict[str, Any], Run]] = []
    if memory.stats is not None and "source" in memory.facts:
        answers.append((memory.facts["source"], memory.stats))
    ping = memory.ping
    if ping is not None and isinstance(ping.value, dict) and isinstance(facts := ping.value.get("facts"), dict):
        answers.append(({"address": ping.value.get("address"), "reachable": True, **facts}, ping))
    return max(answers, key=lambda answer: answer[1].queued_at, default=({}, None))


def shown(settings: WebSettings, memory: Memory) -> dict[str, str]:
    """Every setting by its name; addresses without their secrets."""
    databases = settings.backup_databases
    return {
        "REDIS_URL": f"{scope_of(settings).address} (user and password not shown)",
        "REDIS_TARGETS": listed(sorted(settings.redis_targets)) or "none",
        "CELERY_BROKER_URL": f"{memory.facts.get('broker', {}).get('address', 'set')} (user and password not shown)",
        "CELERY_RESULT_BACKEND": f"{_address(settings.celery_result_backend)} (user and password not shown)",
        "BACKUP_STORAGE": settings.backup_storage,
        "BACKUP_COPIES": listed(settings.backup_copies) or "none",
        "BACKUP_COPIES_LATE_HOURS": f"{settings.backup_copies_late_hours:g}",
        "BACKUP_CACHE": settings.backup_cache,
        "BACKUP_CACHE_BYTES": f"{settings.backup_cache_bytes:,}",
        "BACKUP_STATE": settings.backup_state,
        "BACKUP_SIGNING_KEY_FILE": settings.backup_signing_key_file or "the one in BACKUP_STATE",
        "BACKUP_TRUSTED_KEYS": listed(settings.backup_trusted_keys) or "our own, and whoever signed there before us",
        "BACKUP_ENGINE": settings.backup_engine,
        "BACKUP_FORMAT": settings.backup_format,
        "BACKUP_COMPRESSION": settings.backup_compression or "what suits the format",
        "BACKUP_DATABASES": "all" if databases is None else listed(sorted(databases)),
        "BACKUP_AGE_RECIPIENTS": listed(map(fingerprint, settings.backup_age_recipients)) or "none: not encrypted",
        "BACKUP_AGE_IDENTITY_FILE": settings.backup_age_identity_file or "none here",
        "BACKUP_AGE_PASSPHRASE": _secret(settings.backup_age_passphrase),
        "BACKUP_PACE": settings.backup_pace,
        "BACKUP_STREAM_SECONDS": f"{settings.backup_stream_seconds:g}"
        if settings.backup_stream_seconds
        else "0: never",
        "BACKUP_STREAM, BACKUP_STREAM_CLOCK": f"{settings.backup_stream}, {settings.backup_stream_clock}",
        "BACKUP_STREAM_HOURS": f"{settings.backup_stream_hours:g}",
        "BACKUP_FULL_EVERY_DAYS": f"{settings.backup_full_every_days:g}"
        if settings.backup_full_every_days
        else "0: each is a snapshot",
        "BACKUP_STREAM_FOLDER": settings.backup_stream_folder,
        "BACKUP_KEEP": str(settings.backup_keep),
        "BACKUP_KEEP_MANUAL": str(settings.backup_keep_manual),
        "BACKUP_KEEP_HOURLY": str(settings.backup_keep_hourly),
        "BACKUP_KEEP_DAILY": str(settings.backup_keep_daily),
        "BACKUP_KEEP_WEEKLY": str(settings.backup_keep_weekly),
        "BACKUP_KEEP_MONTHLY": str(settings.backup_keep_monthly),
        "BACKUP_KEEP_YEARLY": str(settings.backup_keep_yearly),
        "BACKUP_KEEP_HOURS": f"{settings.backup_keep_hours:g}",
        "BACKUP_KEEP_BYTES": size(settings.backup_keep_bytes) if settings.backup_keep_bytes else "no ceiling",
        "BACKUP_SUSPICIOUS_KEYS": f"{settings.backup_suspicious_keys:g} %",
        "BACKUP_SUSPICIOUS_BYTES": f"{settings.backup_suspicious_bytes:g} %",
        "BACKUP_COPIES_KEEP": str(settings.backup_copies_keep or "as BACKUP_KEEP"),
        "BACKUP_LOCAL_KEEP": str(settings.backup_local_keep or "as BACKUP_KEEP"),
        "BACKUP_UNDO_DAYS": str(settings.backup_undo_days),
        "BACKUP_TRASH_DAYS": str(settings.backup_trash_days),
        "BACKUP_DAILY_AT": f"{settings.backup_daily_at:%H:%M}",
        "BACKUP_EVERY_HOURS": f"{settings.backup_every_hours:g}",
        "BACKUP_SOURCE_AWAY_MINUTES": f"{settings.backup_source_away_minutes:g}",
        "BACKUP_ROOM_FOR": str(settings.backup_room_for),
        "NOTIFY_QUIET": written(settings.notify_quiet),
        "NOTIFY_SUMMARY": written(settings.notify_summary),
        "NOTIFY_AGAIN_DAYS": f"{settings.notify_again_days:g}" if settings.notify_again_days else "never",
        "DRILL_EVERY_DAYS": f"{settings.drill_every_days:g}" if settings.drill_every_days else "0: never by itself",
        "DRILL_SERVERS": listed(settings.drill_servers) or "those of PATH, and the one of the packages",
        "QUESTION_MINUTES": f"{settings.question_minutes:g}",
        "NOTIFY_URLS": _masked(settings),
        "NOTIFY_LEVEL": listed(settings.notify_level),
        "NOTIFY_WEBHOOK_URL": _secret(settings.notify_webhook_url),
        "NOTIFY_WEBHOOK_SECRET": _secret(settings.notify_webhook_secret),
        "HEARTBEAT_URL": _secret(settings.heartbeat_url),
        "PUBLIC_URL": settings.public_url or "none: messages have no links",
        "RESTORE_WHOLE_KEYS": f"{settings.restore_whole_keys:,}" if settings.restore_whole_keys else "0: never",
        "MIRROR_BIND, MIRROR_PORT": f"{settings.mirror_bind or 'as the target sees us'}, {settings.mirror_port or 'any'}",
        "MIRROR_FROM": listed(map(str, settings.mirror_from)) or "where we reach the target",
        "TZ": settings.tz,
        "LOG_LEVEL, LOG_FORMAT": f"{settings.log_level}, {settings.log_format}",
        "WEB_BIND, PORT": f"{settings.web_bind}, {settings.port}",
        "WEB_PROXIES": str(settings.web_proxies),
        "SESSION_SECRET": "set, not shown",
        "ADMIN_PASSWORD": "as a hash, not shown" if settings.admin_password_hash else "set, not shown",
    }


def _secret(value: str | None) -> str:
    return "set, not shown" if value else "none"


def _masked(settings: WebSettings) -> str:
    """Of each address its scheme: whatever follows may be a secret."""
    return listed(f"{scheme_of(address)}://***" for address in settings.notify_urls) or "none: nobody is told"


def _address(url: str) -> str:
    """The URL of a Redis without its secrets: host and port, or the path of its socket."""
    parts = urlsplit(url)
    return parts.path if parts.scheme == "unix" else joined(parts.hostname or "localhost", parts.port or 6379)
