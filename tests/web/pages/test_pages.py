"""What holds for every page, whatever there is to show: words, files, policy, theme."""

import re
from typing import Any

import pytest

from tests.support.dashboard import HOSTILE, Browser, Web
from tests.support.processes import CANARY
from tests.web.pages.given import ended, make_backup
from tests.web.pages.reading import PAGES, Policy, read
from worker.broker import audit
from worker.runs.operations import OPERATIONS


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
        "/alerts": "Nobody has looked for a while.",
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
        assert policy.scripts, path
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


def test_a_reader_sees_the_pages_and_changes_nothing(web_app: Web) -> None:
    reader = web_app.with_token("read")
    assert reader.get("/").status_code == 200
    for path in ("/backups/create", "/backups/n/verify", "/backups/n/restore", "/backups/n/delete", "/schedule/prune"):
        assert reader.post(path).status_code == 403, path


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
