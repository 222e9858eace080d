"""The numbers for Prometheus, read from the catalogue, the runs and the signs of life at the moment of asking.

What cannot be read is left out, and a gauge says so: a number that stands still would be believed.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from itertools import islice

from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from worker.alerts import memory
from worker.backups import schedule
from worker.broker import heartbeat
from worker.config.settings import Settings
from worker.errors import BackupSystemError, UnreadError
from worker.notify.overview import overview
from worker.repository import catalogue
from worker.repository.contents import Catalogue
from worker.repository.copies import holdings
from worker.repository.copies.standing import Standing, standings
from worker.repository.drills.standing import standing
from worker.repository.manifest import Manifest
from worker.repository.scope import scope_of
from worker.runs import reach
from worker.runs.operations import OPERATIONS
from worker.runs.run import State
from worker.runs.store import Runs, open_runs
from worker.segments.visits.standing import shown
from worker.storage import Storage, open_storage

LAST = 100
"""Runs of each operation that are counted."""
BROKER_SECONDS = 2

Labelled = tuple[tuple[str, ...], float]


def exposition(settings: Settings) -> tuple[bytes, str]:
    """The text and its content type."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Numbers(settings))
    return generate_latest(registry), CONTENT_TYPE_LATEST


class _Numbers(Collector):
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def collect(self) -> Iterator[Gauge]:
        for what, numbers in (("storage", _of_storage), ("broker", _of_broker)):
            try:
                gauges = list(numbers(self._settings))
            except BackupSystemError:
                gauges = []
            yield from gauges
            yield _gauge(f"{what}_up", f"Whether the {what} can be read.", bool(gauges))


def _gauge(name: str, meaning: str, value: float) -> Gauge:
    return Gauge(f"redis_backup_{name}", meaning, value=value)


def _labelled(name: str, meaning: str, labels: tuple[str, ...], values: Iterable[Labelled]) -> Gauge:
    gauge = Gauge(f"redis_backup_{name}", meaning, labels=labels)
    for of, value in values:
        gauge.add_metric(of, value)
    return gauge


def _of_storage(settings: Settings) -> Iterator[Gauge]:
    storage = open_storage(settings.backup_storage)
    try:
        contents = catalogue.read(storage)
    except UnreadError:
        yield _unread(storage)
        return
    yield _unread(storage)
    newest = next(catalogue.own(contents.backups, scope_of(settings)), None)
    yield _gauge("backups", "Backups in storage.", len(contents.backups))
    yield _gauge("partial_backups", "Backups in storage that do not hold all they should.", len(contents.partials))
    suspicious = sum(bool(backup.suspicious) for backup in contents.listed)
    yield _gauge("suspicious_backups", "Backups that lost what those before them had, accepted by nobody.", suspicious)
    yield _gauge("problems", "Things in storage that are no whole backup.", len(contents.problems))
    ahead = sum(backup.is_ahead(datetime.now(UTC)) for backup in (*contents.ahead, *contents.undos))
    yield _gauge("backups_ahead", "Backups that are dated in the future, and count for nothing.", ahead)
    yield _gauge("damaged_manifests", "Backups whose manifest is not what was written.", len(contents.damaged))
    meaning = "Backups that somebody else has forged, put there or removed, or signed with a key that is not trusted."
    yield _gauge("alarms", meaning, len(contents.alarms))
    yield _gauge(
        "stored_bytes", "Bytes of all backups in storage.", sum(backup.bytes.stored for backup in contents.backups)
    )
    yield _gauge("trash_backups", "Backups that were deleted and can be put back.", len(contents.trash))
    yield _gauge("trash_bytes", "Bytes that those take.", sum(backup.bytes for backup in contents.trash))
    if (free := storage.free_bytes()) is not None:
        yield _gauge("storage_free_bytes", "Bytes that the storage still takes.", free)
    yield from _of_copies(settings, contents)
    yield _next_runs(settings, newest)
    if newest is not None:
        yield from _of_the_last(newest)
        yield from _of_drills(settings, contents)


def _of_drills(settings: Settings, contents: Catalogue) -> Iterator[Gauge]:
    """Of this source's backups: the last one that was brought back for trial, and how long that took."""
    own = [*catalogue.own(contents.backups, scope_of(settings))]
    known = standing(own, settings.drill_every_days, datetime.now(UTC))
    yield _gauge("drill_ok", "Whether a rehearsal is neither overdue nor failed.", known.warning is None)
    if known.good is not None:
        drill = known.good.drill
        yield _gauge("drill_timestamp_seconds", "When the last good rehearsal ended.", drill.at.timestamp())
        yield _gauge("drill_recovery_seconds", "How long it took until all keys were back.", drill.seconds)
        if drill.seconds_per_gb is not None:
            yield _gauge("drill_recovery_seconds_per_gb", "The same for 10^9 bytes of a dump.", drill.seconds_per_gb)


def _of_copies(settings: Settings, contents: Catalogue) -> Iterator[Gauge]:
    """Of each other storage, by its address, which holds no secret; as this process saw it last. Nothing until it has looked."""
    known = standings(settings, contents, holdings.remembered(settings))
    looked_at = [there for there in known if there.read_at or there.error]
    if not looked_at:
        return

    def each(number: Callable[[Standing], float | None]) -> list[Labelled]:
        return [((there.where,), value) for there in looked_at if (value := number(there)) is not None]

    by, newest, read = (
        ("storage",),
        each(lambda there: _seconds(there.newest_at)),
        each(lambda there: _seconds(there.read_at)),
    )
    yield _labelled("copies_up", "Whether that storage could be looked into.", by, each(lambda there: there.reachable))
    yield _labelled("copies", "Backups that lie there.", by, each(lambda there: there.count))
    yield _labelled("copies_missing", "Backups that are not there.", by, each(lambda there: there.missing))
    yield _labelled("copies_late", "Those of them that should be there by now.", by, each(lambda there: there.late))
    yield _labelled("copies_newest_timestamp_seconds", "When the newest backup there was begun.", by, newest)
    yield _labelled("copies_read_timestamp_seconds", "Of when these numbers are.", by, read)


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None


def _unread(storage: Storage) -> Gauge:
    meaning = (
        "Backups whose manifests are still to be read after a start; until then nothing else is said of the storage."
    )
    return _gauge("unread_backups", meaning, catalogue.unread(storage))


def _of_the_last(newest: Manifest) -> Iterator[Gauge]:
    at = newest.created_at.timestamp()
    yield _gauge("last_success_timestamp_seconds", "When the last good backup was begun.", at)
    yield _gauge("last_duration_seconds", "How long it took.", newest.duration_seconds)
    yield _gauge("last_size_bytes", "Bytes of its file in storage.", newest.bytes.stored)
    if newest.keys is not None:
        yield _gauge("keys", "Keys in it.", newest.keys)


def _next_runs(settings: Settings, newest: Manifest | None) -> Gauge:
    now = datetime.now(UTC)
    due = {
        ("daily",): schedule.next_daily(settings, now).timestamp(),
        ("interval",): schedule.next_interval(settings, newest.created_at if newest else None, now).timestamp(),
    }
    return _labelled("next_run_timestamp_seconds", "When the next backup is due.", ("schedule",), due.items())


def _of_broker(settings: Settings) -> Iterator[Gauge]:
    alive = {(role,): float(len(hosts)) for role, hosts in heartbeat.seen(settings).items()}
    yield _labelled("processes", "Workers and beats that were heard of lately.", ("role",), alive.items())
    yield from _of_alerts(settings)
    yield from _of_stream(settings)
    yield from _of_channels(settings)
    with open_runs(settings, BROKER_SECONDS) as runs:
        yield from _of_runs(runs)
        reach_it = [name for name, operation in OPERATIONS.items() if "source" in operation.concerns]
        asked: list[tuple[str, State]] = [*((name, "SUCCESS") for name in reach_it), ("ping", "FAILURE")]
        word = reach.latest([runs.ours.latest(operation, state=state) for operation, state in asked])
    if word is not None:
        yield _gauge("up", "Whether the source could be read when somebody last tried.", word.error is None)
        yield _gauge("up_timestamp_seconds", "When that was.", word.at.timestamp())


def _of_alerts(settings: Settings) -> Iterator[Gauge]:
    """Nothing until somebody has looked."""
    known = memory.read(settings)
    if known is None or known.seen_at is None:
        return
    counts = Counter(alert.level for alert in known.loud)
    of: list[Labelled] = [((level,), counts[level]) for level in ("warning", "bad")]
    yield _labelled("alerts", "What is wrong now and not silenced, by how bad it is.", ("level",), of)
    yield _gauge("alerts_seen_timestamp_seconds", "When a worker last looked.", known.seen_at.timestamp())


def _of_stream(settings: Settings) -> Iterator[Gauge]:
    """Nothing where it is not brought home, or was not yet."""
    last = shown(settings, str(scope_of(settings).address)) if settings.backup_stream_seconds else None
    if last is None:
        return
    yield _gauge("stream_visit_timestamp_seconds", "When the replication stream was last visited.", last.here_ms / 1000)
    if last.is_chain:
        age = last.age_seconds(datetime.now(UTC))
        yield _gauge("stream_recovery_point_seconds", "The age of what would be lost now.", age)
    yield _gauge(
        "stream_gap", "Whether it has a gap that no backup ends, so that no moment is there.", not last.is_chain
    )
    yield _gauge("stream_backlog_bytes", "What the source keeps of its stream.", last.backlog)
    yield _gauge("stream_backlog_wanted_bytes", "What it needs to keep, by the last day.", last.wanted_backlog)


def _of_channels(settings: Settings) -> Iterator[Gauge]:
    rows = overview(settings)["channels"]
    up: list[Labelled] = [((row["channel"],), float(row["why"] is None)) for row in rows]
    waiting: list[Labelled] = [((row["channel"],), len(row["waiting"])) for row in rows]
    lost: list[Labelled] = [((row["channel"],), row["lost"]) for row in rows]
    yield _labelled("channel_up", "Whether it took the last message that it was sent.", ("channel",), up)
    yield _labelled("messages_waiting", "Messages that it has not been brought yet.", ("channel",), waiting)
    yield _labelled("messages_lost", "Messages that it never got.", ("channel",), lost)


def _of_runs(runs: Runs) -> Iterator[Gauge]:
    states: Counter[tuple[str, ...]] = Counter()
    succeeded = {}
    for operation in OPERATIONS:
        latest = list(islice(runs.ours.each(operation), LAST))
        states.update((operation, run.state) for run in latest)
        ended = next((run for run in latest if run.tells), None)
        if ended is not None:
            succeeded[operation,] = float(ended.state == "SUCCESS")
    meaning = (
        f"The last {LAST} runs of each operation that were about this source, its targets or this storage, by state."
    )
    yield _labelled("runs", meaning, ("operation", "state"), states.items())
    yield _labelled(
        "last_run_succeeded",
        "Whether the last run that ended, and had something to do, was a success.",
        ("operation",),
        succeeded.items(),
    )
