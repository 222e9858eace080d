"""What it must reach, as data; and whether it does."""

from dataclasses import dataclass
from typing import Literal

from benchmarks import backing_up, dashboard, far, looking, many, offsite, restoring, streaming, traffic
from benchmarks.data import HUGE_BYTES
from benchmarks.results import Results, Row

MAIN = "main"
"""Stands for the data that most goals are about."""
Unit = Literal["x", "keys/s", "MB", "ms"]
_SCALES: dict[Unit, float] = {"x": 1, "keys/s": 1, "MB": 1e-6, "ms": 1e3}


@dataclass(frozen=True)
class Goal:
    """One line of the table.

    `figure` of the row `of`, or its ratio to that of the row `to`, is to be `bound` or less, with `at_least` or more.
    Without `of` it is the largest of all our own rows that have no goal of their own for it.
    """

    case: str
    bound: float
    unit: Unit = "x"
    of: str | None = None
    to: str | None = None
    figure: str = "seconds"
    data: str = MAIN
    at_least: bool = False


def _p99(command: str) -> str:
    return traffic.figure("p99", traffic.CLIENTS[0], command)


_FELT = (
    ("a scan backup", "beside a scan backup"),
    ("a preview", "beside a preview"),
    ("an overwrite restore", "beside an overwrite restore"),
)
GOALS = (
    Goal("backup, replication, zstd: time of the floor", 1.12, of=backing_up.REPLICATION, to=backing_up.SYNC),
    Goal(
        "backup, replication, zstd: faster than `redis-cli --rdb - | gzip`",
        2.5,
        of=backing_up.GZIP,
        to=backing_up.REPLICATION,
        at_least=True,
    ),
    Goal("backup, scan: time of the server's own SCAN and DUMP", 1.35, of=backing_up.SCAN, to=backing_up.DUMP),
    Goal("backup, scan: faster than redis-dump-go", 9, of=backing_up.DUMP_GO, to=backing_up.SCAN, at_least=True),
    Goal("backup, json", 150_000, "keys/s", of=backing_up.JSON, figure="keys/s", at_least=True),
    *(
        Goal(f"{name}: time of the native load", 1.15, of=name, to=restoring.LOAD)
        for name in (restoring.SKIP_EMPTY, restoring.OVERWRITE_EMPTY)
    ),
    Goal("restore, overwrite, key by key: time of `redis-cli --pipe`", 1.1, of=restoring.OVERWRITE, to=restoring.PIPE),
    Goal(
        "restore, overwrite, undo kept: time of one that keeps nothing",
        1.5,
        of=restoring.OVERWRITE_UNDO,
        to=restoring.OVERWRITE_LIVE,
    ),
    Goal("restore, overwrite, of json", 100_000, "keys/s", of=restoring.JSON, figure="keys/s", at_least=True),
    Goal("restore, mirror by replication: time of the native load", 1.4, of=restoring.MIRROR, to=restoring.LOAD),
    Goal("verify: time of the backup", 1, of=looking.VERIFY, to=backing_up.REPLICATION),
    Goal("preview, all identical: time of the scan backup", 1, of=looking.PREVIEW, to=backing_up.SCAN),
    Goal("search of a key in a million, without an index", 1000, "ms", of=looking.SEARCH),
    Goal("search of a pattern in a million keys", 1000, "ms", of=looking.SEARCH_PATTERN),
    Goal("memory", 150, "MB", figure="peak"),
    Goal("memory with ten times the keys", 150, "MB", figure="peak", data="10m"),
    Goal("memory with a huge value", 2.5 * HUGE_BYTES / 1e6, "MB", figure="peak", data="huge"),
    Goal("a visit with nothing new", 20, "ms", of=streaming.IDLE),
    Goal("the age of what is at home, beside a listener", 1000, "ms", of=streaming.LISTENED),
    Goal(
        "restore of a moment, as many writes as keys: time of the full restore",
        2,
        of=streaming.MOMENT,
        to=streaming.FULL,
    ),
    Goal("commands played", 100_000, "keys/s", of=streaming.REPLAY, figure="keys/s", at_least=True),
    *(
        Goal(
            f"live traffic, {command}: p99 beside visits every 5 s",
            1.1,
            of=traffic.VISITED,
            to=traffic.ALONE,
            figure=_p99(command),
        )
        for command in ("GET", "SET")
    ),
    Goal("backup to S3: time of the slower of backup and upload", 1.15, of=offsite.PLAIN, to=offsite.SLOWER),
    Goal("backup to S3, encrypted: time of the same", 1.15, of=offsite.CLOSED, to=offsite.SLOWER),
    Goal(
        "backup to SFTP: time of the slower of backup and upload", 1.15, of=offsite.PLAIN_SFTP, to=offsite.SLOWER_SFTP
    ),
    Goal("backup to SFTP, encrypted: time of the same", 1.15, of=offsite.CLOSED_SFTP, to=offsite.SLOWER_SFTP),
    *(Goal(f"{name}: memory", 200, "MB", of=name, figure="peak") for name in (offsite.PLAIN_SFTP, offsite.CLOSED_SFTP)),
    Goal("backup to S3: memory", 200, "MB", of=offsite.PLAIN, figure="peak"),
    Goal("backup to S3, encrypted: memory", 200, "MB", of=offsite.CLOSED, figure="peak"),
    Goal("restore from S3: time of fetch and restore", 1.2, of=offsite.FROM_S3, to=offsite.BOTH),
    Goal("list of 1,000 backups by API", 100, "ms", of=dashboard.LIST, data="dashboard"),
    Goal("enqueue", 20, "ms", of=dashboard.ENQUEUE, data="dashboard"),
    *(
        Goal(f"live traffic, {command}: p99 during {doing}", 2, of=name, to=traffic.ALONE, figure=_p99(command))
        for doing, name in _FELT
        for command in ("GET", "SET")
    ),
    Goal("button to `STARTED`", 100, "ms", of=dashboard.STARTED, data="dashboard"),
    *(
        Goal(f"{many.HOURLY:,} backups: {page}", 300, "ms", of=page, data=many.name_of(many.HOURLY))
        for page in (many.LIST, many.LATEST, many.SUMMARY, many.SCHEDULE, many.METRICS)
    ),
    Goal(
        f"{many.HOURLY:,} backups: memory of the dashboard",
        150,
        "MB",
        of=many.READY,
        figure="peak",
        data=many.name_of(many.HOURLY),
    ),
    Goal(
        f"{many.MOST:,} backups: the slowest of all pages", 2000, "ms", data=many.name_of(many.MOST), figure="seconds"
    ),
    Goal(f"{many.HOURLY:,} backups in a bucket, cold", 5000, "ms", of=far.COLD, data=far.DATA),
    Goal(f"{many.HOURLY:,} backups in a bucket, warm", 300, "ms", of=far.AGAIN, data=far.DATA),
    Goal("shell start", 300, "ms", of=dashboard.SHELL, data="dashboard"),
)


@dataclass(frozen=True)
class Verdict:
    """A goal, and what was measured; None where it could not be, `why` then says so."""

    goal: Goal
    measured: float | None
    why: str = ""
    fault: str = ""
    """What our own result lacked: then no speed is of any use."""

    @property
    def reached(self) -> bool | None:
        """None where nothing was measured."""
        if self.measured is None:
            return None
        if self.fault:
            return False
        return self.measured >= self.goal.bound if self.goal.at_least else self.measured <= self.goal.bound


def judged(results: Results) -> list[Verdict]:
    """Every goal."""
    return [_judged(goal, results) for goal in GOALS]


def _judged(goal: Goal, results: Results) -> Verdict:
    data = results.main if goal.data == MAIN else goal.data
    if goal.of is None:
        apart = {other.of for other in GOALS if other.figure == goal.figure}
        ours = [row for row in results.each(data) if row.kind == "ours" and row.name not in apart]
        peaks = [peak for row in ours if (peak := row.figure(goal.figure))]
        return Verdict(goal, max(peaks) * _SCALES[goal.unit]) if peaks else Verdict(goal, None, "not run")
    measured, fault = 1.0, ""
    for name, power in ((goal.of, 1), (goal.to, -1)):
        if name is None:
            continue
        row = results.row(data, name)
        value = row.figure(goal.figure) if row else None
        if row is None or row.missing or not value:
            return Verdict(goal, None, _why(row))
        measured *= value**power
        fault = fault or (row.fault or "" if row.kind == "ours" else "")
    return Verdict(goal, measured * _SCALES[goal.unit], fault=fault)


def _why(row: Row | None) -> str:
    return row.missing if row is not None and row.missing else "not run"
