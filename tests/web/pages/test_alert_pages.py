"""The page of alerts: what is wrong, what was, and silence; without a broker, only that."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.support.processes import Background, eventually
from tests.web.pages.reading import read
from web import standing
from worker.alerts import memory
from worker.alerts.memory import Alert, Change, Memory, Silence
from worker.broker import audit


def ago(**span: float) -> datetime:
    """A moment before now, which is another one in each test."""
    return datetime.now(UTC) - timedelta(**span)


def alert(key: str = "backup.failed", **more: Any) -> Alert:
    usual: dict[str, Any] = {
        "event": key.partition(":")[0],
        "level": "bad",
        "headline": "The last backup failed",
        "sentence": "The last backup of here:6379 failed: The source does not answer.",
        "advice": "Mend it with `redis-server`.",
        "path": "/tasks/one",
        "over": "Backups work again",
        "since": ago(hours=3),
        "opened_at": ago(hours=3),
    }
    return Alert(key=key, **(usual | more))


def known(web: Web, *alerts: Alert, ended: tuple[Alert, ...] = (), **more: Any) -> None:
    """What a worker saw a minute ago."""
    usual: dict[str, Any] = {"since": ago(days=9), "seen_at": ago(minutes=1)}
    remembered = Memory(alerts={one.key: one for one in alerts}, **(usual | more))
    memory.change(web.settings, lambda _: Change(remembered, [*ended]))


def test_before_anybody_has_looked_it_says_what_to_start(admin: Browser) -> None:
    text = read(admin, "/alerts")
    assert "Nobody has looked for a while." in text
    assert "start the schedule with celery -A worker beat" in text
    assert "Nothing is wrong" not in text


def test_with_nothing_open_it_says_so_and_the_navigation_counts_nothing(web_app: Web, admin: Browser) -> None:
    known(web_app)
    text = read(admin, "/alerts")
    assert "Nothing is wrong" in text
    assert "Nobody has looked" not in text
    assert 'class="count' not in admin.get("/").text


def test_what_was_seen_long_ago_is_not_believed(web_app: Web, admin: Browser) -> None:
    known(web_app, seen_at=ago(hours=1))
    assert "That was too long ago to be relied on." in read(admin, "/alerts")


def test_what_is_open_says_since_when_why_and_what_to_do(web_app: Web, admin: Browser) -> None:
    known(web_app, alert(), alert("storage.full", level="warning", headline="The storage is nearly full"))
    text = read(admin, "/alerts")
    for words in (
        "The last backup failed since 3 hours ago",
        "The source does not answer.",
        "Mend it with redis-server",
        "See its page",
        "The storage is nearly full",
    ):
        assert words in text, words
    assert text.index("The last backup failed") < text.index("The storage is nearly full")
    page = admin.get("/backups").text
    assert '<b class="count bad">2<span class="visually-hidden"> open</span></b>' in page


def test_the_history_says_how_it_was(web_app: Web, admin: Browser) -> None:
    known(web_app, ended=(alert(ended_at=ago(hours=1)),))
    text = read(admin, "/alerts")
    assert "Nothing is wrong" in text
    assert "The last backup failed The last backup of here:6379 failed" in text
    assert "1 hour ago" in text


def test_what_is_silenced_says_by_whom_and_counts_for_nothing(web_app: Web, admin: Browser) -> None:
    silence = Silence(until=ago(hours=-2), by="token ci", at=ago())
    known(web_app, alert(), silences={"backup.failed": silence})
    assert "Silenced by token ci until" in read(admin, "/alerts")
    assert "Tell of it again" in read(admin, "/alerts")
    assert 'class="count' not in admin.get("/").text


def test_words_from_the_broker_stay_words(web_app: Web, admin: Browser) -> None:
    hostile = dict.fromkeys(("headline", "sentence", "advice"), HOSTILE)
    known(web_app, alert(HOSTILE, **hostile), ended=(alert(HOSTILE, ended_at=ago(), **hostile),))
    assert HOSTILE not in admin.get("/alerts").text


def test_without_the_broker_it_says_that_and_asks_it_once(web_app: Web, admin: Browser) -> None:
    known(web_app, alert())
    read(admin, "/")
    web_app.broker.stop()
    text = read(admin, "/alerts")
    assert "The broker does not answer" in text
    assert "Not known" in text
    assert standing.standing(web_app.settings).away
    assert read(admin, "/")


def test_a_reader_may_look_and_not_silence(web_app: Web) -> None:
    known(web_app, alert())
    reader = web_app.with_token("read")
    assert reader.get("/alerts").status_code == 200
    assert reader.post("/alerts/silence", data={"key": "backup.failed", "hours": "4"}).status_code == 403
    assert reader.post("/api/alerts/silence", json={"key": "backup.failed", "hours": 4}).status_code == 403


@pytest.mark.parametrize("hours", ["", "-1", "many", "1e9"])
def test_a_silence_of_no_length_is_refused_in_place(web_app: Web, admin: Browser, hours: str) -> None:
    known(web_app, alert())
    answer = admin.post("/alerts/silence", data={"key": "backup.failed", "hours": hours})
    assert answer.status_code == 400
    assert "The last backup failed" in answer.text
    assert admin.get("/alerts/silence").location == "/alerts"


def test_a_worker_silences_it_and_the_audit_log_says_who(web_app: Web, admin: Browser, web_worker: Background) -> None:
    known(web_app, alert())
    assert admin.post("/alerts/silence", data={"key": "backup.failed", "hours": "24"}).status_code == 303

    def silenced() -> Silence | None:
        now = memory.read(web_app.settings)
        return now.silences.get("backup.failed") if now else None

    silence = eventually(silenced, lambda: web_worker.said)
    assert silence.by == "admin"
    assert timedelta(hours=23) < silence.until - ago() < timedelta(hours=25)
    deeds = eventually(
        lambda: [deed for deed in audit.recent(web_app.settings) if deed.what == "silence"], lambda: web_worker.said
    )
    assert (deeds[0].who, deeds[0].details["arguments"]) == ("admin", {"key": "backup.failed", "hours": 24.0})


# For machines.


def test_the_api_has_what_is_open_and_what_was(web_app: Web) -> None:
    silence = Silence(until=ago(hours=-2), by="admin", at=ago())
    known(web_app, alert(), ended=(alert("source.away", ended_at=ago()),), silences={"backup.failed": silence})
    answer = web_app.with_token("read").get("/api/alerts").json or {}
    assert [one["key"] for one in answer["alerts"]] == ["backup.failed"]
    assert [one["key"] for one in answer["history"]] == ["source.away"]
    assert answer["silences"]["backup.failed"]["by"] == "admin"
    assert timedelta(minutes=1) <= ago() - datetime.fromisoformat(answer["seen_at"]) < timedelta(minutes=2)


def test_before_anybody_has_looked_the_api_says_that(web_app: Web) -> None:
    answer = web_app.with_token("read").get("/api/alerts").json or {}
    assert (answer["alerts"], answer["seen_at"]) == ([], None)


def test_the_metrics_count_what_is_open_by_how_bad_it_is(web_app: Web) -> None:
    reader = web_app.with_token("read")
    assert "redis_backup_alerts" not in reader.get("/metrics").text
    known(web_app, alert(), alert("storage.full", level="warning"))
    text = reader.get("/metrics").text
    assert 'redis_backup_alerts{level="bad"} 1.0' in text
    assert 'redis_backup_alerts{level="warning"} 1.0' in text
    assert "redis_backup_alerts_seen_timestamp_seconds" in text
