"""Whoever watches from outside is told when backups are not made as promised, and nothing else."""

import sys
from datetime import UTC, datetime, timedelta

import pytest

from tests.support.dashboard import Browser, Web
from tests.support.processes import run
from web.api import health
from worker.alerts import memory, strict
from worker.alerts.memory import Alert, Change, Memory
from worker.broker import heartbeat

LONG_AGO = datetime(2025, 11, 3, tzinfo=UTC)
OVERDUE = Alert(
    key="backup.overdue",
    event="backup.overdue",
    level="bad",
    headline="A backup is overdue",
    sentence="The newest backup of somewhere is old.",
    advice="Look.",
    path="/schedule",
    over="There is one",
    since=LONG_AGO,
    opened_at=LONG_AGO,
)


def remember(web: Web, *alerts: Alert) -> None:
    known = Memory(since=LONG_AGO, seen_at=datetime.now(UTC), alerts={alert.key: alert for alert in alerts})
    memory.change(web.settings, lambda _: Change(known))


@pytest.mark.parametrize(
    ("alive", "alerts", "later", "fault"),
    [
        (("beat", "jobs"), (), timedelta(0), None),
        (("beat", "celery"), (), timedelta(minutes=9), None),
        (("jobs",), (), timedelta(0), "No schedule is running."),
        (("beat", "quick"), (), timedelta(0), "No worker is running."),
        (("beat", "jobs"), (OVERDUE,), timedelta(0), "A backup is overdue."),
        (("beat", "jobs"), (), timedelta(minutes=11), "Nobody has looked of late whether a backup is overdue."),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    alive: tuple[str, ...], alerts: tuple[Alert, ...], later: timedelta, fault: str | None, web_app: Web
) -> None:
    for role in alive:
        web_app.broker.client().set(heartbeat.key(role), 1)
    remember(web_app, *alerts)
    assert strict.fault(web_app.settings, datetime.now(UTC) + later) == fault


def test_anybody_may_ask_and_is_told_nothing_else(web_app: Web, anonymous: Browser) -> None:
    health._seen.clear()
    assert anonymous.get("/healthz").status_code == 200
    answer = anonymous.get("/healthz?strict=1")
    assert (answer.status_code, answer.json) == (503, {"status": "fault", "error": "No schedule is running."})
    for role in ("beat", "jobs"):
        web_app.broker.client().set(heartbeat.key(role), 1)
    remember(web_app)
    assert anonymous.get("/healthz?strict=1").status_code == 503, "the last look is some seconds old, and good enough"
    health._seen.clear()
    assert anonymous.get("/healthz?strict=1").json == {"status": "ok"}
    health._seen.clear()
    web_app.broker.stop()
    answer = anonymous.get("/healthz?strict=1")
    assert (answer.status_code, answer.json) == (503, {"status": "fault", "error": "The broker does not answer."})


def test_the_check_of_a_container_says_the_same(web_app: Web) -> None:
    def check() -> tuple[int, str]:
        ended = run(sys.executable, "-m", "worker.alerts.strict", env=web_app.env, cwd=web_app.folder)
        return ended.code, ended.err.strip()

    assert check() == (1, "No schedule is running.")
    for role in ("beat", "jobs"):
        web_app.broker.client().set(heartbeat.key(role), 1)
    remember(web_app)
    assert check() == (0, "")
