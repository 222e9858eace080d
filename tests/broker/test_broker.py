"""A broker that is full, or far away: what still works, and how soon the rest is given up."""

import re
import time
from collections.abc import Iterator
from html import unescape

import pytest

from tests.support.dashboard import Browser, Web
from tests.support.gates import Gate
from tests.support.processes import CANARY
from worker.broker import audit, tokens
from worker.config.settings import load, load_web

FULL = "The broker is full and takes nothing new"
SECONDS_FOR_AN_ANSWER = 0.45
SECONDS_FOR_A_PAGE = 8


def words(page: str) -> str:
    """What a person reads of it."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page)))


@pytest.fixture
def full(web_app: Web, admin: Browser) -> Web:
    """A broker that has no room left, asked by a process that has seen nothing of it."""
    assert admin.get("/").status_code == 200
    web_app.with_token("read", name="watcher")
    web_app.broker.client().config_set("maxmemory", 1)
    tokens._seen.clear()
    return web_app


def test_whoever_was_in_stays_in_while_the_broker_is_full(full: Web, admin: Browser) -> None:
    assert admin.get("/api/backup/list").status_code == 200
    assert [token.name for token in tokens.tokens(full.settings)] == ["watcher"]
    assert [deed.what for deed in audit.recent(full.settings)] == ["login"]
    shown = words(admin.get("/system").text)
    assert "watcher" in shown
    assert "login" in shown


def test_that_the_broker_is_full_is_said_where_people_and_machines_look(full: Web, admin: Browser) -> None:
    answer = admin.get("/readyz")
    assert answer.status_code == 503
    assert answer.get_json()["broker"].startswith(FULL)
    shown = words(admin.get("/").text)
    assert "Nothing can be started" in shown
    assert FULL in shown
    full.broker.client().config_set("maxmemory", 0)
    assert admin.get("/readyz").get_json()["broker"] == "ok"
    assert FULL not in words(admin.get("/").text)


def test_a_connection_begins_with_no_questions_about_itself(web_app: Web) -> None:
    asked = web_app.broker.client()
    asked.config_resetstat()
    tokens.epoch(web_app.settings)
    counted = set(asked.info("commandstats"))
    assert "cmdstat_auth" in counted
    assert not {one for one in counted if one.startswith(("cmdstat_client", "cmdstat_hello"))}


@pytest.fixture
def far_away(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """The way to a broker whose every answer takes its time."""
    with Gate(web_app.broker.port) as gate:
        gate.seconds = SECONDS_FOR_AN_ANSWER
        monkeypatch.setenv("CELERY_BROKER_URL", f"redis://:{CANARY}@127.0.0.1:{gate.port}/0")
        for read in (load, load_web):
            read.cache_clear()
        yield gate


def test_a_page_waits_for_a_slow_broker_no_longer_than_for_a_dead_one(admin: Browser, far_away: Gate) -> None:
    began = time.monotonic()
    answer = admin.get("/system")
    assert time.monotonic() - began < SECONDS_FOR_A_PAGE
    assert answer.status_code == 200
    assert "The broker does not answer" in words(answer.text)
    assert far_away.seconds > 0
