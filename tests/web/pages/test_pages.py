"""The pages: what they say in every state, what their forms ask for, and that hostile names stay text."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from html import unescape
from html.parser import HTMLParser
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.backups import manifest_of, partial_of, take
from tests.support.dashboard import Browser, Web
from tests.support.processes import CANARY, Background, eventually
from tests.support.states import assert_same, state
from web.wording import by_hand
from worker.broker import audit
from worker.config.settings import load, load_web
from worker.repository import catalogue
from worker.repository.manifest import MANIFEST_SUFFIX, Manifest, Origin
from worker.runs.operations import OPERATIONS
from worker.runs.run import Run
from worker.runs.store import open_runs
from worker.storage import open_storage

HOSTILE = "<img src=x onerror=alert(1)>"
PAGES = ("/", "/backups", "/search", "/restores", "/tasks", "/schedule", "/system")


def words(answer: TestResponse) -> str:
    """What a person reads, with one blank between words."""
    text = re.sub(r"<(script|style)\b.*?</\1>|<[^>]*>", " ", answer.text, flags=re.DOTALL)
    return " ".join(unescape(text).split())


def read(browser: Browser, path: str, status: int = 200) -> str:
    answer = browser.get(path)
    assert answer.status_code == status, answer.text
    return words(answer)


def make_backup(web: Web, **arguments: Any) -> str:
    """The name of a new backup of the source, which holds a few keys."""
    client = web.source.client()
    client.mset({f"user:{number}": "x" * 50 for number in range(20)})
    client.hset("a hash", mapping={"field": "value"})
    web.source.client(3).set("other", "1")
    return str(take(web.source, web.storage, **arguments)["name"])


def manifest(web: Web, name: str) -> Manifest:
    return catalogue.get(open_storage(str(web.storage)), name)


def remembered(web: Web, **fields: Any) -> Run:
    """A run that the broker remembers, in place of what it remembered under that id: there an end is said once."""
    now = datetime.now(UTC)
    told = {"id": "one", "operation": "backup", "asked_by": "admin", "queued_at": now, "due_at": now, **fields}
    run = Run(**told)
    with open_runs(web.settings) as runs:
        runs.forget(run.id)
        assert runs.put(run)
    return run


def ended(web: Web, state: str, **fields: Any) -> Run:
    now = datetime.now(UTC)
    return remembered(web, state=state, started_at=now - timedelta(seconds=3), ended_at=now, **fields)


def queued(web: Web) -> list[Run]:
    with open_runs(web.settings) as runs:
        return runs.unfinished()


class Policy(HTMLParser):
    """What the Content-Security-Policy would forbid, and what leads to other hosts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [f"{tag} {name}" for name, _ in attrs if name == "style" or name.startswith("on")]
        self.found += [
            f"{tag} {name}={value}"
            for name, value in attrs
            if name in ("src", "href", "action") and re.match(r"(?i)[a-z]+:|//", value or "")
        ]
        self.scripts += tag == "script"
        if tag == "style" or (tag == "script" and "src" not in dict(attrs)):
            self.found.append(f"inline {tag}")


@pytest.mark.parametrize("path", PAGES)
def test_a_page_says_what_to_do_first_while_there_is_nothing(admin: Browser, path: str) -> None:
    said = read(admin, path)
    first = {
        "/": "There is no backup yet",
        "/backups": "Press “Back up now” to make the first.",
        "/search": "One key through all backups and the source",
        "/restores": "Choose a backup",
        "/tasks": "Make a backup: you will see it run here.",
        "/schedule": "The schedule makes the first one by itself",
        "/system": "Nobody has asked it yet: press “Ask anew”.",
    }
    assert first[path] in said


def test_every_page_shows_what_there_is_and_keeps_to_the_policy(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    ended(web_app, "SUCCESS", value={"name": name, "keys": 22, "bytes": {"raw": 3000, "stored": 1000}})
    details = (f"/backups/{name}", f"/backups/{name}/restore?mode=overwrite", "/tasks/one", "/login", "/nothing")
    for path in (*PAGES, *details):
        answer = admin.get(path)
        policy = Policy()
        policy.feed(answer.text)
        assert policy.found == [], path
        assert policy.scripts == 1, path
        assert answer.text.count("<h1") == 1, path
        assert CANARY not in answer.text, path
    for path in ("/", "/backups", "/schedule", f"/backups/{name}"):
        assert name in admin.get(path).text, path


def test_the_files_of_every_page_are_there_and_bootstrap_draws_nothing_by_a_data_address(admin: Browser) -> None:
    page = "".join(admin.get(path).text for path in PAGES)
    for address in set(re.findall(r'(?:href|src)="(/(?:static|bootstrap)[^"]*)"', page)):
        assert admin.get(address).status_code == 200, address
    style = admin.get("/static/style.css").text
    assert 'url("caret.svg")' in style
    assert admin.get("/static/caret.svg").status_code == 200
    # Classes of Bootstrap that bring pictures as data: our policy would make holes of them.
    for name in ("form-select", "form-check-input", "btn-close", "navbar-toggler", "accordion", "is-invalid"):
        assert name not in page


def test_a_session_and_the_files_of_a_page_are_not_sent_anew_with_every_answer(web_app: Web, admin: Browser) -> None:
    web_app.with_token("read", name="ci")
    admin.get("/")
    assert admin.post("/tokens/ci/revoke").status_code == 303
    for path in ("/", "/system", "/static/style.css"):
        assert "Set-Cookie" not in admin.get(path).headers, path
    assert "max-age=3600" in admin.get("/static/style.css").headers["Cache-Control"]


def test_the_summary_says_that_all_is_well(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    for role in ("celery", "beat"):
        web_app.broker.client().set(f"redis_backup:alive:{role}:here", 1)
    said = read(admin, "/")
    assert "All is well Last good backup just now, with 22 keys. The next one is planned in" in said


def test_the_summary_says_what_failed_and_why(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    remembered(web_app, state="FAILURE", ended_at=datetime.now(UTC), error=f"The source is away: {HOSTILE}.")
    answer = admin.get("/")
    said = words(answer)
    assert "The last backup failed" in said
    assert f"The backup of just now failed: The source is away: {HOSTILE}." in said
    assert HOSTILE not in answer.text
    assert "1 backup, 1 failed" in said


def test_the_summary_warns_of_the_broker_and_of_a_source_that_is_away(web_app: Web, admin: Browser) -> None:
    value = {
        "source": {"address": "10.0.0.5:6379", "reachable": False, "error": "The source does not answer."},
        "broker": {"is_source": True, "eviction": "allkeys-lru", "address": "10.0.0.5:6379"},
    }
    ended(web_app, "SUCCESS", operation="stats", value=value)
    said = read(admin, "/")
    assert "The source cannot be reached" in said
    assert "The broker runs on the source." in said
    assert "Its maxmemory-policy is allkeys-lru" in said
    assert "10.0.0.5:6379 (user and password not shown)" in read(admin, "/system")


ODD: tuple[Any, ...] = (
    "text",
    5,
    None,
    [],
    [1, None, "a"],
    {"a": [1]},
    {"skipped": 3},
    {"bytes": 5, "keys": "x", "source": 7},
)
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {"databases": 0},
    {"databases": ["a", 1]},
    {"databases": [1, None]},
    {"types": [1, "a"], "mode": ["overwrite"]},
    {"name": "x", "databases": 5, "types": {"a": 1}},
    {"name": ["x"], "match": 7, "keep": {"a": 1}},
    {"unless_younger_than_hours": "24", "format": [1]},
    {"name": "x", "map_databases": {"0": 5, "a": None}, "keys": 7, "kinds": 3, "databases": [0, None]},
)


def test_no_run_is_so_odd_that_a_page_fails(web_app: Web, admin: Browser) -> None:
    made = []
    for operation in OPERATIONS:
        for number, given in enumerate(ARGUMENTS):
            for outcome in ("SUCCESS", "FAILURE"):
                made.append(f"{operation}-{number}-{outcome}")
                value = ODD[len(made) % len(ODD)]
                ended(web_app, outcome, id=made[-1], operation=operation, arguments=given, value=value)
    audit.record(web_app.settings, "admin", "backup", "SUCCESS", run="one", arguments={"databases": ["a", None, 0]})
    pages = {f"/tasks/{identity}" for identity in made} | {f"/tasks?page={page}" for page in (1, 2, 3, 4)} | set(PAGES)
    assert {path: status for path in sorted(pages) if (status := admin.get(path).status_code) != 200} == {}


def test_databases_are_told_as_they_were_given_and_in_order(web_app: Web, admin: Browser) -> None:
    for given, said in ((0, "db 0"), ("0,3", "db 0,3"), ([10, 9, 2], "db 2, 9 and 10"), (["b", 1], "db 1 and b")):
        ended(web_app, "FAILURE", arguments={"databases": given}, error="No.")
        assert f"Backup {said}" in read(admin, "/tasks/one")
    assert 'name="databases" value="1,b"' in admin.get("/tasks/one").text


def test_a_backup_that_failed_its_verification_is_called_damaged_everywhere(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    ended(web_app, "FAILURE", operation="verify", arguments={"name": name}, error="Byte 7 is another one.")
    assert f"{name}: Byte 7 is another one." in read(admin, "/")
    assert "damaged" in read(admin, "/backups")
    assert "Its last verification failed. Byte 7 is another one." in read(admin, f"/backups/{name}")
    assert "Its last verification failed." in read(admin, f"/backups/{name}/restore?mode=skip")
    ended(web_app, "SUCCESS", id="again", operation="verify", arguments={"name": name}, value={"keys": 22})
    assert "damaged" not in read(admin, "/backups")


def test_a_long_list_has_pages(web_app: Web, admin: Browser) -> None:
    now = datetime.now(UTC)
    for number in range(60):
        ended(
            web_app, "SUCCESS", id=f"run-{number:02}", queued_at=now - timedelta(minutes=number), value={"keys": number}
        )
    assert len(re.findall(r'href="/tasks/run-', admin.get("/tasks").text)) == 25
    last = admin.get("/tasks?page=3")
    assert re.findall(r'href="/tasks/(run-[0-9]+)"', last.text)[0] == "run-50"
    assert 'rel="prev"' in last.text
    assert 'rel="next"' not in last.text
    assert read(admin, "/tasks?page=-5").startswith("Tasks")
    assert read(admin, "/tasks?page=x").startswith("Tasks")
    for path in ("/tasks", "/restores", "/backups"):
        read(admin, f"{path}?page={'9' * 20}")


def test_tasks_are_filtered_by_kind_and_state_and_questions_come_only_when_asked_for(
    web_app: Web, admin: Browser
) -> None:
    ended(web_app, "SUCCESS", id="made", value={"keys": 1})
    ended(web_app, "SUCCESS", id="young", value={"skipped": "it is younger than 24 hours"})
    ended(web_app, "FAILURE", id="broken", operation="restore", arguments={"name": "n"}, error="No.")
    ended(web_app, "SUCCESS", id="asked", operation="stats", value={})

    def shown(query: str) -> set[str]:
        return set(re.findall(r'href="/tasks/([a-z]+)"', admin.get(f"/tasks{query}").text))

    assert shown("") == {"made", "broken"}
    assert shown("?kind=backup") == {"made", "young"}
    assert shown("?state=nothing") == {"young"}
    assert shown("?state=failed") == {"broken"}
    assert shown("?kind=stats") == {"asked"}
    assert shown("?kind=restore&state=done") == set()
    assert shown(f"?kind={HOSTILE}&state=%00") == {"made", "broken"}
    assert set(re.findall(r'href="/tasks/([a-z]+)"', admin.get("/restores").text)) == {"broken"}


def test_a_run_that_lives_shows_how_far_it_is_and_the_page_comes_anew(web_app: Web, admin: Browser) -> None:
    progress = {"phase": "reading", "current": 1200, "total": 5000, "unit": "keys", "rate": 600.0}
    remembered(web_app, state="STARTED", started_at=datetime.now(UTC), progress=progress)
    for path in ("/tasks/one", "/tasks", "/"):
        answer = admin.get(path)
        assert "reading: 1,200 keys of 5,000 keys, 600 keys a second, about 6.0 s left" in words(answer)
        assert 'max="5000" value="1200"' in answer.text
        assert '<noscript><meta http-equiv="refresh" content="3"></noscript>' in answer.text


def test_a_run_that_has_ended_stands_still(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", value={"name": "n", "keys": 5, "bytes": {"raw": 2000, "stored": 1000}})
    answer = admin.get("/tasks/one")
    assert "http-equiv" not in answer.text
    assert "5 keys in 1.0 KB (2.0 KB before compression)" in words(answer)
    assert "Look at the backup" in words(answer)


@pytest.mark.parametrize(
    ("operation", "state", "advice"),
    [
        ("backup", "FAILURE", "Earlier backups are untouched."),
        ("backup", "INTERRUPTED", "Nothing unfinished was kept"),
        ("restore", "FAILURE", "What was written before it failed stays written."),
        ("restore", "INTERRUPTED", "It is never run again by itself"),
        ("verify", "FAILURE", "Do not rely on this backup"),
        ("prune", "INTERRUPTED", "Prune again."),
    ],
)
def test_a_run_that_came_to_grief_says_why_and_what_next(
    web_app: Web, admin: Browser, operation: str, state: str, advice: str
) -> None:
    ended(web_app, state, operation=operation, arguments={"name": "n"}, error="The sentence of the error.")
    said = read(admin, "/tasks/one")
    assert "The sentence of the error." in said
    assert advice in said


def test_the_report_of_a_restore_shows_the_keys_that_failed_as_text(web_app: Web, admin: Browser) -> None:
    failure = {"db": 0, "key": HOSTILE, "type": "hash", "error": f"ERR {HOSTILE}"}
    report = {"restored": 7, "skipped": 2, "expired": 1, "failed": 30, "failures": [failure], "warnings": [HOSTILE]}
    log = [{"event": "restore_failed", "level": "error", "timestamp": "2025-11-03T02:00:00Z", "error": HOSTILE}]
    arguments = {"name": "n", "mode": "overwrite", "match": HOSTILE}
    fields = {"operation": "restore", "arguments": arguments, "value": report, "log": log, "asked_by": HOSTILE}
    ended(web_app, "FAILURE", error=HOSTILE, **fields)
    answer = admin.get("/tasks/one")
    said = words(answer)
    assert "Restored 7 keys Left alone 2 keys Expired since 1 key Failed 30 keys" in said
    assert "the first 1 of 30" in said
    assert "restore_failed" in said
    for path in ("/tasks/one", "/tasks", "/restores", "/system"):
        assert "<img src=x" not in admin.get(path).text, path
    assert answer.text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6


def test_an_unknown_run_and_an_unknown_backup_are_pages_with_a_sentence(admin: Browser) -> None:
    assert "There is no task of that id" in read(admin, "/tasks/unheard-of", 404)
    assert "There is no backup of the name" in read(admin, "/backups/redis_backup_20250101_000000.rdb", 404)
    assert "There is no backup of the name" in read(admin, "/backups/passwd/restore?mode=skip", 404)


def test_the_page_of_a_backup_says_all_of_its_manifest(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    one = manifest(web_app, name)
    answer = admin.get(f"/backups/{name}")
    said = words(answer)
    for told in (
        one.sha256,
        "One point in time",
        "replication",
        "RDB version",
        f"{one.source.server} {one.source.version}",
    ):
        assert told in said
    assert "Database 0 21 keys" in said
    assert "Database 3 1 key" in said
    assert f'href="/api/backup/download/{name}"' in answer.text
    assert "src=x" not in answer.text


@pytest.mark.parametrize(("compression", "unpack"), [("zstd", "zstd -d"), ("gzip", "gunzip -c"), ("none", "cp")])
def test_the_shell_lines_of_a_backup_bring_it_back_without_us(
    web_app: Web, admin: Browser, compression: str, unpack: str
) -> None:
    name = make_backup(web_app, compression=compression)
    steps = by_hand.steps(manifest(web_app, name))
    # The server's own: one of an older server does not know its files.
    (web_app.storage / "redis-check-rdb").symlink_to(web_app.source.binary.path)
    assert all(step.line in unescape(admin.get(f"/backups/{name}").text) for step in steps)
    assert steps[1].line.startswith(unpack)
    for step in steps[:3]:
        program = step.line.split()[0]
        if program == "echo" or shutil.which(program):
            path = {"PATH": f".:{os.environ['PATH']}"}
            subprocess.run(["sh", "-ec", step.line], cwd=web_app.storage, check=True, capture_output=True, env=path)
    assert (web_app.storage / "dump.rdb").read_bytes()[:5] == b"REDIS"


def test_the_shell_lines_of_a_json_backup_bring_its_text_back(web_app: Web) -> None:
    if not shutil.which("jq"):
        pytest.skip("jq is not installed")
    web_app.source.client().rpush("a list", "one", 'two "quoted"')
    web_app.source.client().zadd("a zset", {"member": 1.5})
    web_app.source.client().sadd("a set", "x y")
    steps = by_hand.steps(manifest(web_app, make_backup(web_app, format="json")))
    for step in steps[:-1]:
        subprocess.run(["sh", "-ec", step.line], cwd=web_app.storage, check=True, capture_output=True)
    before = state(web_app.source)
    web_app.source.client().flushall()
    commands = (web_app.storage / "commands.txt").read_bytes()
    line = ["redis-cli", "-s", web_app.source.socket, "-a", CANARY, "--no-auth-warning"]
    if not shutil.which("redis-cli"):
        pytest.skip("redis-cli is not installed")
    subprocess.run(line, input=commands, check=True, capture_output=True)
    assert_same(web_app.source, before)


def test_a_restore_is_told_in_words_before_it_is_asked_for(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    plain = read(admin, f"/backups/{name}/restore?mode=skip")
    assert "Then it writes 22 keys into 127.0.0.1:" in plain
    assert "A key that exists there is left exactly as it is, also where it differs from the backup" in plain
    assert "to overwrite live keys" not in plain
    part = read(admin, f"/backups/{name}/restore?mode=overwrite&types=string&databases=0&match=user:*&match=")
    assert "Then it writes up to 20 keys (keys like user:*, type string, database 0)" in part
    assert f"Type {name} to overwrite live keys with it" in part
    assert "The backup has no database 9." in read(admin, f"/backups/{name}/restore?databases=9")
    assert queued(web_app) == []


def test_a_pattern_of_a_restore_stays_text(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    answer = admin.get(f"/backups/{name}/restore", query_string={"match": f'"{HOSTILE}'})
    assert "<img" not in answer.text.replace('<img src="/static', "")
    assert 'value="&#34;&lt;img' in answer.text


def test_a_restore_form_that_is_wrong_comes_back_with_what_was_typed(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    for path in (
        f"/backups/{name}/restore?databases=x&match=user:*",
        f"/backups/{name}/restore?mode=all&match=user:*",
    ):
        answer = admin.get(path)
        assert answer.status_code == 400
        assert "Please correct this:" in words(answer)
        assert ">user:*</textarea>" in answer.text


def test_overwriting_and_deleting_need_the_name_typed_in(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    for path, form in (("restore", {"mode": "overwrite", "match": "user:*"}), ("delete", {})):
        for typed, said in (("", "is missing"), (name[:-1], "is not that of the backup")):
            answer = admin.post(f"/backups/{name}/{path}", data={**form, "confirm": typed})
            assert answer.status_code == 400
            assert said in words(answer)
            assert f'value="{typed}"' in answer.text
    assert "keys like user:*" in words(
        admin.post(f"/backups/{name}/restore", data={"mode": "overwrite", "match": "user:*"})
    )
    assert queued(web_app) == []


def test_a_backup_form_that_is_wrong_comes_back_with_what_was_typed(web_app: Web, admin: Browser) -> None:
    answer = admin.post("/backups/create", data={"format": "json", "databases": "one"})
    assert answer.status_code == 400
    assert "Please correct this: databases: must be all , or database numbers" in words(answer)
    assert '<option value="json" selected>' in answer.text
    assert 'value="one"' in answer.text
    assert queued(web_app) == []


def test_each_form_asks_for_its_task_and_leads_to_its_page(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    forms = {
        "/backups/create": ("backup", {"format": "json", "databases": "0, 3", "engine": ""}),
        f"/backups/{name}/verify": ("verify", {}),
        f"/backups/{name}/restore": ("restore", {"mode": "overwrite", "types": ["hash", "string"], "confirm": name}),
        f"/backups/{name}/delete": ("delete", {"confirm": f" {name} "}),
        "/schedule/prune": ("prune", {}),
        "/system/ask": ("ping", {}),
    }
    for path, (operation, form) in forms.items():
        answer = admin.post(path, data=form)
        assert answer.status_code == 303, words(answer)
        (run,) = [one for one in queued(web_app) if one.operation == operation]
        assert answer.location == f"/tasks/{run.id}"
        assert run.asked_by == "admin"
        assert "It waits for a worker." in read(admin, answer.location)
    given = {run.operation: run.arguments for run in queued(web_app)}
    assert given["backup"] == {"format": "json", "databases": given["backup"]["databases"]}
    assert sorted(given["backup"]["databases"]) == [0, 3]
    assert sorted(given["restore"].pop("types")) == ["hash", "string"]
    assert given["restore"] == {"name": name, "mode": "overwrite"}


def test_nothing_is_asked_for_a_backup_that_is_not_there(web_app: Web, admin: Browser) -> None:
    name = "redis_backup_20250101_000000.rdb"
    for what in ("verify", "restore", "delete"):
        answer = admin.post(f"/backups/{name}/{what}", data={"confirm": name})
        assert answer.status_code == 404
        assert "There is no backup of the name" in words(answer)
    assert queued(web_app) == []


def test_a_second_backup_is_told_to_wait(web_app: Web, admin: Browser) -> None:
    assert admin.post("/backups/create").status_code == 303
    answer = admin.post("/backups/create", data={"format": "json"})
    assert answer.status_code == 409
    assert "A backup is waiting already" in words(answer)
    assert "Make a backup" in words(answer)


def test_a_reader_sees_the_pages_and_changes_nothing(web_app: Web) -> None:
    reader = web_app.with_token("read")
    assert reader.get("/").status_code == 200
    for path in ("/backups/create", "/backups/n/verify", "/backups/n/restore", "/backups/n/delete", "/schedule/prune"):
        assert reader.post(path).status_code == 403, path


def test_with_the_broker_away_the_backups_are_still_there(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    admin.get("/")
    web_app.broker.stop()
    assert "The broker does not answer" in read(admin, "/")
    assert name in read(admin, "/backups")
    assert "One point in time" in read(admin, f"/backups/{name}")
    assert "one of the 7 newest" in read(admin, "/schedule")
    assert "Not known while the broker is away." in read(admin, "/system")
    for path in ("/restores", "/tasks"):
        assert "runs cannot be shown" in read(admin, path)
    assert "runs cannot be shown" in read(admin, "/tasks/one", 503)
    answer = admin.post("/backups/create", data={"format": "json"})
    assert answer.status_code == 503
    assert "The broker does not answer" in words(answer)


def test_a_storage_that_cannot_be_read_is_said_and_no_error_page(web_app: Web, admin: Browser) -> None:
    web_app.storage.write_text("no folder")
    said = read(admin, "/")
    assert "The storage cannot be read" in said
    assert "Nobody can tell which backups there are." in said
    assert said.count("not known") == 4, "one for each number"
    for path in PAGES:
        assert "0 backups" not in read(admin, path), path
    assert "cannot be listed" in read(admin, "/backups")
    assert "cannot be listed" in read(admin, "/schedule")
    assert "cannot be listed" in read(admin, "/system")


def test_a_storage_that_cannot_be_looked_into_is_said_and_no_error_page(
    web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_STORAGE", str(web_app.folder / ("x" * 300) / "backups"))
    for cached in (load, load_web):
        cached.cache_clear()
    assert "Free not known" in read(admin, "/system")


def test_a_folder_that_is_gone_is_said_where_backups_are_remembered(web_app: Web, admin: Browser) -> None:
    ended(web_app, "SUCCESS", id="young", value={"skipped": "it is younger than 24 hours"})
    assert "The storage is gone" not in read(admin, "/")
    ended(web_app, "SUCCESS", value={"name": make_backup(web_app)})
    assert "The storage is gone" not in read(admin, "/")
    shutil.rmtree(web_app.storage)
    assert f"Backups were made, and there is no folder {web_app.storage}: is it mounted" in read(admin, "/")


@pytest.mark.parametrize(
    ("harm", "problem"), [("damage", "is damaged"), ("cut", "is not whole"), ("lose", "only its manifest is there")]
)
def test_a_backup_that_is_not_whole_says_so_and_can_be_deleted(
    web_app: Web, admin: Browser, harm: str, problem: str
) -> None:
    name = make_backup(web_app)
    artifact = web_app.storage / name
    if harm == "damage":
        (web_app.storage / f"{name}{MANIFEST_SUFFIX}").write_text("{")
    elif harm == "cut":
        artifact.write_bytes(artifact.read_bytes()[:-1])
    else:
        artifact.unlink()
    for path in (f"/backups/{name}", f"/backups/{name}/restore?mode=skip"):
        assert problem in read(admin, path)
    assert f"Type {name} to delete it" in read(admin, f"/backups/{name}")
    assert "is missing: type" in words(admin.post(f"/backups/{name}/delete"))
    for what in ("verify", "restore"):
        assert admin.post(f"/backups/{name}/{what}").status_code == 303, "the task tells what is wrong"
    assert admin.post(f"/backups/{name}/delete", data={"confirm": name}).status_code == 303


def test_the_latest_of_the_pages_is_that_of_the_api(web_app: Web, admin: Browser) -> None:
    own = make_backup(web_app)
    storage = open_storage(str(web_app.storage))
    other = manifest_of("redis_backup_20300101_000000.rdb", b"12345")
    storage.put(other.name, b"12345")
    catalogue.add(storage, other)
    told = admin.get("/api/backup/manifest/latest").get_json()
    assert told["name"] == own
    assert own in read(admin, "/backups/latest")
    assert own in read(admin, "/backups/latest/restore?mode=overwrite")


def test_the_last_run_of_the_schedule_is_found_behind_any_number_of_others(web_app: Web, admin: Browser) -> None:
    now = datetime.now(UTC)
    ended(web_app, "FAILURE", id="daily", asked_by="beat daily", queued_at=now - timedelta(hours=13), error="No.")
    for number in range(250):
        at = now - timedelta(minutes=number)
        ended(web_app, "FAILURE", id=f"other-{number}", asked_by="beat interval", queued_at=at, error="No.")
    ended(web_app, "SUCCESS", id="idle", asked_by="beat interval", value={"skipped": "it is younger than 24 hours"})
    assert re.findall(r'href="/tasks/([a-z0-9-]+)"', admin.get("/schedule").text) == ["daily", "other-0"]


def test_without_a_worker_it_is_said_where_something_waits(web_app: Web, admin: Browser) -> None:
    remembered(web_app)
    remembered(web_app, id="runs", state="STARTED")
    for path in ("/backups", "/tasks/one"):
        assert "Nobody serves the queues jobs and quick, and what is asked for waits there" in read(admin, path)
    assert "Nobody serves" not in read(admin, "/tasks/runs")
    web_app.broker.client().set("redis_backup:alive:celery:here", 1)
    for path in ("/backups", "/tasks/one"):
        assert "Nobody serves" not in read(admin, path)


@pytest.mark.parametrize(
    ("form", "page"),
    [
        ("/backups/create", "/backups"),
        ("/backups/some.rdb/verify", "/backups/some.rdb"),
        ("/backups/some.rdb/delete", "/backups/some.rdb"),
        ("/schedule/prune", "/schedule"),
        ("/system/ask", "/system"),
        ("/tokens", "/system"),
        ("/tokens/ci/revoke", "/system"),
    ],
)
def test_a_form_that_is_reloaded_by_its_address_leads_to_its_page(admin: Browser, form: str, page: str) -> None:
    answer = admin.get(form)
    assert (answer.status_code, answer.location) == (303, page)


def test_a_token_that_cannot_be_made_or_revoked_comes_back_with_what_was_typed(admin: Browser) -> None:
    answer = admin.post("/tokens", data={"name": "Not Good", "scopes": ["backup"]})
    assert answer.status_code == 400
    assert "The name of a token must be up to 64 small letters" in words(answer)
    assert 'value="Not Good"' in answer.text
    assert 'value="backup" checked' in answer.text
    assert 'value="read" checked' not in answer.text
    answer = admin.post("/tokens/unheard-of/revoke")
    assert answer.status_code == 404
    assert "There is no token unheard-of" in words(answer)
    assert "Name of a new token" in words(answer)


def test_the_system_page_shows_every_setting_and_no_secret(web_app: Web, admin: Browser) -> None:
    said = read(admin, "/system")
    assert f"CELERY_RESULT_BACKEND 127.0.0.1:{web_app.broker.port} (user and password not shown)" in said
    assert "WEB_PROXIES 0" in said
    assert CANARY not in said


def test_the_list_names_what_in_storage_is_no_backup(web_app: Web, admin: Browser) -> None:
    make_backup(web_app)
    (web_app.storage / "redis_backup_20240101_000000.rdb.zst").write_bytes(b"foreign")
    assert "redis_backup_20240101_000000.rdb.zst has no manifest" in read(admin, "/backups")
    assert "1 problem in storage" in read(admin, "/")


def test_a_partial_backup_is_shown_as_such_on_every_page(web_app: Web, admin: Browser) -> None:
    storage, name = open_storage(str(web_app.storage)), "redis_backup_20240101_000000.rdb"
    storage.put(name, b"12345")
    own = Origin(address=f"127.0.0.1:{web_app.source.port}")
    catalogue.add(storage, partial_of(name, b"12345", source=own))
    assert "partial" in read(admin, "/backups").partition(name)[2]
    said = read(admin, f"/backups/{name}")
    assert "It is partial: 1 of 9 keys were read" in said
    assert "until there are two newer partial ones" in said
    assert "Mind that this backup is partial" in read(admin, f"/backups/{name}/restore?mode=overwrite")
    assert "The last backup is partial" in read(admin, "/")
    assert "partial, one of the 2 newest such" in read(admin, "/schedule")
    (listed,) = web_app.with_token("read").get("/api/backup/list").get_json()["backups"]
    assert (listed["name"], listed["kind"]) == (name, "partial")


def test_the_schedule_says_what_the_next_prune_would_delete(web_app: Web, admin: Browser) -> None:
    names = [make_backup(web_app) for _ in range(9)]
    said = read(admin, "/schedule")
    assert "every day at 03:00" in said
    assert "The next prune would delete 2 backups" in said
    assert said.count("deleted older than the 7 newest") == 2
    assert all(name in said for name in names)


def test_the_system_page_shows_what_a_check_found(web_app: Web, admin: Browser) -> None:
    facts = {"server": "redis", "version": "7.0.15", "role": "master", "keys": {"0": 1234}, "expiring": {"0": 9}}
    more = {"used_memory": 2_000_000, "max_memory": 0, "eviction": "noeviction", "evicted": 0, "append_only": False}
    saved = {"last_save_at": 1700000000, "last_save_ok": True, "changes_since_save": 5, "cluster": False}
    value = {
        "address": "10.0.0.5:6379",
        "facts": {**facts, **more, **saved},
        "engine": {"name": "scan", "reason": "PSYNC is refused"},
        "replication": "NOPERM",
        "may_backup": True,
        "may_restore": False,
        "rights": {
            "undo": {"allowed": False, "why": None, "missing": "~* +restore", "better": ""},
            "stats": {"allowed": True, "why": None, "missing": "", "better": ""},
        },
    }
    ended(web_app, "SUCCESS", operation="ping", value=value)
    said = read(admin, "/system")
    assert "redis 7.0.15, primary" in said
    assert "database 0: 1,234, 9 with an expiry" in said
    assert "by scan: PSYNC is refused" in said
    assert "Undo missing ~* +restore" in said
    assert "Stats" not in said.partition("Rights on the source")[2].partition("Storage")[0]
    assert "session_secret" not in said


def test_a_check_that_failed_is_shown_beside_the_last_good_one(web_app: Web, admin: Browser) -> None:
    ended(web_app, "FAILURE", operation="ping", error="The source refuses the password.")
    assert "The last check failed. The source refuses the password." in read(admin, "/system")


def test_the_theme_is_kept_in_a_cookie_and_leads_back(admin: Browser) -> None:
    answer = admin.post("/theme", data={"theme": "dark", "next": "/tasks?kind=backup"})
    assert (answer.status_code, answer.location) == (303, "/tasks?kind=backup")
    assert 'data-theme="dark"' in admin.get("/").text
    admin.post("/theme", data={"theme": HOSTILE, "next": "/"})
    assert 'data-theme="auto"' in admin.get("/").text


@pytest.mark.parametrize(
    "elsewhere",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:1", "", "//[", "/a\r\nX: y", "/\t/evil"],
)
def test_the_theme_leads_to_no_other_host(admin: Browser, elsewhere: str) -> None:
    assert admin.post("/theme", data={"theme": "dark", "next": elsewhere}).location == "/"


def test_a_backup_and_its_restore_from_the_first_click_to_the_report(
    web_app: Web, admin: Browser, web_worker: Background
) -> None:
    web_app.source.client().mset({HOSTILE: "1", "user:1": "ann"})

    def done(answer: TestResponse) -> str:
        assert answer.status_code == 303, words(answer)
        eventually(lambda: "http-equiv" not in admin.get(answer.location).text, answer.location)
        return read(admin, answer.location)

    assert "2 keys in" in done(admin.post("/backups/create"))
    name = catalogue.read(open_storage(str(web_app.storage))).backups[0].name
    assert "Whole, and what its manifest says: 2 keys" in done(admin.post(f"/backups/{name}/verify"))
    web_app.source.client().set("user:1", "changed")
    form = {"mode": "overwrite", "match": "user:*", "confirm": name}
    assert "Restored 1 key" in done(admin.post(f"/backups/{name}/restore", data=form))
    assert web_app.source.client().get("user:1") == b"ann"
    (kept,) = catalogue.read(open_storage(str(web_app.storage))).undos
    for one in (name, kept.name):
        assert f"{one} is deleted." in done(admin.post(f"/backups/{one}/delete", data={"confirm": one}))
    assert "There is no backup yet" in read(admin, "/backups")
    said = read(admin, "/system")
    assert "admin restore" in said
    assert "admin delete" in said


def test_a_damaged_manifest_is_named_with_its_page_and_with_what_mends_it(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    path = web_app.storage / (name + MANIFEST_SUFFIX)
    path.write_bytes(path.read_bytes().replace(b'"keys": ', b'"keys":  '))
    told = f"The manifest of {name} is damaged: python -m worker list --repair makes it anew"
    assert told in read(admin, "/backups")
    assert f'href="/backups/{name}"' in admin.get("/backups").text
    assert told in read(admin, f"/backups/{name}")
    assert "Not everything in storage is a good backup" in read(admin, "/")
    listed = admin.get("/api/backup/list").get_json()
    assert (listed["backups"], [one["name"] for one in listed["damaged"]]) == ([], [name])
    assert "redis_backup_damaged_manifests 1.0" in admin.get("/metrics").text


def test_notes_that_are_damaged_are_told_on_the_page(web_app: Web, admin: Browser) -> None:
    name = make_backup(web_app)
    (web_app.storage / f"{name}.notes.json").write_bytes(b"{")
    assert f"The notes of {name} are damaged, so it counts as pinned" in read(admin, "/backups")
    assert "its notes are damaged" in admin.get("/api/backup/list").get_json()["backups"][0]["pin_reason"]
