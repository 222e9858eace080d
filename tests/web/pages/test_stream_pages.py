"""What the stream tells, on pages: what happened with the places to go back to, and each write to a key."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.backups import asking
from tests.support.dashboard import HOSTILE, Browser, Web
from tests.support.streams import Streamed
from tests.web.pages.given import ended, given_to, queued
from tests.web.pages.reading import words
from worker.arguments.stream import HappenedArguments, WritesArguments
from worker.config.settings import load_web
from worker.progress import silent
from worker.segments.telling.happened import happened
from worker.segments.telling.writes import writes


@dataclass
class Told:
    """What a stream with a burst, a FLUSHALL and a hostile key tells."""

    happened: dict[str, Any]
    writes: dict[str, Any]


@pytest.fixture
def told(web_app: Web) -> Told:
    streamed = Streamed(web_app.source, web_app.folder)
    streamed.take()
    streamed.visit()
    client = asking(web_app.source)
    pipe = client.pipeline(transaction=False)
    for number in range(50):
        pipe.set(f"{HOSTILE}:{number}", HOSTILE)
    pipe.delete(*(f"{HOSTILE}:{number}" for number in range(40)))
    pipe.set(HOSTILE, "first").append(HOSTILE, HOSTILE).flushall()
    pipe.execute()
    streamed.visit()
    settings = streamed.settings
    return Told(
        happened(settings, HappenedArguments(prefixes=True), silent),
        writes(settings, WritesArguments(key=HOSTILE, show=True), silent),
    )


def test_what_happened_leads_to_the_places_right_before_it(web_app: Web, admin: Browser, told: Told) -> None:
    ended(web_app, "SUCCESS", id="look", operation="happened", arguments={"since": "-1h"}, value=told.happened)
    page = admin.get("/stream?look=look")
    said = words(page)
    assert "54 writes, 40 keys deleted or expired." in said
    assert "40 deletes" in said
    flushed, burst = told.happened["named"][0], told.happened["peaks"][0]["first"]
    assert f'href="/backups/@offset:{flushed["offset"]}"' in page.text
    assert f'href="/backups/@offset:{burst["offset"]}"' in page.text
    assert "<img src=x" not in page.text
    assert admin.get(f"/backups/@offset:{burst['offset']}").status_code == 200
    assert "Look at it" in words(admin.get("/tasks/look"))


def test_a_gap_is_drawn_and_told(web_app: Web, admin: Browser, told: Told) -> None:
    begin, end = told.happened["since"], told.happened["until"]
    steps = [step | {"gap": "it was overrun"} for step in told.happened["steps"]]
    value = told.happened | {"steps": steps, "gaps": [{"since": begin, "until": end, "why": "it was overrun"}]}
    ended(web_app, "SUCCESS", id="look", operation="happened", value=value)
    page = admin.get("/stream?look=look")
    assert "A gap, of which nothing is known: it was overrun." in words(page)
    assert 'class="gap"' in page.text


def test_each_write_to_a_key_is_shown_with_ways_back(web_app: Web, admin: Browser, told: Told) -> None:
    ended(web_app, "SUCCESS", id="one", operation="writes", arguments={"key": HOSTILE, "show": True}, value=told.writes)
    page = admin.get("/tasks/one")
    said = words(page)
    assert "emptied with its database" in said
    assert "APPEND" in said
    assert "<img src=x" not in page.text
    appended = told.writes["writes"][1]
    assert f'value="@offset:{appended["after"]}"' in page.text
    assert f'action="/backups/@offset:{appended["before"]}/review"' in page.text


def test_a_search_leads_to_each_write_where_the_stream_is_followed(
    web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(web_app, "SUCCESS", id="one", operation="search", value={"key": "gone", "found": [], "looked_through": []})
    assert "Each write to it" not in words(admin.get("/tasks/one"))
    monkeypatch.setenv("BACKUP_STREAM_SECONDS", "5")
    load_web.cache_clear()
    assert "Each write to it" in words(admin.get("/tasks/one"))
    assert "What happened" in words(admin.get("/"))


def test_questions_are_asked_as_they_were_typed(web_app: Web, admin: Browser) -> None:
    assert "What happened" in words(admin.get("/stream"))
    asked = admin.post("/stream/happened", data={"since": "2026-11-28 14:00", "prefixes": "on"})
    (run,) = queued(web_app)
    assert asked.headers["Location"] == f"/stream?look={run.id}"
    assert given_to(run) == {"since": "2026-11-28T14:00:00Z", "prefixes": True}
    wrong = admin.post("/stream/happened", data={"since": "yesterday"})
    assert (wrong.status_code, 'value="yesterday"' in wrong.text) == (400, True)
    assert "must be a moment such as" in words(wrong)
    assert "Please say which key" in words(admin.post("/stream/writes", data={"key": " "}))
    admin.post("/stream/writes", data={"key": "user:42", "db": "0"})
    assert {"key": "user:42", "db": 0} in [
        {name: value for name, value in run.arguments.items() if name != "show"} for run in queued(web_app)
    ]
