"""Whether it is well: the process, and all that it needs to make a backup."""

import time
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from flask import Blueprint, Response, request

from web.api import metrics
from web.auth import needs
from web.wording.numbers import listed
from worker.alerts import strict
from worker.broker import heartbeat
from worker.config.settings import Settings, load_web
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.runs.operations import unserved
from worker.runs.store import open_runs
from worker.storage import open_storage

health = Blueprint("health", __name__)

WELL = "ok"
SEEN_SECONDS = 5
_seen: dict[str, tuple[float, str | None]] = {}
"""By the broker's address: when it was looked at, and what was wrong then."""
_looking = Lock()


@health.get("/healthz")
def healthz() -> dict[str, str] | tuple[dict[str, str], int]:
    """The process answers; with `strict=1`, and backups are made as promised: else 503 and a sentence."""
    if request.args.get("strict") == "1" and (fault := _fault(load_web())) is not None:
        return {"status": "fault", "error": fault}, 503
    return {"status": "ok"}


def _fault(settings: Settings) -> str | None:
    """What was seen some seconds ago is good enough: anybody may ask, as often as they like."""
    at, seen = _seen.get(settings.celery_broker_url, (-SEEN_SECONDS, None))
    if time.monotonic() - at < SEEN_SECONDS:
        return seen
    with _looking:
        fault = strict.fault(settings, datetime.now(UTC))
        _seen[settings.celery_broker_url] = time.monotonic(), fault
        return fault


@health.get("/readyz")
@needs("read")
def readyz() -> tuple[dict[str, Any], int]:
    """Broker, storage and workers: `ok`, or a sentence; 503 with the first of these sentences where one is not."""
    settings = load_web()
    checks = {**_broker_and_workers(settings), "storage": _storage(settings)}
    wrong = [said for said in checks.values() if said != WELL]
    if wrong:
        return {"ready": False, **checks, "error": wrong[0]}, 503
    return {"ready": True, **checks}, 200


@health.get("/metrics")
@needs("read")
def numbers() -> Response:
    """The numbers for Prometheus."""
    text, content_type = metrics.exposition(load_web())
    return Response(text, content_type=content_type)


def _broker_and_workers(settings: Settings) -> dict[str, str]:
    try:
        workers = _workers(unserved(heartbeat.seen(settings)))
    except BackupSystemError as error:
        return {"broker": str(error), "workers": "Nobody knows while the broker is away."}
    try:
        with open_runs(settings) as runs:
            runs.check_room()
    except BackupSystemError as error:
        return {"broker": str(error), "workers": workers}
    return {"broker": WELL, "workers": workers}


def _workers(idle: list[str]) -> str:
    if not idle:
        return WELL
    return f"No worker for {listed(idle)} has been heard of lately: start one with `celery -A worker worker`."


def _storage(settings: Settings) -> str:
    try:
        contents = catalogue.read(open_storage(settings.backup_storage))
    except BackupSystemError as error:
        return str(error)
    # One bad backup among good ones is told elsewhere; where there are only bad ones, something is wrong with the storage.
    return contents.problems[0] if contents.problems and not contents.backups else WELL
