"""The page of an incident: what it asks of whoever restores, and what it does with an address that is wrong."""

from typing import Any

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.web.pages.given import ended, given_to, queued
from tests.web.pages.reading import read, words
from web.wording.keys import incident
from worker.arguments.questions import TimelineArguments
from worker.broker import audit
from worker.progress import silent
from worker.search.timeline import timeline


def looked(web: Web, **arguments: Any) -> None:
    value = timeline(web.settings, TimelineArguments(**arguments), silent)
    ended(web, "SUCCESS", id="look", operation="timeline", arguments=arguments, value=value)


def compared(web: Web, previewed: Any, **arguments: Any) -> str:
    name, value = previewed(mode="overwrite", **arguments)
    arguments = {"name": name, "mode": "overwrite", **arguments}
    ended(web, "SUCCESS", id="compare", operation="preview", arguments=arguments, value=value)
    return str(name)


def test_lines_are_names_and_patterns_and_all_only_where_that_is_said(web_app: Web, admin: Browser) -> None:
    assert "Please say which keys" in words(admin.post("/incident/look", data={"text": " \r\n "}))
    assert queued(web_app) == []
    answer = admin.post("/incident/look", data={"text": "user:1\r\nsession:*\nwhat\\*\n"})
    (run,) = queued(web_app)
    assert answer.headers["Location"] == f"/incident?look={run.id}"
    assert given_to(run) == {"keys": ["user:1", "what\\*"], "match": ["session:*"]}
    page = admin.get(answer.headers["Location"]).text
    assert "user:1\nwhat\\*\nsession:*</textarea>" in page
    admin.post("/incident/look", data={"all": "on", "text": "ignored"})
    assert {} in [given_to(run) for run in queued(web_app)]


def test_live_keys_are_replaced_only_where_their_number_was_typed(web_app: Web, admin: Browser, previewed: Any) -> None:
    name = compared(web_app, previewed, match=["user:*", "hash"], keys=["lives"])
    looked(web_app, match=["user:*"])
    page = admin.get(f"/incident?look=look&compare=compare&pick={name}")
    assert "The last good version: the backup of" in words(page)
    assert "Type 3 to replace 3 live keys" in words(page)
    assert "<img src=x" not in page.text
    for typed in ("", "2", name):
        answer = admin.post("/incident/restore", data={"compare": "compare", "look": "look", "confirm": typed})
        assert "Type 3 to replace" in words(answer)
        assert answer.status_code == 400
    assert queued(web_app) == []
    answer = admin.post("/incident/restore", data={"compare": "compare", "look": "look", "confirm": "3"})
    (run,) = queued(web_app)
    assert answer.headers["Location"] == f"/incident?look=look&compare=compare&restored={run.id}"
    assert (run.operation, run.arguments["preview"], run.arguments["match"]) == (
        "restore",
        "compare",
        ["user:*", "hash"],
    )


def test_where_the_live_keys_have_changed_since_they_are_compared_again_or_replaced_all_the_same(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name = compared(web_app, previewed, match=["user:*"])
    looked(web_app, match=["user:*"])
    error = "The target has changed since the preview: new 2 (1 then)."
    ended(web_app, "FAILURE", id="back", operation="restore", arguments={"name": name, "preview": "compare"}, error=error, risk="changed")  # fmt: skip
    page = words(admin.get("/incident?look=look&compare=compare&restored=back"))
    assert error in page
    assert "Compare again" in page
    assert "Type 1 to replace" not in page
    admin.post("/incident/restore", data={"compare": "compare", "look": "look", "confirm": "1", "force": "on"})
    (run,) = queued(web_app)
    assert (run.operation, run.arguments["preview"], run.arguments["force"]) == ("restore", "compare", True)


def test_what_was_backed_up_is_asked_for_with_the_keys_that_were_looked_at(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, _ = previewed()
    looked(web_app, match=["user:*"], backups=3)
    admin.post("/incident/compare", data={"look": "look", "pick": name})
    (run,) = queued(web_app)
    assert run.operation == "preview"
    assert given_to(run) == {"name": name, "mode": "overwrite", "kinds": ["differs", "expiry", "new"], "match": ["user:*"]}  # fmt: skip
    assert admin.post("/incident/compare", data={"look": "nothing", "pick": name}).status_code == 409


def test_an_address_of_runs_of_another_kind_or_of_none_shows_the_first_step(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", id="one", operation="restore", arguments={"name": HOSTILE}, value={})
    for address in ("?look=one", "?look=no&compare=no", f"?look={'x' * 5000}", "?restored=one&undone=one"):
        assert "Which keys" in read(admin, f"/incident{address}")


def test_whoever_sees_values_there_leaves_a_trace(web_app: Web, admin: Browser, previewed: Any) -> None:
    compared(web_app, previewed)
    read(admin, "/incident?compare=compare")
    assert "preview shown" in [deed.what for deed in audit.recent(web_app.settings)]


def test_a_prefix_becomes_a_pattern_that_fits_it_to_the_letter() -> None:
    assert incident.beginning_with("a[b]*?\\:") == r"a\[b\]\*\?\\:*"
    assert incident.beginning_with("") == ""


def test_where_the_stream_goes_closer_the_moment_before_it_can_be_compared(web_app: Web, admin: Browser) -> None:
    moment = "@offset:14203:5bd1e3f0"
    versions = [
        {"where": "live", "at": "2026-11-30T12:00:00+00:00", "keys": 1, "changes": {"gone": 9, "differs": 0, "new": 0}},
        {"where": NAME, "at": "2026-11-30T09:00:00+00:00", "keys": 10, "changes": None},
    ]
    closer = {"moment": moment, "since": "2026-11-30T11:02:11+00:00", "until": "2026-11-30T11:02:16+00:00"}
    value = {
        "versions": versions,
        "good": {"before": NAME, "after": "live", "gone": 9, "differs": 0},
        "closer": closer | {"number": 9, "emptied": False, "went": True},
    }
    ended(web_app, "SUCCESS", id="look", operation="timeline", arguments={"match": ["user:*"]}, value=value)
    page = words(admin.get("/incident?look=look"))
    assert "The replication stream goes closer: 9 keys were deleted between 11:02:11 and 11:02:16 UTC." in page
    answer = admin.post("/incident/compare", data={"look": "look", "pick": moment})
    (run,) = queued(web_app)
    assert (run.operation, run.arguments["name"], run.arguments["match"]) == ("preview", moment, ["user:*"])
    assert "compare=" in answer.headers["Location"]


NAME = "redis_backup_20261130_090000.rdb.zst"
