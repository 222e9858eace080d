"""What a person looks at: every page works as plain HTML, and every change is a form.

Here: whether all is well, the schedule, the machinery. backups.py and history.py have the other pages.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar

from flask import Blueprint, render_template, request

from web.activity import Memory, remember
from web.auth import needs
from web.pages.misfits import rendered
from web.planned import planned
from web.wording import answers, numbers, system, verdict
from web.wording.pictures import charts, day_strip
from worker.alerts.judged import promised
from worker.backups import schedule
from worker.broker.scopes import SCOPES
from worker.config.settings import WebSettings, load_web
from worker.errors import StorageError, UnreadError
from worker.repository import catalogue
from worker.repository.copies import holdings
from worker.repository.copies.standing import Standing, standings
from worker.repository.drills import standing as drills
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.repository.signing import keys
from worker.repository.trash import Trashed
from worker.repository.versions.lost import Lost
from worker.storage import open_storage

pages = Blueprint("pages", __name__)

PER_PAGE, MOST_PAGES = 25, 1_000_000
Answer = tuple[str, int]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Stored:
    """What is in storage; `fault` where it cannot be looked into."""

    backups: list[Manifest]
    faults: dict[str, str]
    """By its name, what is wrong with each of the rest."""
    fault: str | None = None
    undos: list[Manifest] = field(default_factory=list)
    """What is kept to undo restores."""
    missing: str | None = None
    """The folder, where it is not there."""
    partials: list[Manifest] = field(default_factory=list)
    listed: list[Manifest] = field(default_factory=list)
    """The backups, and those that count for nothing, newest first."""
    ahead: list[Manifest] = field(default_factory=list)
    """Those that are dated in the future."""
    damaged: list[catalogue.Damaged] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    trash: list[Trashed] = field(default_factory=list)
    unpinned: frozenset[str] = frozenset()
    lost: list[Lost] = field(default_factory=list)
    seen_at: datetime | None = None
    """When the storage was looked into, where that was not right now."""
    alarms: list[str] = field(default_factory=list)
    amiss: dict[str, str] = field(default_factory=dict)
    """By its name, what is missing or was put back."""
    copies: list[Standing] = field(default_factory=list)
    """How it stands in the other storages, as far as this process has seen."""
    is_unread: bool = False
    """Whether the fault is only that so many manifests are still being read."""

    @property
    def bytes(self) -> int:
        """Of all backups."""
        return sum(one.bytes.stored for one in self.backups)

    def own(self, settings: WebSettings) -> list[Manifest]:
        """Backups of this source as it is set now, newest first."""
        return [*catalogue.own(self.backups, scope_of(settings))]

    def newest(self, settings: WebSettings) -> Manifest | None:
        """The first of these."""
        return next(catalogue.own(self.backups, scope_of(settings)), None)


@dataclass(frozen=True)
class Part:
    """One page of a long list."""

    items: list[Any]
    page: int
    more: bool


def stored(settings: WebSettings) -> Stored:
    """The catalogue; one that cannot be read is a fault to be shown, and no reason for an error page."""
    storage = open_storage(settings.backup_storage)
    try:
        contents = catalogue.read(storage)
    except StorageError as error:
        return Stored([], {}, str(error), is_unread=isinstance(error, UnreadError))
    missing = None if storage.exists() else str(storage)
    names = (
        "undos",
        "partials",
        "listed",
        "ahead",
        "damaged",
        "warnings",
        "trash",
        "unpinned",
        "lost",
        "alarms",
        "amiss",
        "seen_at",
    )
    shown = {name: getattr(contents, name) for name in names}
    copies = standings(settings, contents, holdings.remembered(settings))
    return Stored(contents.backups, contents.faults, missing=missing, copies=copies, **shown)


def part(items: Iterable[Item], size: int = PER_PAGE) -> Part:
    """The items of the page that the address asks for."""
    page = min(max(1, request.args.get("page", 1, type=int)), MOST_PAGES)
    shown = list(islice(items, (page - 1) * size, page * size + 1))
    return Part(shown[:size], page, len(shown) > size)


@pages.get("/")
@needs("read")
def overview() -> str:
    """Whether all is well."""
    settings, now = load_web(), datetime.now(UTC)
    memory, contents = remember(settings, day_strip.DAYS + 1), stored(settings)
    own = contents.own(settings)
    newest = own[0] if own else None
    seen = situation(settings, memory, contents, now)
    listeners, missed = system.listeners(settings, memory)
    asked = answers.Facts(
        now, None if contents.fault else own, seen.drills, listeners, missed, system.stream(settings, memory)
    )
    return render_template(
        "summary.html",
        answers=answers.answers(asked),
        is_followed=settings.backup_stream_seconds > 0,
        verdict=verdict.verdict(seen),
        days=day_strip.days(_past(memory, own, settings), now, settings.tz),
        words=day_strip.WORDS,
        source=scope_of(settings),
        newest=newest,
        verified=max((backup for backup in own if backup.verified_at), key=_verified, default=None),
        contents=contents,
        memory=memory,
        sizes=_curve(own, lambda backup: backup.bytes.stored, numbers.size),
        keys=_curve(own, lambda backup: backup.keys or 0, lambda count: numbers.counted(int(count), "key")),
    )


def situation(settings: WebSettings, memory: Memory, contents: Stored, now: datetime) -> verdict.Situation:
    """All that the banner is drawn from."""
    newest = contents.newest(settings)
    return verdict.Situation(
        now=now,
        promise=promised(settings.backup_every_hours),
        newest=newest,
        next_run=_next_run(settings, newest, now),
        memory=memory,
        problems=[*contents.faults.values()],
        lost=[contents.faults[missed.name] for missed in contents.lost],
        alarms=contents.alarms or _heard_of(settings, memory),
        ahead=contents.ahead,
        partial=next((backup for backup in contents.partials if backup.scope == scope_of(settings)), None),
        names=frozenset(backup.name for backup in contents.listed) if memory.damaged else frozenset(),
        fault=contents.fault,
        is_unread=contents.is_unread,
        missing=contents.missing,
        copies=contents.copies,
        drills=None if contents.fault else drills.standing(contents.own(settings), settings.drill_every_days, now),
    )


def _heard_of(settings: WebSettings, memory: Memory) -> list[str]:
    """What a worker has found, where we know neither its key nor what it remembers: in a container of our own."""
    if settings.backup_trusted_keys or keys.own_public(settings) is not None:
        return []
    value = memory.stats.value if memory.stats is not None else None
    alarms = value.get("alarms") if isinstance(value, dict) else None
    return [str(alarm) for alarm in alarms] if isinstance(alarms, list) else []


def _next_run(settings: WebSettings, newest: Manifest | None, now: datetime) -> datetime:
    daily = schedule.next_daily(settings, now)
    return min(daily, schedule.next_interval(settings, newest.created_at if newest else None, now))


def _past(memory: Memory, own: list[Manifest], settings: WebSettings) -> day_strip.Past:
    """Runs tell of backups that were pruned since, manifests of those that no run is remembered of."""
    made = {backup.name: backup.created_at for backup in own}
    for run in memory.backups:
        if run.state == "SUCCESS" and not run.skipped and isinstance(run.value, dict):
            made.setdefault(str(run.value.get("name")), run.started_at or run.queued_at)
    failed = [run.ended_at or run.queued_at for run in memory.backups if run.state in ("FAILURE", "INTERRUPTED")]
    running = any(run.operation == "backup" and run.state == "STARTED" for run in memory.unfinished)
    away = memory.word is not None and memory.word.error is not None
    held = away or any(run.operation == "backup" for run in memory.troubled)
    return day_strip.Past(list(made.values()), failed, running, promised(settings.backup_every_hours), held)


def _verified(backup: Manifest) -> datetime:
    return backup.verified_at or datetime.min.replace(tzinfo=UTC)


def _curve(own: list[Manifest], value: Any, shown: Any) -> charts.Curve | None:
    points = [(backup.created_at, float(value(backup))) for backup in reversed(own)]
    return charts.curve(points, shown)


@pages.get("/system")
@needs("read")
def machinery() -> str:
    """Source, storage, workers, settings, tokens, and who did what."""
    return show_system()[0]


def show_system(error: str | None = None, status: int = 200) -> Answer:
    """The same, with what went wrong."""
    settings, now = load_web(), datetime.now(UTC)
    memory, contents = remember(settings, 31), stored(settings)
    source, asked = system.source_facts(memory)
    return rendered(
        "system.html",
        {"source": {}, "asked": None, "memory": replace(memory, stats=None, ping=None, rights=None), "trial": None},
        settings=system.shown(settings, memory),
        encrypted=bool(settings.backup_age_recipients),
        memory=memory,
        verdict=verdict.verdict(situation(settings, memory, contents, now)),
        contents=contents,
        source=source,
        asked=asked,
        trial=memory.trial,
        stream=system.stream(settings, memory),
        is_followed=settings.backup_stream_seconds > 0,
        encrypted_there=_encrypted_there(settings),
        planned=planned(),
        free=_free_bytes(settings),
        roles=system.ROLES,
        scopes=SCOPES,
        entry=system.entry(settings, memory),
        told=bool(settings.notify_urls or settings.notify_webhook_url),
        heartbeat=settings.heartbeat_url is not None,
        error=error,
        form=request.form,
    ), status


def _encrypted_there(settings: WebSettings) -> dict[str, int]:
    """How many encrypted backups each of the other storages holds."""
    seen = {reading.where: reading.contents for reading in holdings.remembered(settings)}
    return {where: sum(backup.encrypted for backup in contents.backups) for where, contents in seen.items() if contents}


def _free_bytes(settings: WebSettings) -> int | None:
    try:
        return open_storage(settings.backup_storage).free_bytes()
    except StorageError:
        return None  # the page tells the fault already
