"""Whether it is well: the process, and all that it needs to make a backup."""

from typing import Any

from flask import Blueprint, Response

from web import metrics
from web.auth import needs
from worker import heartbeat
from worker.config import Settings, load_web
from worker.errors import BackupSystemError
from worker.storage import open_storage

health = Blueprint("health", __name__)

QUEUES = ("jobs", "quick")
WELL = "ok"


@health.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@health.get("/readyz")
@needs("read")
def readyz() -> tuple[dict[str, Any], int]:
    """Broker, storage and workers: `ok`, or a sentence; 503 with the first of these sentences where one is not."""
    settings = load_web()
    found = {**_broker_and_workers(settings), "storage": _storage(settings)}
    wrong = [said for said in found.values() if said != WELL]
    if wrong:
        return {"ready": False, **found, "error": wrong[0]}, 503
    return {"ready": True, **found}, 200


@health.get("/metrics")
@needs("read")
def numbers() -> Response:
    """The numbers for Prometheus."""
    text, content_type = metrics.exposition(load_web())
    return Response(text, content_type=content_type)


def _broker_and_workers(settings: Settings) -> dict[str, str]:
    try:
        hosts = heartbeat.seen(settings)
    except BackupSystemError as error:
        return {"broker": str(error), "workers": "Nobody knows while the broker is away."}
    return {"broker": WELL, "workers": _workers(set(hosts))}


def _workers(roles: set[str]) -> str:
    """A worker is named after its queue, or otherwise and then serves both."""
    both = roles - {*QUEUES, "beat"}
    idle = [queue for queue in QUEUES if not both and queue not in roles]
    if not idle:
        return WELL
    return f"No worker for {' and '.join(idle)} has been heard of lately: start one with `celery -A worker worker`."


def _storage(settings: Settings) -> str:
    try:
        open_storage(settings.backup_storage).files()
    except BackupSystemError as error:
        return str(error)
    return WELL
