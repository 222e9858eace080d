"""A preview on its page: what it shows, what it offers, and what it does not."""

import re
from html import unescape
from typing import Any

import pytest
from werkzeug.datastructures import MultiDict

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, given_to, make_backup, queued
from tests.web.pages.reading import look_at, words
from web.wording import consequences
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.restore.restore import restore
from worker.runs.run import brief


def test_a_preview_shows_forecast_counts_and_both_sides_of_what_differs(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, found = previewed(mode="overwrite")
    answer = look_at(web_app, admin, "preview", found, name=name, mode="overwrite")
    said = words(answer)
    assert "It would restore 6 keys and leave 0 alone. Nothing was written." in said
    assert "Would be restored 6 keys, 1 of them identical already Left alone 0 keys Expired since 1 key" in said
    assert "Restore keys that are new (2) different (2) another expiry (1)" in said
    assert "All keys 2 2 1 1 1" in said
    for title in ("Database", "Type", "Prefix", "Different 2 of 2", "Another expiry 1 of 1"):
        assert title in said
    for side in (
        "user:2 database 0 Backup: string, 30 B, never expires; Live: string, 9 B",
        f"new {HOSTILE}",
        "changed",
    ):
        assert side in said, said
    assert 'name="preview" value="one"' in answer.text
    assert f"Type {name} to overwrite live keys with it" in said
    assert "this restore can be undone for 7 days" in said


def test_a_preview_in_mode_skip_restores_without_ticks_or_a_name(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, found = previewed(prefix="", match="user:*")
    answer = look_at(web_app, admin, "preview", found, name=name, match=["user:*"])
    exactly = answer.text.partition('aria-label="Restore exactly this"')[2]
    assert 'name="kinds"' not in exactly
    assert 'name="confirm"' not in exactly
    assert 'name="match" value="user:*"' in exactly
    assert "Would be restored 1 key" in words(answer)


def test_a_preview_in_mode_skip_says_what_differs_and_leads_to_replacing_exactly_that(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, found = previewed(prefix="", match=["user:*", "hash", "lives", "same"])
    told = {"name": name, "match": ["user:*", "hash", "lives", "same"]}
    answer = look_at(web_app, admin, "preview", found, **told)
    said = words(answer)
    assert "It would restore 1 key and leave 4 alone: 3 differ and would stay as they are. Nothing was written." in said
    assert "3 keys differ from the backup, and would stay as they are. Replace those too" in said
    assert "Left alone 4 keys, 3 of them different" in said
    form = answer.text.partition("from the backup, and would stay")[2].partition("</form>")[0]
    fields = [(one, other) for one, other in re.findall(r'name="(\w+)" value="([^"]*)"', form) if one != "csrf_token"]
    data: dict[str, list[str]] = {}
    for one, other in fields:
        data.setdefault(one, []).append(unescape(other))
    review = admin.post(f"/backups/{name}/review", data=data)
    assert "only what is different or different only in their expiry" in words(review)
    assert "are replaced" in words(review)
    assert admin.post(f"/backups/{name}/restore", data=data | {"confirm": name}).status_code == 303
    (asked,) = [given_to(run) for run in queued(web_app)]
    assert (asked["mode"], sorted(asked["kinds"]), asked["match"]) == (
        "overwrite",
        ["differs", "expiry"],
        told["match"],
    )
    report = restore(web_app.settings, RestoreArguments(**asked), silent)
    assert (report["restored"], report["skipped"]) == (3, 2)


def test_keys_that_were_named_are_the_first_that_a_preview_shows(web_app: Web, admin: Browser, previewed: Any) -> None:
    keys = ["user:2", "same", HOSTILE]
    name, found = previewed(keys=keys)
    said = words(look_at(web_app, admin, "preview", found, name=name, keys=keys))
    assert "Keys that were named 3 of 3" in said
    shown = said.partition("Keys that were named 3 of 3")[2]
    for one in ("user:2 database 0: different", "same database 0: identical", f"{HOSTILE} database 0: new"):
        assert one in shown
    assert "Different 1 of 1" not in shown


def test_a_preview_with_nothing_to_do_offers_no_restore(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, found = previewed(match="same")
    answer = look_at(web_app, admin, "preview", found, name=name, match=["same"])
    assert "There is nothing to restore: every key is there, and is what the backup holds." in words(answer)
    assert "Restore exactly this</button>" not in answer.text


def test_a_preview_that_the_target_refuses_says_why_and_offers_no_restore(web_app: Web, admin: Browser) -> None:
    value = {
        "name": "n", "mode": "mirror", "target": "a:1", "counts": {"new": 1}, "forecast": {"restored": 1, "deleted": 9},
        "refusal": f"The target is a replica: {HOSTILE}.", "warnings": [f"Too little memory: {HOSTILE}."],
        "memory": {"needed_bytes": 5, "used_bytes": 10, "max_bytes": 20, "eviction": HOSTILE},
    }  # fmt: skip
    answer = look_at(web_app, admin, "preview", value, name="n", mode="mirror")
    said = words(answer)
    assert f"The target would refuse this restore. The target is a replica: {HOSTILE}." in said
    assert f"Too little memory: {HOSTILE}." in said
    assert "Mend what the target says first, and preview again." in said
    assert "Would be deleted 9 keys" in said
    assert "Restore exactly this</button>" not in answer.text


@pytest.mark.parametrize("operation", ["preview", "restore"])
def test_a_long_list_of_keys_is_no_form_that_would_lose_it(
    operation: str, web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, found = previewed(match="user:*")
    keys = brief({"keys": [f"user:{number}" * 10 for number in range(2000)]})["keys"]
    answer = look_at(web_app, admin, operation, found, name=name, keys=keys)
    assert "from the shell, with the same file and" in answer.text
    assert "only 2,000 keys, such as user:0" in answer.text
    assert 'name="keys"' not in answer.text


def test_restore_exactly_this_asks_for_what_was_previewed(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, found = previewed(mode="overwrite")
    look_at(web_app, admin, "preview", found, name=name, mode="overwrite")
    form = {"mode": "overwrite", "kinds": ["new", "expiry"], "preview": "one"}
    missing = admin.post(f"/backups/{name}/restore", data=form)
    assert missing.status_code == 400
    assert "The name of the backup is missing" in words(missing)
    assert 'name="preview" value="one"' in missing.text
    assert missing.text.count('name="kinds"') == 2
    assert "Go on in any case" in words(missing)
    assert admin.post(f"/backups/{name}/restore", data={**form, "confirm": name}).status_code == 303
    (run,) = queued(web_app)
    assert given_to(run) == {"name": name, "mode": "overwrite", "kinds": ["expiry", "new"], "preview": "one"}


def test_a_preview_of_which_no_kind_is_chosen_restores_nothing(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, _ = previewed(mode="overwrite")
    form = {"mode": "overwrite", "preview": "one", "kinds_offered": "on", "confirm": name}
    refused = admin.post(f"/backups/{name}/restore", data=form)
    assert refused.status_code == 400
    assert "Please choose at least one kind of keys" in words(refused)
    assert queued(web_app) == []


def test_a_reader_may_look_and_preview_and_restores_nothing(web_app: Web) -> None:
    name, reader = make_backup(web_app), web_app.with_token("read")
    assert reader.post(f"/backups/{name}/preview", data={}).status_code == 303
    assert reader.post("/search", data={"text": "k"}).status_code == 303
    assert reader.post(f"/backups/{name}/restore", data={}).status_code == 403
    assert reader.post("/tasks/one/undo").status_code == 403


@pytest.mark.parametrize("risk", consequences.RISKS)
def test_a_refused_restore_goes_on_by_a_button_that_says_what_may_happen(
    risk: Any, web_app: Web, admin: Browser
) -> None:
    name = make_backup(web_app)
    told = {"name": name, "mode": "mirror", "match": ["user:*"]}
    ended(web_app, "FAILURE", operation="restore", arguments=told, error="It was refused.", risk=risk)
    page = admin.get("/tasks/one")
    button, what = consequences.RISKS[risk]
    assert (button in words(page), "Nothing was written." in words(page)) == (True, True)
    assert risk == "changed" or what in words(page)
    form = page.text[: page.text.index(button)].rpartition("<form")[2]
    assert f'action="/backups/{name}/review"' in form
    asked = MultiDict(re.findall(r'name="(\w+)" value="([^"]*)"', form))
    review = admin.post(f"/backups/{name}/review", data=asked)
    assert 'name="force" value="on" checked' in review.text
    for said in (
        "It does not look first whether the target has the memory.",
        "the target throws keys out, its own too",
    ):
        assert said in words(review)
    assert admin.post(f"/backups/{name}/restore", data={**asked, "confirm": name}).status_code == 303
    (run,) = queued(web_app)
    assert run.arguments == told | {"force": True}


def test_a_preview_that_would_be_refused_for_want_of_memory_leads_on(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, found = previewed(mode="overwrite", match="user:*")
    assert found["risk"] is None
    refused = found | {"refusal": "The target has too little memory.", "risk": "eviction"}
    page = look_at(web_app, admin, "preview", refused, name=name, mode="overwrite", match=["user:*"])
    button, what = consequences.RISKS["eviction"]
    assert f"and preview again; or go on all the same. {what} {button}" in words(page)
