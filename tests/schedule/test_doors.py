"""The schedule for scripts: by the API, with a scope of its own, and in a shell."""

from typing import Any

from tests.support.backups import dated
from tests.support.dashboard import Web
from tests.support.processes import Shell
from tests.web.api.asked import error
from worker.broker.choices import store


def row(body: dict[str, Any], name: str) -> dict[str, Any]:
    [found] = [row for row in body["settings"] if row["name"] == name]
    return dict(found)


def test_a_script_reads_and_changes_it_with_the_scope_for_that(web_app: Web) -> None:
    reader, script = web_app.with_token("read"), web_app.with_token("read", "schedule", name="ci")
    known = reader.get("/api/schedule")
    assert (known.status_code, known.get_json()["revision"]) == (200, 0)
    asked = {"keep": 14, "daily_at": "4:30", "revision": 0}
    assert reader.put("/api/schedule", json=asked).status_code == 403
    done = script.put("/api/schedule", json=asked)
    assert done.status_code == 200, done.text
    assert done.get_json()["changes"] == {"daily_at": ["03:00", "04:30"], "keep": [7, 14]}
    keep = row(reader.get("/api/schedule").get_json(), "keep")
    assert (keep["value"], keep["origin"], keep["by"], keep["variable"]) == (14, "chosen", "token ci", "BACKUP_KEEP")
    assert "Somebody else" in error(script.put("/api/schedule", json=asked))
    less = script.put("/api/schedule", json={"keep": 13, "revision": 1})
    assert (less.status_code, error(less)[:34]) == (409, "A token may not have less kept (ke")
    for wrong in ({"keep": 14}, {"keep": 0, "revision": 1}, {"unknown": 1, "revision": 1}):
        assert script.put("/api/schedule", json=wrong).status_code == 400
    assert web_app.settings.backup_keep == 7


def test_the_admin_is_told_what_would_go_by_the_api_as_well(web_app: Web) -> None:
    names = [dated(web_app.settings, hours, asked_by="beat daily") for hours in (1, 5)]
    admin = web_app.logged_in()
    refused = admin.put("/api/schedule", json={"keep": 1, "revision": 0})
    assert (refused.status_code, names[1] in error(refused)) == (409, True)
    tried = admin.put("/api/schedule", json={"keep": 1, "revision": 0, "dry_run": True}).get_json()
    assert (tried["gives_up"], tried["revision"]) == ([names[1]], 0)
    assert admin.put("/api/schedule", json={"keep": 1, "revision": 0, "gives_up": 1}).status_code == 200


def test_the_shell_shows_and_changes_it(web_app: Web) -> None:
    names = [dated(web_app.settings, hours, asked_by="beat daily") for hours in (1, 5)]
    shell = Shell(web_app.source.url, web_app.storage, web_app.folder, nowhere=web_app.broker.url)
    assert "BACKUP_KEEP_DAILY in the environment" in shell("schedule", BACKUP_KEEP_DAILY="2").out
    assert shell("schedule", "--set", "keep=14", "--set", "BACKUP_DAILY_AT=4:30").out == (
        "changed: daily_at from 03:00 to 04:30\nchanged: keep from 7 to 14\n"
    )
    assert row(shell("schedule", "--json").data, "keep")["by"].startswith("shell ")
    asked = shell("schedule", "--set", "keep=1", answer="n\n")
    assert (asked.code, names[1] in asked.err, "Nothing was changed" in asked.err) == (1, True, True)
    assert f"the next prune would delete: {names[1]}" in shell("schedule", "--set", "keep=1", "--dry-run").out
    assert shell("schedule", "--set", "keep=1", "--yes").code == 0
    assert shell("schedule", "--reset", "keep").out == "changed: keep from 1 to 7\n"
    stored = store.read(web_app.settings)
    assert stored is not None
    assert [*stored.choices] == ["backup_daily_at"]
    for wrong in (("--set", "keep"), ("--set", "colour=red"), ("--reset", "colour"), ("--set", "keep=many")):
        assert shell("schedule", *wrong).code == 2


def test_without_a_broker_the_shell_says_so(web_app: Web) -> None:
    shell = Shell(web_app.source.url, web_app.storage, web_app.folder)
    assert "The broker does not answer" in shell("schedule").err
    changed = shell("schedule", "--set", "keep=14")
    assert (changed.code, "The broker does not answer" in changed.err) == (1, True)


def test_a_shell_that_knows_nothing_of_what_is_chosen_says_so_and_deletes_nothing(web_app: Web) -> None:
    names = [dated(web_app.settings, hours, asked_by="beat daily") for hours in range(1, 10)]
    web_app.broker.client().set(store.KEY, b"garbage")
    shell = Shell(web_app.source.url, web_app.storage, web_app.folder, nowhere=web_app.broker.url)
    refused = shell("prune")
    assert (refused.code, "nothing was deleted" in refused.err) == (1, True)
    assert len(shell("prune", "--dry-run", "--json").data["deleted"]) == 2
    for verb in ("ping", "stats"):
        assert "the chosen settings of the schedule cannot be read" in shell(verb).err
    assert shell("prune", "--without-broker", "--json").data["deleted"][0]["name"] in names[7:]
