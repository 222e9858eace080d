"""The four answers on the Summary, and how it stands with the channels in the numbers."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.dashboard import Web
from tests.support.processes import CANARY
from worker.backups.stats import stats
from worker.config.settings import load, load_web
from worker.notify import standing
from worker.notify.standing import Standing

ADDRESS = f"json://{CANARY}:secret@localhost/hook"


@pytest.fixture
def hearing(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> Web:
    """With a channel that does not work."""
    monkeypatch.setenv("NOTIFY_URLS", ADDRESS)
    load.cache_clear()
    load_web.cache_clear()
    failing = Standing().failed(datetime.now(UTC), "It refused the message with 503.")
    standing.note(load_web(), "1-json", failing)
    return web_app


def summary(web: Web) -> str:
    page: Any = web.logged_in().get("/")
    assert page.status_code == 200
    return str(page.text)


def test_the_summary_answers_what_one_asks_with_a_lost_database_and_who_hears_of_trouble(web_app: Web) -> None:
    text = summary(web_app)
    questions = ["Can I get my data back?", "To which moment?", "How fast?", "Who hears of trouble?"]
    places = [text.index(question) for question in questions]
    assert places == sorted(places)
    assert "there is no good backup yet" in text
    assert "set NOTIFY_URLS, or look at Alerts" in text


def test_a_channel_that_does_not_work_is_named_and_its_address_nowhere(hearing: Web) -> None:
    text = summary(hearing)
    assert "1-json cannot be reached" in text
    numbers = hearing.with_token("read").get("/metrics").text
    assert 'redis_backup_channel_up{channel="1-json"} 0.0' in numbers
    # Of the login from a new address.
    assert 'redis_backup_messages_waiting{channel="1-json"} 1.0' in numbers
    (told,) = stats(load_web())["channels"]
    assert (told["channel"], told["waiting"]) == ("1-json", 1)
    assert told["state"].startswith("does not work: It refused the message with 503.")
    assert CANARY not in text + numbers + str(told)
