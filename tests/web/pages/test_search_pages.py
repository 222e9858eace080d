"""One key through time, and keys that fit a pattern: found, compared and restored."""

import re
from html import unescape
from typing import Any

import pytest

from tests.support.backups import take
from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, make_backup, queued
from tests.web.pages.reading import look_at, read, words
from worker.arguments.questions import SearchArguments
from worker.progress import silent
from worker.repository import catalogue
from worker.search.search import search
from worker.storage import open_storage


@pytest.fixture
def changing(web_app: Web) -> Web:
    """A key with a hostile name, that was backed up twice and has another value now."""
    client = web_app.source.client()
    for value in ("one", "two"):
        client.set(HOSTILE, value)
        take(web_app.source, web_app.storage)
    client.set(HOSTILE, f"three {HOSTILE}")
    return web_app


def sought(web: Web, **arguments: Any) -> dict[str, Any]:
    return search(web.settings, SearchArguments(**arguments), silent)


def test_a_key_through_time_can_be_looked_at_compared_and_restored(changing: Web, admin: Browser) -> None:
    newer, older = (one.name for one in catalogue.read(open_storage(str(changing.storage))).backups)
    answer = look_at(changing, admin, "search", sought(changing, key=HOSTILE), key=HOSTILE)
    said = words(answer)
    assert f"{HOSTILE} in database 0 Newest first." in said
    assert said.index("Live") < said.index(newer) < said.index(older)
    assert said.count("changed string") == 2
    assert "the oldest string" in said
    assert answer.text.count('name="show"') == 3
    assert answer.text.count("Restore this one") == 2
    form = admin.post(f"/backups/{older}/review", data={"mode": "overwrite", "keys": HOSTILE, "databases": "0", "change": "on"})  # fmt: skip
    assert f">{HOSTILE}</textarea>" in unescape(form.text)
    assert "<img src=x" not in form.text


def test_a_version_that_has_expired_since_is_restored_for_as_long_again(web_app: Web, admin: Browser) -> None:
    versions = [
        {
            "where": where,
            "at": "2026-01-01T00:00:00+00:00",
            "of": None,
            "type": "string",
            "bytes": 1,
            "change": "differs",
        }
        | {"expires_at": expires_at}
        for where, expires_at in (("n2", None), ("n1", 1_600_000_000_000))
    ]
    found = {"key": "k", "found": [{"db": 3, "versions": versions}], "looked_through": ["n2", "n1"], "seconds": 0}
    page = look_at(web_app, admin, "search", found, key="k").text
    assert page.count("Restore this one") == 2
    assert page.count('name="expiry" value="shift"') == 1
    assert 'name="expiry" value="shift"' in page.partition('action="/backups/n1/review')[2]


def test_two_versions_stand_side_by_side(changing: Web, admin: Browser) -> None:
    older = catalogue.read(open_storage(str(changing.storage))).backups[-1].name
    value = sought(changing, key=HOSTILE, show=older, against="live")
    said = words(look_at(changing, admin, "search", value, key=HOSTILE, show=older, against="live"))
    assert re.search(rf"Shown: (Today|Yesterday) \d\d:\d\d {older}, ", said)
    assert "Against: live" in said
    assert f"one three {HOSTILE}" in said
    assert "Restore this one" in said
    alone = words(look_at(changing, admin, "search", sought(changing, key=HOSTILE, show="live"), key=HOSTILE))
    assert "Shown: live" in alone
    assert "Restore this one" not in alone


def test_a_key_as_long_as_a_book_is_cut_wherever_it_is_told(web_app: Web, admin: Browser) -> None:
    key = "book:" + "x" * 60_000
    for operation, told in (("search", {"key": key}), ("restore", {"name": "n", "keys": [key], "match": [key]})):
        ended(web_app, "SUCCESS", id=operation, operation=operation, arguments=told, value={})
    for path in ("/search", "/restores", "/tasks"):
        assert len(admin.get(path).text) < 40_000, path
    assert "(60,005 characters)" in read(admin, "/search")
    for page in ("/tasks/search", "/tasks/restore"):
        assert len(re.sub("<input[^>]*>", "", admin.get(page).text)) < 20_000, page


def test_a_pattern_finds_keys_each_of_which_leads_on(changing: Web, admin: Browser) -> None:
    answer = look_at(changing, admin, "search", sought(changing, match="*img*"), match="*img*")
    assert "Keys like *img* 1 key fits: 1 changed since the newest backup; these come first" in words(answer)
    assert f"{HOSTILE} 0 changed 3 of 3 places newest: the source changed 2 times" in words(answer)
    assert 'name="how" value="key"' in answer.text.partition("Keys that fit")[2]
    assert 'name="text" value="&lt;img' in answer.text
    assert "No key fits" in words(look_at(changing, admin, "search", sought(changing, match="no*"), match="no*"))
    assert "That key is nowhere" in words(look_at(changing, admin, "search", sought(changing, key="no"), key="no"))


def test_keys_that_fit_go_on_from_page_to_page(web_app: Web, admin: Browser) -> None:
    web_app.source.client().mset({f"some:{number}": "x" for number in range(5)})
    make_backup(web_app)
    told = {"match": "some:*", "limit": 3, "databases": [0], "live": False}
    value = sought(web_app, **told)
    page = look_at(web_app, admin, "search", value, **told)
    assert "5 keys fit. 3 of them are here." in words(page)
    following = page.text.partition('aria-label="Keys that fit"')[2].partition('class="bar"')[2]
    form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', following.partition("</form>")[0]))
    assert form.pop("csrf_token", "")
    assert form == {
        "text": "some:*", "how": "match", "limit": "3", "databases": "0", "live": "no", "after": value["next"]
    }  # fmt: skip
    assert admin.post("/search", data=form).status_code == 303
    (asked,) = [run.arguments for run in queued(web_app)]
    assert asked == told | {"after": value["next"]}
    last = sought(web_app, **asked)
    page = look_at(web_app, admin, "search", last, **asked)
    assert "Next keys" not in page.text
    assert [one["key"] for one in value["keys"] + last["keys"]] == [f"some:{number}" for number in range(5)]


@pytest.mark.parametrize(
    ("text", "how", "asked"),
    [
        ("user:*", "", {"match": "user:*"}),
        ("user:?", "", {"match": "user:?"}),
        ("user:[12]", "", {"match": "user:[12]"}),
        ("user:*", "key", {"key": "user:*"}),
        ("user:1]", "", {"key": "user:1]"}),
        (r"user:\*", "", {"key": r"user:\*"}),
        (r"user\\*", "", {"match": r"user\\*"}),
    ],
)
def test_what_looks_like_a_pattern_is_one_unless_somebody_says_otherwise(
    text: str, how: str, asked: dict[str, str], web_app: Web, admin: Browser
) -> None:
    assert admin.post("/search", data={"text": text, "how": how}).status_code == 303
    (run,) = queued(web_app)
    assert run.arguments == asked


def test_a_pattern_can_be_looked_for_as_a_key(web_app: Web, admin: Browser) -> None:
    web_app.source.client().set("what*", "x")
    page = look_at(web_app, admin, "search", sought(web_app, match="what*"), match="what*", databases=[0])
    assert "Searched as a pattern; search for this exact key instead" in words(page)
    form = page.text.partition("Searched as a pattern")[2].partition("</form>")[0]
    data = dict(re.findall(r'name="(\w+)"(?: value="([^"]*)"|[^>]*)', form)) | {"how": "key"}
    assert admin.post("/search", data=data).status_code == 303
    assert [run.arguments for run in queued(web_app)] == [{"key": "what*", "databases": [0]}]


def test_the_search_page_asks_for_what_was_typed(web_app: Web, admin: Browser) -> None:
    assert "One key through all backups" in read(admin, "/search")
    assert 'value="user:1"' in admin.get("/search?text=user:1").text
    empty = admin.post("/search", data={"text": " "})
    assert (empty.status_code, "Please say what to look for" in words(empty)) == (400, True)
    wrong = admin.post("/search", data={"text": HOSTILE, "how": "match", "databases": "x"})
    assert "Please correct this: databases" in words(wrong)
    assert "<img src=x" not in wrong.text
    assert admin.post("/search", data={"text": "user:*", "how": "match", "databases": "0,3"}).status_code == 303
    assert admin.post("/search", data={"text": "user:1", "show": "live", "against": "n"}).status_code == 303
    one, other = sorted((run.arguments for run in queued(web_app)), key=str)
    assert one == {"key": "user:1", "show": "live", "against": "n"}
    assert {**other, "databases": sorted(other["databases"])} == {"match": "user:*", "databases": [0, 3]}
    assert "Recent searches" in read(admin, "/search")
