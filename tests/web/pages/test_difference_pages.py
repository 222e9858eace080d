"""Each number of a preview leads to its keys, and a page of these to the next."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, given_to, queued
from tests.web.pages.reading import look_at, words
from worker.arguments.restore import DifferencesArguments
from worker.progress import silent
from worker.restore.preview.differences import differences


def test_every_number_is_a_button_that_asks_for_exactly_these_keys(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, value = previewed(mode="mirror")
    answer = look_at(web_app, admin, "preview", value, name="latest", mode="mirror", kinds=["new"])
    numbers = [unescape(only) for only in re.findall(r'name="only" value="([^"]*)"', answer.text)]
    assert re.search(r'action="/tasks/one/differences" id="only"', answer.text)
    groups = [value["by_db"], value["by_type"], value["by_prefix"]]
    listed = [counts for group in groups for counts in group.values() if set(counts) - {"identical"}]
    assert len(numbers) == sum(map(len, [{k: n for k, n in value["counts"].items() if n}, *listed]))
    for number in ("kind=new", "kind=differs&of_type=hash", "kind=differs&under=user%3A", "kind=deleted&of_database=0"):
        assert number in numbers
        gone = admin.post("/tasks/one/differences", data={"only": number})
        (run,) = [run for run in queued(web_app) if run.id in gone.headers["Location"]]
        given = given_to(run)
        assert {**given, "kind": given["kind"]}.items() >= {"name": name, "mode": "mirror", "preview": "one"}.items()
        assert "kinds" not in given
        found = differences(web_app.settings, DifferencesArguments(**run.arguments), silent)
        assert found["keys"], number
    admin.post("/tasks/one/differences", data={"only": "kind=new&under=%28no+prefix%29"})
    admin.post("/tasks/one/differences", data={"only": "kind=new&others=on"})
    narrowed = [given_to(run) for run in queued(web_app)]
    assert '""' in [one.get("under") for one in narrowed]
    assert sorted(["user:", "gone:", '""']) in [sorted(one.get("not_under", [])) for one in narrowed]


def test_a_page_of_keys_marks_what_differs_and_leads_to_the_next(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, _ = previewed()
    arguments: dict[str, Any] = {"name": name, "mode": "overwrite", "kind": "differs", "limit": 1}
    found = differences(web_app.settings, DifferencesArguments(**arguments), silent)
    answer = look_at(web_app, admin, "differences", found, **arguments, preview="before")
    assert "<mark>" in answer.text
    assert "Keys: different" in words(answer)
    assert "/tasks/before" in answer.text
    gone = admin.post("/tasks/one/differences", data={"after": found["next"]})
    (run,) = queued(web_app)
    assert "It waits for a worker" in words(admin.get(gone.headers["Location"]))
    assert urlsplit(gone.headers["Location"]).path == f"/tasks/{run.id}"
    assert given_to(run) == {**arguments, "preview": "before", "after": found["next"]}


def test_what_is_no_preview_or_had_a_list_that_is_kept_in_brief_has_no_keys(web_app: Web, admin: Browser) -> None:
    assert admin.post("/tasks/nothing/differences", data={"only": "kind=new"}).status_code == 404
    ended(web_app, "SUCCESS", operation="preview", arguments={"name": HOSTILE, "keys": "9,000 keys"}, value={})
    assert admin.post("/tasks/one/differences", data={"only": "kind=new"}).status_code == 400
    ended(web_app, "SUCCESS", operation="preview", arguments={"name": HOSTILE}, value={})
    assert admin.post("/tasks/one/differences", data={"only": "kind=nonsense&x=y"}).status_code == 400
    assert queued(web_app) == []
