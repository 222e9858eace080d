"""Facts, conditions and runs as tests give them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.support.backups import manifest_of
from worker.alerts.conditions.condition import Condition, Judgement
from worker.alerts.facts import Facts
from worker.config.settings import Settings
from worker.repository.contents import Catalogue
from worker.repository.manifest import Manifest, Origin
from worker.runs.run import Run

NOW = datetime(2025, 11, 3, 12, 0, tzinfo=UTC)
SOURCE = "127.0.0.1:6379"
NAME = "redis_backup_20251103_020000.rdb"
WHERE = "s3://bucket/copies"


def settings(**more: Any) -> Settings:
    return Settings.model_validate({"redis_url": f"redis://{SOURCE}/0", "backup_storage": "backups"} | more)


def backup(hours_ago: float = 10, name: str = NAME, **more: Any) -> Manifest:
    return manifest_of(name, created_at=NOW - timedelta(hours=hours_ago), source=Origin(address=SOURCE), **more)


def run(state: str, hours_ago: float = 1, operation: str = "backup", **fields: Any) -> Run:
    at = NOW - timedelta(hours=hours_ago)
    usual: dict[str, Any] = {"id": "one", "operation": operation, "started_at": at, "ended_at": at}
    return Run.model_validate({"state": state, "queued_at": at, "due_at": at} | usual | fields)


def facts(*backups: Manifest, config: Settings | None = None, **more: Any) -> Facts:
    """A source whose backups are these, looked after for a month."""
    listed = {name: more.pop(name) for name in ("partials", "damaged", "alarms", "lost") if name in more}
    contents = Catalogue([*backups], {}, listed=[*backups], **listed)
    usual: dict[str, Any] = {"source": SOURCE, "contents": contents, "alive": {"celery": ["here"]}}
    return Facts(NOW, NOW - timedelta(days=30), config or settings(), **(usual | more))


def condition(of: str = "", event: str = "storage.full", **more: Any) -> Condition:
    usual: dict[str, Any] = {
        "level": "warning",
        "headline": "Wrong",
        "sentence": "It is wrong.",
        "advice": "Mend it.",
        "path": "/system",
        "over": "It is right",
    }
    return Condition(event=event, of=of, **(usual | more))


def seen(*conditions: Condition, unknown: tuple[str, ...] = ()) -> Judgement:
    return Judgement({one.key: one for one in conditions}, frozenset(unknown))
