"""The pages of a restore: its form, what it is going to do, its preview, its undo, and one key through time."""

import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from tests.support.backups import manifest_of, take
from tests.support.dashboard import Browser, Web, fresh_app
from tests.support.processes import CANARY, Background, eventually
from tests.support.states import assert_same, state
from tests.web.pages.test_pages import HOSTILE, Policy, ended, make_backup, queued, read, words
from web.pages import forms
from web.wording import consequences, restores
from worker import logs
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import RestoreArguments
from worker.config.settings import load_web
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.runs.run import Run, brief
from worker.search.search import search
from worker.storage import open_storage

TEXTS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=12)
SEVERAL = st.lists(TEXTS, max_size=3, unique=True)
DATABASES = st.integers(0, 99)
RESTORES = st.fixed_dictionaries(
    {"name": st.just("n")},
    optional={
        "mode": st.sampled_from(["skip", "overwrite"]),
        "match": SEVERAL,
        "exclude": SEVERAL,
        "keys": st.sets(st.binary(max_size=8).map(key_text), min_size=1, max_size=4),
        "types": st.sets(st.sampled_from(["hash", "set"]), min_size=1),
        "databases": st.sets(DATABASES, min_size=1, max_size=3),
        "kinds": st.sets(st.sampled_from(["new", "differs", "expiry"]), min_size=1),
        "target": TEXTS,
        "map_databases": st.dictionaries(DATABASES, DATABASES, max_size=3),
        "prefix": TEXTS.map(lambda text: f" {text} "),
        "strip_prefix": TEXTS,
        "expiry": st.sampled_from(["keep", "shift", "persist", "floor:3600"]),
        "preview": st.just("run-1"),
    },
)


@given(RESTORES)
@hypothesis_settings(max_examples=300)
def test_whatever_a_restore_is_told_goes_through_a_form_unchanged(told: dict[str, Any]) -> None:
    asked = RestoreArguments.model_validate(told)
    for dumped in (asked.model_dump(), asked.model_dump(mode="json", exclude_unset=True)):
        form = forms.fields(dumped, without=("name",))
        assert "name" not in form
        # What a browser makes of line ends.
        sent: forms.Form = MultiDict((name, value.replace("\n", "\r\n")) for name, value in form.items(multi=True))
        assert forms.arguments(RestoreArguments, sent, name="n") == asked


def test_lines_of_a_form_are_patterns_and_a_floor_has_its_seconds() -> None:
    form: forms.Form = MultiDict(
        {"match": " user:* \r\n\r\nqueue:?\n", "expiry": "floor", "floor": "60", "force": "on"}
    )
    told = forms.arguments(RestoreArguments, form, name="n")
    assert (told.match, told.expiry, told.force) == (("user:*", "queue:?"), "floor:60", True)
    assert told.exclude == ()


MEANT: list[tuple[dict[str, Any], str, str]] = [
    ({}, "", ""),
    ({"match": "a*"}, "keys like a*", ""),
    ({"match": ["a*", "b*"], "exclude": ("c*",)}, "keys like a* or b*, none like c*", ""),
    ({"match": [f"{n}*" for n in range(6)]}, "keys like 6 patterns", ""),
    ({"keys": ["b", "a"]}, "only a or b", ""),
    ({"keys": [str(n) for n in range(1000)]}, "only 1,000 keys", ""),
    ({"keys": []}, "no key at all", ""),
    ({"kinds": ["new", "expiry"]}, "only what is different only in their expiry or new", ""),
    ({"target": "staging", "map_databases": {"0": 5}}, "", "into staging, database 0 as 5"),
    ({"map_databases": "1:2,0:5", "prefix": "p:", "strip_prefix": "s:"}, "", "database 0 as 5, database 1 as 2, without s:, under p:"),
    ({"expiry": "keep"}, "", ""),
    ({"expiry": "shift"}, "", "expiry shifted"),
    ({"expiry": "persist"}, "", "without expiry"),
    ({"expiry": "floor:3600"}, "", "for 1 h at least"),
]  # fmt: skip


@pytest.mark.parametrize(("told", "part", "way"), MEANT)
def test_a_part_and_a_way_are_told_in_few_words(told: dict[str, Any], part: str, way: str) -> None:
    assert (restores.narrowing(told), restores.moving(told)) == (part, way)


SENTENCES: list[tuple[dict[str, Any], str]] = [
    ({"mode": "skip"}, "A key that exists there is left exactly as it is, also where it differs from the backup: how many do is counted"),
    ({"mode": "overwrite"}, "Then it keeps what is there under those keys, for 7 days, so that the restore can be undone."),
    ({"mode": "mirror"}, "Then it keeps all that is there, for 7 days, so that the restore can be undone."),
    ({"mode": "mirror"}, "afterwards there is what the backup holds, and nothing else."),
    ({"preview": "x"}, "Then it looks whether the target has changed since the preview, and stops if it has."),
    ({"preview": "x", "force": True}, "Then it goes on, also where the target has changed since the preview."),
    ({"map_databases": {0: 5}}, "Keys of database 0 go to database 5."),
    ({"prefix": "p:"}, "“p:” is put before every key."),
    ({"strip_prefix": "s:"}, "“s:” is taken off every key, and keys that do not begin with it are left out."),
    ({}, "Expiry times stay as they were, and keys whose time has run out since are not brought back."),
    ({"expiry": "shift"}, "every key lives on for as long as it had left when the backup was made."),
    ({"expiry": "persist"}, "No key that it writes expires any more"),
    ({"expiry": "floor:90"}, "A key that expires lives for 1 min 30 s at least, also one whose time has run out since."),
    ({"keys": ["a", "b"], "databases": [0]}, "Then it writes up to 2 keys (only a or b, database 0) into a:1."),
    ({"kinds": ["new"]}, "Then it writes up to 12 keys (only what is new) into a:1."),
    ({"prefix": "p:"}, "Its 2 function libraries are left out, for only a part is restored."),
    ({"map_databases": {0: 5}}, "Its 2 function libraries are restored as well."),
]  # fmt: skip


@pytest.mark.parametrize(("told", "said"), SENTENCES)
def test_what_a_restore_is_going_to_do_is_said_of_everything_it_is_told(told: dict[str, Any], said: str) -> None:
    one = manifest_of("redis_backup_20251103_020000.rdb").model_copy(
        update={"keys": 12, "keys_by_db": {0: {"string": 5, "hash": 4}, 3: {"string": 3}}, "functions": 2}
    )
    assert any(said in sentence for sentence in consequences.of_restore(one, told, "a:1", 7))


def test_without_days_there_is_no_talk_of_an_undo() -> None:
    one = manifest_of("redis_backup_20251103_020000.rdb")
    assert not any("undo" in sentence for sentence in consequences.of_restore(one, {"mode": "overwrite"}, "a:1", 0))


@pytest.fixture
def with_targets(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> Browser:
    """The admin of a dashboard that has two other targets set."""
    monkeypatch.setenv("REDIS_TARGETS", f"staging=redis://:{CANARY}@10.0.0.9:6379 other=redis://h:1")
    app = fresh_app()
    browser = Browser(app)
    assert browser.log_in().status_code == 303
    return browser


EVERYTHING: dict[str, Any] = {
    "mode": "overwrite",
    "match": "user:*\r\nqueue:*",
    "exclude": "*:tmp",
    "keys": 'user:1\r\n\\xff\r\n""',
    "types": ["hash", "string"],
    "databases": ["0", "3"],
    "target": "staging",
    "map_databases": "0:5, 3:6",
    "prefix": "new:",
    "strip_prefix": "user:",
    "expiry": "floor",
    "floor": "3600",
}
TOLD: dict[str, Any] = {
    "mode": "overwrite",
    "match": ["user:*", "queue:*"],
    "exclude": ["*:tmp"],
    "keys": ['""', "\\xff", "user:1"],
    "types": ["hash", "string"],
    "databases": [0, 3],
    "target": "staging",
    "map_databases": {"0": 5, "3": 6},
    "prefix": "new:",
    "strip_prefix": "user:",
    "expiry": "floor:3600",
}


def given_to(run: Run) -> dict[str, Any]:
    return {name: sorted(value) if name in ("keys", "types", "databases", "kinds") else value for name, value in run.arguments.items()}  # fmt: skip


@pytest.mark.parametrize(("path", "operation"), [("preview", "preview"), ("restore", "restore")])
def test_every_field_of_the_form_reaches_the_task(
    path: str, operation: str, web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/{path}", data={**EVERYTHING, "confirm": name})
    assert answer.status_code == 303, words(answer)
    (run,) = queued(web_app)
    assert (run.operation, answer.location) == (operation, f"/tasks/{run.id}")
    assert given_to(run) == {**TOLD, "name": name}
    assert CANARY not in with_targets.get(answer.location).text


def test_what_it_will_do_is_said_of_every_field_and_the_form_comes_back_to_be_changed(
    web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/review", data=EVERYTHING)
    said = words(answer)
    assert answer.status_code == 200
    for told in ("10.0.0.9:6379", "database 0 as 5", "“new:” is put before every key", "none like *:tmp"):
        assert told in said
    assert f"Type {name} to overwrite live keys with it" in said
    hidden = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', answer.text)
    again: forms.Form = MultiDict((key, unescape(value)) for key, value in hidden if key in EVERYTHING)
    assert forms.arguments(RestoreArguments, again, name="n").model_dump(mode="json", exclude_unset=True) == (
        RestoreArguments(name="n", **TOLD).model_dump(mode="json", exclude_unset=True)
    )
    back = with_targets.post(f"/backups/{name}/review", data={**again.to_dict(flat=False), "change": "on"})
    assert "queue:*" in back.text
    assert '<option value="staging" selected>staging, 10.0.0.9:6379</option>' in back.text
    assert 'value="floor" checked' in back.text
    assert 'value="3600"' in back.text
    assert 'name="databases" value="3" checked' in back.text
    assert back.text.count("<details open>") == 3
    assert queued(web_app) == []
    assert CANARY not in answer.text + back.text


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ({"target": "production"}, "There is no target of the name 'production': REDIS_TARGETS has other, staging."),
        ({"map_databases": "0"}, "Please correct this: map_databases: must be pairs of database numbers"),
        ({"expiry": "floor", "floor": "long"}, "Please correct this: expiry: must be keep, shift, persist, or floor"),
        ({"expiry": "floor"}, "Please correct this: expiry: must be keep, shift, persist, or floor"),
        ({"match": "x" * 5000}, "Please correct this: match.0: must have at most 4096 characters"),
    ],
)
@pytest.mark.parametrize("path", ["preview", "review", "restore"])
def test_a_field_that_is_wrong_is_told_with_the_form_filled_in(
    form: dict[str, Any], said: str, path: str, web_app: Web, with_targets: Browser
) -> None:
    name = make_backup(web_app)
    answer = with_targets.post(f"/backups/{name}/{path}", data={"prefix": "kept:", **form})
    assert answer.status_code == 400
    assert said in words(answer)
    assert 'value="kept:"' in answer.text
    assert CANARY not in answer.text
    assert queued(web_app) == []


def test_databases_that_would_meet_are_told_before_anybody_asks_a_worker(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    said = words(admin.post(f"/backups/{name}/review", data={"map_databases": "3:0"}))
    assert "Databases 0 and 3 of the backup would both go to database 0" in said


def test_without_other_targets_the_form_says_where_they_come_from(web_app: Web, admin: Browser) -> None:
    answer = admin.get(f"/backups/{make_backup(web_app)}")
    assert "once the setting REDIS_TARGETS names them" in words(answer)
    assert 'name="target"' not in answer.text


def look_at(web: Web, admin: Browser, operation: str, value: dict[str, Any], **arguments: Any) -> TestResponse:
    """The page of a run that came to this."""
    ended(web, "SUCCESS", operation=operation, arguments=arguments, value=value)
    answer = admin.get("/tasks/one")
    assert answer.status_code == 200
    policy = Policy()
    policy.feed(answer.text)
    assert policy.found == []
    assert answer.text.count("<h1") == 1
    assert "<img src=x" not in answer.text
    assert CANARY not in answer.text
    return answer


@pytest.fixture
def previewed(web_app: Web) -> Any:
    """Previews a restore of a backup whose keys have changed since in every way: name and result."""
    client: Any = web_app.source.client()
    client.mset({"user:1": "Ann", "user:2": HOSTILE, HOSTILE: "hostile", "same": "same", "lives": "x"})
    client.hset("hash", mapping={HOSTILE: "old", "field": "same"})
    client.set("gone:1", "x", px=3000)
    name = str(take(web_app.source, web_app.storage)["name"])
    eventually(lambda: client.exists("gone:1") == 0, "the end of gone:1")
    client.delete("user:1", HOSTILE)
    client.set("user:2", "changed")
    client.hset("hash", HOSTILE, f"new {HOSTILE}")
    client.expire("lives", 1000)
    client.set(b"only \xff there", "x")

    def run(**arguments: Any) -> tuple[str, dict[str, Any]]:
        return name, preview(web_app.settings, RestoreArguments(name=name, **arguments), silent)

    return run


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


def test_the_report_of_a_restore_says_what_differs_and_stayed(web_app: Web, admin: Browser, previewed: Any) -> None:
    name, _ = previewed()
    report = restore(web_app.settings, RestoreArguments(name=name, match=("*s*",)), silent)
    answer = look_at(web_app, admin, "restore", report, name=name, match=["*s*"])
    said = words(answer)
    assert f"{report['skipped']} skipped ({report['differing']} of them differ and stay as they are)" in said
    assert "keys differ from the backup, and stayed as they are. Replace those too" in said
    assert "<img src=x" not in answer.text


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


def test_a_restore_that_can_be_undone_leads_there_and_undos_are_listed_apart(
    web_app: Web, admin: Browser, previewed: Any
) -> None:
    name, _ = previewed(mode="overwrite")
    with logs.run("one", "restore"):
        report = restore(web_app.settings, RestoreArguments(name=name, mode="overwrite"), silent)
    (kept,) = catalogue.read(open_storage(str(web_app.storage))).undos
    answer = look_at(web_app, admin, "restore", report, name=name, mode="overwrite")
    assert 'href="/tasks/one/undo"' in answer.text
    listed = read(admin, "/backups")
    assert "1 backup, " in listed
    assert "Kept to undo a restore What restores were about to touch, as it was before; kept for 7 days" in listed
    assert kept.name in listed.partition("Kept to undo")[2]
    said = read(admin, f"/tasks/{kept.undoes}/undo")
    assert f"Then it puts up to {kept.keys} keys back as they were before the restore" in said
    assert "Keys that others have changed since are left alone" in said
    boxes = [admin.get(f"/tasks/{kept.undoes}/undo{more}").text.count("checked") for more in ("", "?force=on")]
    assert boxes == [0, 1]
    answer = admin.post(f"/tasks/{kept.undoes}/undo", data={"force": "on"})
    assert answer.status_code == 303, words(answer)
    (run,) = queued(web_app)
    assert (run.operation, run.arguments) == ("undo", {"run": kept.undoes, "force": True})


def test_a_restore_that_kept_nothing_cannot_be_undone(web_app: Web, admin: Browser) -> None:
    answer = look_at(web_app, admin, "restore", {"restored": 1, "skipped": 0, "expired": 0, "failed": 0}, name="n")
    assert "Undo this restore" not in words(answer)
    assert "There is nothing that could undo it" in read(admin, "/tasks/one/undo", 404)


def test_the_report_of_an_undo_names_what_was_left_alone(web_app: Web, admin: Browser) -> None:
    value = {"run": "r", "put_back": 3, "deleted": 2, "left_alone": 1, "changed": [{"db": 3, "key": HOSTILE}], "warnings": [HOSTILE]}  # fmt: skip
    answer = look_at(web_app, admin, "undo", value, run="r")
    assert 'href="/tasks/r/undo?force=on"' in answer.text
    said = words(answer)
    assert "3 put back, 2 deleted, 1 left alone, for others have changed them since." in said
    assert "Put back 3 keys Deleted 2 keys Left alone 1 key" in said
    assert f"{HOSTILE} 3" in said


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
    assert f"Shown: {older}" in said
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


def test_a_run_tells_which_databases_it_moved_keys_between(web_app: Web, admin: Browser) -> None:
    told = {"name": "n", "map_databases": {"0": 5, "1": 6}}
    ended(web_app, "SUCCESS", operation="restore", arguments=told, value={})
    assert "map_databases 0:5 1:6" in read(admin, "/tasks/one")


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


def test_a_reader_may_look_and_preview_and_restores_nothing(web_app: Web) -> None:
    name, reader = make_backup(web_app), web_app.with_token("read")
    assert reader.post(f"/backups/{name}/preview", data={}).status_code == 303
    assert reader.post("/search", data={"text": "k"}).status_code == 303
    assert reader.post(f"/backups/{name}/restore", data={}).status_code == 403
    assert reader.post("/tasks/one/undo").status_code == 403


def test_from_the_preview_to_the_restore_and_back_again(
    web_app: Web, admin: Browser, web_worker: Background, previewed: Any
) -> None:
    name, _ = previewed(mode="overwrite")
    client: Any = web_app.source.client()
    before = state(web_app.source)

    def done(answer: TestResponse) -> TestResponse:
        assert answer.status_code == 303, words(answer)
        eventually(lambda: "http-equiv" not in admin.get(answer.location).text, answer.location)
        return admin.get(answer.location)

    shown = done(admin.post(f"/backups/{name}/preview", data={"mode": "overwrite"}))
    form = MultiDict(re.findall(r'<input type="hidden" name="(mode|preview)" value="([^"]*)"', shown.text))
    form.setlist("kinds", ["new", "differs"])
    form["confirm"] = name
    client.set("same", "changed as well")
    refused = done(admin.post(f"/backups/{name}/restore", data=form))
    assert "since the preview" in words(refused)
    assert "Preview again Restore all the same" in words(refused)
    anyway = MultiDict(
        re.findall(r'<input type="hidden" name="(mode|preview|kinds|force)" value="([^"]*)"', refused.text)
    )
    review = admin.post(f"/backups/{name}/review", data=anyway).text
    assert 'name="force" value="on" checked' in review
    assert f'name="preview" value="{form["preview"]}"' in review
    client.set("same", "same")
    restored = done(admin.post(f"/backups/{name}/restore", data=form))
    assert "Restored 4 keys" in words(restored)
    assert client.get("user:1") == b"Ann"
    (path,) = set(re.findall(r'href="(/tasks/[\w-]+/undo)"', restored.text))
    assert "keys back as they were before the restore" in read(admin, path)
    undone = words(done(admin.post(path, data={})))
    assert "2 put back, 2 deleted" in undone
    assert_same(web_app.source, before)


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


def test_settings_show_targets_by_name_alone(with_targets: Browser) -> None:
    answer = with_targets.get("/system")
    assert "REDIS_TARGETS other and staging" in words(answer)
    assert CANARY not in answer.text
    assert load_web().backup_undo_days == 7
    assert datetime.now(UTC)
