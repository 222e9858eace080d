"""Ten thousand backups, as many as an hourly schedule makes in a year, and a hundred thousand: what somebody waits for then."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from benchmarks import far
from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.dashboard import OK, Dashboard, opened
from benchmarks.data import Shape, mixed
from benchmarks.loaded import loaded
from benchmarks.made import back_up
from benchmarks.place import PYTHON, Place
from benchmarks.results import Round, Row
from benchmarks.servers import Server
from benchmarks.timing import timed
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Size, artifact_name, to_json

HOURLY, MOST = 10_000, 100_000
LIST, LATEST, SUMMARY, SCHEDULE = "list, its first page", "the manifest of latest", "Summary", "Schedule"
METRICS, READY, BACKUPS = "/metrics", "/readyz", "Backups, its first page"
AFTER, SHELL = "Summary, once a backup was made", "python -m worker list"
ASKED = {
    LIST: "/api/backup/list",
    LATEST: "/api/backup/manifest/latest",
    SUMMARY: "/",
    BACKUPS: "/backups",
    SCHEDULE: "/schedule",
    METRICS: "/metrics",
    READY: "/readyz",
}
_FEW_KEYS = 1000
_TINY = b"artifact"


def name_of(count: int) -> str:
    """Of the data, in the results."""
    return f"{count // 1000}k backups"


def run(place: Place, rounds: int, *, quick: bool) -> list[Row]:
    """Every page, after all was read once."""
    with loaded(place, mixed(_FEW_KEYS)) as few:
        manifest = back_up(few).manifest
        here = [
            row
            for count in ((HOURLY,) if quick else (HOURLY, MOST))
            for row in _run(place, few.server, manifest, count, rounds)
        ]
        return [*here, *far.run(place, few.server, manifest, min(rounds, 3))]


def _run(place: Place, source: Server, manifest: Manifest, count: int, rounds: int) -> list[Row]:
    place.told(f"making {count:,} backups")
    storage = place.new_folder("storage")
    multiply(storage, manifest, count)
    with opened(place, source, storage) as dashboard:
        contestants = [Contestant(name, "ours", _asking(dashboard, path)) for name, path in ASKED.items()]
        contestants.append(Contestant(AFTER, "ours", _after_another(dashboard, storage, manifest)))
        if count == HOURLY:
            contestants.append(Contestant(SHELL, "ours", lambda: _shell(place, source, storage)))
        shape = Shape(name_of(count), f"{count:,} backups", count, mixed(_FEW_KEYS).commands)
        return contest("catalogue", shape, contestants, rounds, place.told)


def multiply(storage: Path, manifest: Manifest, count: int) -> None:
    """So many backups like that one with tiny artifacts, each an hour older than the one before."""
    for number in range(count):
        _write(storage, manifest, -number)


def _write(storage: Path, manifest: Manifest, hours: int) -> None:
    at = manifest.created_at + timedelta(hours=hours)
    size = Size(raw=manifest.bytes.raw, stored=len(_TINY))
    made = manifest.model_copy(update={"created_at": at, "name": artifact_name(at, "rdb", ".zst"), "bytes": size})
    (storage / made.name).write_bytes(_TINY)
    (storage / (made.name + MANIFEST_SUFFIX)).write_bytes(to_json(made))


def _asking(dashboard: Dashboard, path: str) -> Callable[[], Outcome]:
    def ask() -> Outcome:
        began = time.perf_counter()
        status, _ = dashboard.get(path)
        fault = "" if status == OK else f"answered {status}"
        return Outcome(Round(seconds=time.perf_counter() - began, peak=dashboard.web_peak), fault)

    return ask


def _after_another(dashboard: Dashboard, storage: Path, manifest: Manifest) -> Callable[[], Outcome]:
    """One more each time, older than all others, so that a moment later nothing is overdue or in the future."""
    older = -MOST

    def ask() -> Outcome:
        nonlocal older
        older -= 1
        _write(storage, manifest, older)
        return _asking(dashboard, "/")()

    return ask


def _shell(place: Place, source: Server, storage: Path) -> Outcome:
    return Outcome(timed([*PYTHON, "list"], place.folder, env=place.environment(source, storage)))
