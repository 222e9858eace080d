"""The security rules of the dashboard, each with its test: who may come in, what may be sent, and what never gets out."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from werkzeug.security import generate_password_hash
from werkzeug.test import TestResponse

from tests.support.backups import take
from tests.support.dashboard import PASSWORD, SECRET, Browser, Script, Web, fresh_app, own_logging, working
from tests.support.processes import CANARY, Background, eventually
from web.auth import PUBLIC, SESSION_AGE
from worker.broker import audit, tokens
from worker.config.settings import load_web
from worker.repository import catalogue
from worker.repository.manifest import to_json
from worker.runs.run import new
from worker.runs.store import open_runs
from worker.storage import open_storage

SLOW = "api.stats"
"""Waits for a worker, and there is none here."""
OPEN = PUBLIC | {"auth.login", "auth.log_in"}
CHANGES = ("POST", "PUT", "PATCH", "DELETE")
HOSTILE = "<img src=x onerror=alert(1)>"
NAMES = [
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e%2fsecret.txt",
    "..\\secret.txt",
    "secret.txt",
    "secret.txt%00.rdb.zst",
    ".hidden",
    "a" * 200,
    "UPPER",
    HOSTILE,
    "redis_backup_20231205_143022.rdb.zst",
]


def routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Every endpoint with a method that it takes and an address of it."""
    urls = app.url_map.bind("localhost")
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"OPTIONS", "HEAD"}):
            yield rule.endpoint, method, urls.build(rule.endpoint, dict.fromkeys(rule.arguments, "x"), method=method)


def content(web: Web) -> dict[bytes, bytes | None]:
    """All that the broker holds, apart from the log of what was tried."""
    client = web.broker.client()
    return {key: client.dump(key) for key in client.scan_iter() if b"audit" not in key}


def error_of(answer: TestResponse) -> str:
    """The one sentence of an error in JSON."""
    assert set(answer.json or {}) == {"error"}, answer.text
    return str((answer.json or {})["error"])


def outcomes(web: Web) -> list[tuple[str, str, str]]:
    """The audit log, oldest first."""
    return [(deed.who, deed.what, deed.outcome) for deed in reversed(audit.recent(web.settings))]


# Rule 1: every route needs a login, except a short list.


def test_every_route_turns_away_who_has_not_logged_in(web_app: Web, anonymous: Browser) -> None:
    walked = 0
    for endpoint, method, url in routes(web_app.app):
        if endpoint in OPEN:
            continue
        answer = anonymous.open(url, method=method)
        if url.startswith(("/api/", "/metrics", "/readyz")):
            assert answer.status_code == 401, (method, url)
            assert error_of(answer).startswith("Log in first")
            assert answer.headers["WWW-Authenticate"].lower().startswith("bearer")
        else:
            assert answer.status_code == 303, (method, url)
            assert answer.headers["Location"].startswith("/login"), (method, url)
        walked += 1
    assert walked > 15


def test_the_list_of_open_routes_is_short() -> None:
    assert {"auth.login", "auth.log_in", "health.healthz", "static", "bootstrap.static"} == OPEN


def test_an_open_route_is_open_without_a_broker(web_app: Web, anonymous: Browser) -> None:
    web_app.broker.kill()
    assert anonymous.get("/healthz").json == {"status": "ok"}
    assert anonymous.get("/login").status_code == 200
    assert anonymous.get("/bootstrap/static/css/bootstrap.min.css").status_code == 200


def test_a_stranger_is_not_told_which_addresses_there_are(anonymous: Browser) -> None:
    assert anonymous.get("/api/backup/list").data == anonymous.get("/api/no/such/thing").data
    assert anonymous.get("/no/such/page").status_code == 303
    assert anonymous.delete("/backups").status_code == 303


def test_a_page_leads_to_the_login_and_the_login_back_to_the_page(anonymous: Browser) -> None:
    asked = anonymous.get("/tasks?state=FAILURE&kind=backup")
    login = asked.headers["Location"]
    assert login == "/login?next=/tasks?state%3DFAILURE%26kind%3Dbackup"
    assert 'value="/tasks?state=FAILURE&amp;kind=backup"' in anonymous.get(login).text
    entered = anonymous.log_in(next="/tasks?state=FAILURE&kind=backup")
    assert (entered.status_code, entered.headers["Location"]) == (303, "/tasks?state=FAILURE&kind=backup")


@pytest.mark.parametrize(
    "wanted",
    ["//evil.example", "/\\evil.example", "https://evil.example", "\\\\evil.example", "/\t/evil.example", "evil",
     "/\n/evil.example", "javascript:alert(1)", "/ü", "", "/%0d%0aSet-Cookie:x=1\r\nX: y"],
)  # fmt: skip
def test_no_login_leads_to_another_host(anonymous: Browser, wanted: str) -> None:
    assert "evil" not in anonymous.get("/login", query_string={"next": wanted}).text
    assert anonymous.log_in(next=wanted).headers["Location"] == "/"


def test_every_view_that_changes_something_says_who_may(web_app: Web) -> None:
    silent = [
        f"{method} {url}"
        for endpoint, method, url in routes(web_app.app)
        if method in CHANGES and not hasattr(web_app.app.view_functions[endpoint], "need")
    ]
    assert silent == [], "write @needs(...) below the route"


def test_a_view_that_says_nothing_is_open_to_the_admin_alone(web_app: Web) -> None:
    web_app.app.add_url_rule("/api/forgotten", "forgotten", lambda: "done", methods=["GET", "POST"])
    script, admin = web_app.with_token("read", "backup", "restore"), web_app.logged_in()
    assert script.post("/api/forgotten").status_code == 403
    assert script.get("/api/forgotten").status_code == 200
    assert web_app.with_token("backup").get("/api/forgotten").status_code == 403
    assert web_app.browser().get("/api/forgotten").status_code == 401
    assert admin.post("/api/forgotten").status_code == 200


# Rule 2: no default or empty password, no setup window, no start without a secret.


@pytest.mark.parametrize(
    "password", ["", " ", "admin", "password", PASSWORD[:-1], PASSWORD + " ", PASSWORD.upper(), "\x00", "ü" * 1000]
)
def test_only_the_password_opens(anonymous: Browser, password: str) -> None:
    refused = anonymous.log_in(password)
    assert refused.status_code == 401
    assert "That is not the password." in refused.text
    assert anonymous.get("/backups").status_code == 303


def test_a_login_without_a_password_is_refused(anonymous: Browser) -> None:
    assert anonymous.post("/login").status_code == 401
    assert anonymous.get("/backups").status_code == 303


def test_a_hash_may_stand_for_the_password(web_env: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADMIN_PASSWORD", "")
    monkeypatch.setenv("ADMIN_PASSWORD_HASH", generate_password_hash("open sesame", "scrypt:1024:8:1"))
    with own_logging():
        browser = Browser(fresh_app())
        assert browser.log_in(PASSWORD).status_code == 401
        assert browser.log_in("open sesame").status_code == 303
    load_web.cache_clear()


# Rule 3: CSRF, sessions, cookies; a GET changes nothing.


def test_no_change_is_made_without_a_csrf_token(web_app: Web, admin: Browser) -> None:
    before, walked, others = content(web_app), 0, web_app.logged_in().csrf_token()
    for endpoint, method, url in routes(web_app.app):
        if method not in CHANGES:
            continue
        for forged in ({}, {"X-CSRFToken": "x"}, {"X-CSRFToken": others}):
            answer = admin.open(url, method=method, csrf=False, headers=forged, data={"password": PASSWORD})
            assert answer.status_code == 400, (endpoint, method, url, forged)
            assert "reload the page and try again" in answer.text
        walked += 1
    assert walked > 10
    assert content(web_app) == before
    assert admin.get("/api/backup/list").status_code == 200


def test_a_csrf_token_may_come_in_the_form(admin: Browser) -> None:
    made = admin.post("/tokens", csrf=False, data={"name": "ci", "scopes": "read", "csrf_token": admin.csrf_token()})
    assert made.status_code == 200


def test_a_script_with_a_token_needs_no_second_proof_even_with_a_cookie(web_app: Web, admin: Browser) -> None:
    secret = tokens.create(web_app.settings, "ci", ["read"], "admin")
    asked = admin.post("/api/ping", csrf=False, headers={"Authorization": f"Bearer {secret}"})
    assert asked.status_code == 202
    forbidden = admin.post("/api/backup/create", csrf=False, headers={"Authorization": f"Bearer {secret}"})
    assert forbidden.status_code == 403
    stranger = admin.post("/api/ping", csrf=False, headers={"Authorization": "Bearer wrong"})
    assert stranger.status_code == 401


def test_a_get_changes_nothing(web_app: Web, admin: Browser) -> None:
    take(web_app.source, web_app.storage)
    name = next(web_app.storage.glob("*.zst")).name
    files, before = sorted(web_app.storage.iterdir()), content(web_app)
    for endpoint, method, url in routes(web_app.app):
        if method == "GET" and endpoint != SLOW:
            admin.get(url)
            admin.get(url.replace("/x", f"/{name}"))
            admin.head(url)
            admin.options(url)
    assert content(web_app) == before
    assert sorted(web_app.storage.iterdir()) == files


def test_a_cookie_that_was_copied_is_worth_nothing_after_the_logout(web_app: Web, admin: Browser) -> None:
    cookie = admin.get_cookie("redis_backup_session")
    assert cookie is not None
    thief = web_app.browser()
    thief.set_cookie("redis_backup_session", cookie.value)
    assert thief.get("/api/backup/list").status_code == 200
    left = admin.post("/logout")
    assert (left.status_code, left.headers["Location"]) == (303, "/login")
    assert admin.get_cookie("redis_backup_session") is None
    assert thief.get("/api/backup/list").status_code == 401
    assert thief.get("/backups").status_code == 303
    web_app.logged_in()
    assert thief.get("/api/backup/list").status_code == 401


def test_a_logout_that_cannot_be_told_to_all_says_so(web_app: Web, admin: Browser) -> None:
    admin.get("/api/backup/list")
    web_app.broker.kill()
    left = admin.post("/logout")
    assert left.status_code == 503
    assert "logged out in this browser only" in left.text
    assert admin.get("/backups").status_code == 303


def test_nothing_of_a_session_outlives_the_login(web_app: Web, anonymous: Browser) -> None:
    with anonymous.session_transaction() as session:
        session.update(planted="by somebody else", epoch="0", since=0)
    before, cookie = anonymous.csrf_token(), anonymous.get_cookie("redis_backup_session")
    assert anonymous.log_in().status_code == 303
    after = anonymous.get_cookie("redis_backup_session")
    assert cookie is not None
    assert after is not None
    assert cookie.value != after.value
    with anonymous.session_transaction() as session:
        assert "planted" not in session
        assert session["epoch"] == tokens.epoch(web_app.settings)
    old = anonymous.post("/tokens", csrf=False, headers={"X-CSRFToken": before}, data={"name": "ci", "scopes": "read"})
    assert old.status_code == 400
    planted = web_app.browser()
    planted.set_cookie("redis_backup_session", cookie.value)
    assert planted.get("/backups").status_code == 303


def test_a_session_ends_with_its_age_however_busy_it_is(web_app: Web, admin: Browser) -> None:
    for late, status in ((timedelta(minutes=1), 200), (timedelta(minutes=-1), 401)):
        with admin.session_transaction() as session:
            session["since"] -= int((SESSION_AGE - late).total_seconds()) if status == 200 else 120
        assert admin.get("/api/backup/list").status_code == status, late
    with admin.session_transaction() as session:
        session["since"] += 10 * int(SESSION_AGE.total_seconds())
    assert admin.get("/api/backup/list").status_code == 401


@pytest.mark.parametrize(
    "changed", [{"epoch": None}, {"epoch": 5}, {"since": None}, {"since": "x"}, {"epoch": "wrong"}]
)
def test_half_a_session_is_none(admin: Browser, changed: dict[str, Any]) -> None:
    with admin.session_transaction() as session:
        session.update(changed)
    assert admin.get("/api/backup/list").status_code == 401


def test_a_new_password_or_secret_ends_every_session(
    web_app: Web, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    cookie = admin.get_cookie("redis_backup_session")
    assert cookie is not None
    for name, value in (("LOG_LEVEL", "ERROR"), ("ADMIN_PASSWORD", PASSWORD + "2"), ("SESSION_SECRET", SECRET + "2")):
        monkeypatch.setenv(name, value)
        other = Browser(fresh_app())
        other.set_cookie("redis_backup_session", cookie.value)
        assert other.get("/api/backup/list").status_code == (200 if name == "LOG_LEVEL" else 401), name


def test_the_cookie_is_out_of_reach_for_scripts_and_other_sites(anonymous: Browser) -> None:
    cookie = anonymous.log_in().headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie
    assert "Path=/" in cookie
    assert "Expires=" in cookie


def test_under_tls_the_cookie_is_secure_and_the_browser_is_told_to_stay(anonymous: Browser) -> None:
    sent = anonymous.get("/login", base_url="https://localhost")
    assert "; Secure" in sent.headers["Set-Cookie"]
    assert sent.headers["Strict-Transport-Security"].startswith("max-age=")


def test_under_tls_a_form_must_come_from_our_own_page(anonymous: Browser) -> None:
    def enter(referrer: dict[str, str]) -> TestResponse:
        page = anonymous.get("/login", base_url="https://localhost").text
        token = re.search(r'name="csrf_token" value="([^"]+)"', page)
        assert token
        form = {"password": PASSWORD, "csrf_token": token[1]}
        return anonymous.post("/login", base_url="https://localhost", csrf=False, data=form, headers=referrer)

    assert enter({"Referer": "https://evil.example/"}).status_code == 400
    assert "hand on the Host header" in enter({}).text
    assert enter({"Referer": "https://localhost/login"}).status_code == 303


def test_a_proxy_is_believed_only_when_the_settings_say_that_there_is_one(
    web_app: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "10.9.8.7"}
    for proxies, secure in (("0", False), ("1", True)):
        monkeypatch.setenv("WEB_PROXIES", proxies)
        browser = Browser(fresh_app())
        cookie = browser.get("/login", headers=told).headers["Set-Cookie"]
        assert ("; Secure" in cookie) is secure
        browser.get("/api/x", headers={**told, "Authorization": "Bearer wrong"})
        assert audit.recent(web_app.settings, 1)[0].details["address"] == ("10.9.8.7" if secure else "127.0.0.1")


# Rule 4: logins are limited, tokens are scoped.


def from_address(number: int) -> dict[str, str]:
    return {"REMOTE_ADDR": f"10.0.0.{number}"}


def test_whoever_tries_too_often_is_kept_out_and_others_are_not(web_app: Web, anonymous: Browser) -> None:
    tried = [anonymous.post("/login", data={"password": "wrong"}, environ_overrides=from_address(1)) for _ in range(12)]
    assert [one.status_code for one in tried] == [401] * 10 + [429] * 2
    assert 1 <= int(tried[-1].headers["Retry-After"]) <= 60
    assert "Too many tries: wait a minute, then try again." in tried[-1].text
    right = {"password": PASSWORD}
    assert anonymous.post("/login", data=right, environ_overrides=from_address(1)).status_code == 429
    assert anonymous.get("/login", environ_overrides=from_address(1)).status_code == 200
    assert anonymous.post("/login", data=right, environ_overrides=from_address(2)).status_code == 303
    assert outcomes(web_app).count(("somebody", "login", "limited")) == 1
    assert outcomes(web_app).count(("somebody", "login", "failed")) == 10


def test_many_addresses_together_are_limited_too_and_whoever_is_in_stays_in(
    web_app: Web, admin: Browser, anonymous: Browser
) -> None:
    tried = [
        anonymous.post("/login", data={"password": "wrong"}, environ_overrides=from_address(number // 8)).status_code
        for number in range(70)
    ]
    assert tried == [401] * 59 + [429] * 11
    assert admin.get("/api/backup/list").status_code == 200


def test_wrong_tokens_are_limited_and_a_right_one_is_let_in_all_the_same(web_app: Web) -> None:
    script, right = Script(web_app.app), web_app.with_token("read")
    wrong = {"Authorization": "Bearer rb_wrong"}
    tried = [script.get(path, headers=wrong).status_code for path in ["/api/backup/list", "/api/x", "/api/runs"] * 11]
    assert tried == [401] * 30 + [429] * 3
    limited = script.get("/api/backup/list", headers=wrong)
    assert error_of(limited) == "Too many tries: wait a minute, then try again."
    assert 1 <= int(limited.headers["Retry-After"]) <= 60
    assert right.get("/api/backup/list").status_code == 200
    assert outcomes(web_app).count(("somebody", "token", "limited")) == 1


@pytest.mark.parametrize(
    "sent",
    ["Bearer", "Bearer ", "Bearer  x", "bearer wrong", "Basic YWRtaW46YWRtaW4=", "Bearer " + "x" * 5000, "Bearer ü"],
)
def test_what_is_no_token_opens_nothing(web_app: Web, sent: str) -> None:
    tokens.create(web_app.settings, "ci", ["read"], "admin")
    answer = Script(web_app.app).get("/api/backup/list", headers={"Authorization": sent})
    assert answer.status_code == 401


def test_a_wrong_token_is_not_mended_by_a_cookie(admin: Browser) -> None:
    assert admin.get("/api/backup/list", headers={"Authorization": "Bearer wrong"}).status_code == 401


@pytest.mark.parametrize("scope", ["read", "backup", "restore"])
def test_a_token_opens_what_its_scope_names_and_no_more(web_app: Web, scope: str) -> None:
    script = web_app.with_token(scope)
    for endpoint, method, url in routes(web_app.app):
        if endpoint in OPEN:
            continue
        need = getattr(web_app.app.view_functions[endpoint], "need", "read")
        if need == scope and endpoint == SLOW:
            continue
        answer = script.open(url, method=method)
        assert (answer.status_code == 403) == (need != scope), (method, url, answer.status_code)
        if answer.status_code == 403 and url.startswith("/api/"):
            assert f"lacks the scope {need}" in error_of(answer)


def test_no_token_makes_tokens_or_logs_the_admin_out(web_app: Web, admin: Browser) -> None:
    script = web_app.with_token("read", "backup", "restore")
    assert script.post("/tokens", data={"name": "more", "scopes": "restore"}).status_code == 403
    assert script.post("/logout").status_code == 403
    assert "log in with the password" in script.post("/logout").text
    assert admin.get("/api/backup/list").status_code == 200
    assert len(tokens.tokens(web_app.settings)) == 1


def test_the_admin_makes_a_token_sees_it_once_and_revokes_it(web_app: Web, admin: Browser) -> None:
    shown = admin.post("/tokens", data={"name": "ci", "scopes": ["read", "backup"]})
    assert shown.status_code == 200
    match = re.search(r"rb_[\w-]{43}", shown.text)
    assert match
    script = Script(web_app.app)
    bearer = {"Authorization": f"Bearer {match[0]}"}
    assert script.get("/api/backup/list", headers=bearer).status_code == 200
    system = admin.get("/system").text
    assert "ci" in system
    assert match[0] not in system
    revoked = admin.post("/tokens/ci/revoke")
    assert (revoked.status_code, revoked.headers["Location"]) == (303, "/system")
    assert script.get("/api/backup/list", headers=bearer).status_code == 401
    assert admin.post("/tokens/ci/revoke").status_code == 404


def test_a_token_with_a_bad_name_or_no_scope_is_refused_on_a_page(web_app: Web, admin: Browser) -> None:
    bad = admin.post("/tokens", data={"name": HOSTILE, "scopes": "read"})
    assert bad.status_code == 400
    assert HOSTILE not in bad.text
    assert admin.post("/tokens", data={"name": "ci"}).status_code == 400
    assert admin.post("/tokens", data={"name": "ci", "scopes": ["read", "admin"]}).status_code == 400
    assert HOSTILE not in admin.post(f"/tokens/{HOSTILE}/revoke").text
    assert tokens.tokens(web_app.settings) == []


def test_while_the_broker_is_away_what_was_seen_last_counts_and_who_saw_nothing_lets_nobody_in(
    web_app: Web, admin: Browser
) -> None:
    take(web_app.source, web_app.storage)
    script = web_app.with_token("read")
    assert script.get("/api/backup/list").status_code == 200
    web_app.broker.kill()
    assert admin.get("/backups").status_code == 200
    assert len((admin.get("/api/backup/list").json or {})["backups"]) == 1
    assert script.get("/api/backup/list").status_code == 200
    assert web_app.browser().log_in().status_code == 303
    tokens._seen.clear()  # as in a process that has just begun
    assert admin.get("/api/backup/list").status_code == 503
    assert "The broker does not answer" in error_of(script.get("/api/backup/list"))
    assert web_app.browser().log_in().status_code == 503


def test_a_broker_that_hangs_is_not_waited_for_long(web_app: Web, admin: Browser) -> None:
    admin.get("/api/backup/list")
    web_app.broker.process.send_signal(signal.SIGSTOP)
    try:
        assert admin.get("/api/backup/list").status_code == 200
    finally:
        web_app.broker.process.send_signal(signal.SIGCONT)


# Rule 5: every change is in the audit log.


def test_who_came_in_and_what_was_done_with_tokens_is_audited(web_app: Web, anonymous: Browser) -> None:
    anonymous.log_in("wrong-password")
    anonymous.log_in()
    anonymous.post("/tokens", data={"name": "ci", "scopes": "read"})
    anonymous.post("/tokens/ci/revoke")
    anonymous.get("/api/backup/list", headers={"Authorization": "Bearer wrong"})
    anonymous.post("/logout")
    assert outcomes(web_app) == [
        ("somebody", "login", "failed"),
        ("admin", "login", "ok"),
        ("admin", "token created", "ok"),
        ("admin", "token revoked", "ok"),
        ("somebody", "token", "failed"),
        ("admin", "logout", "ok"),
    ]
    assert audit.recent(web_app.settings)[0].details == {"address": "127.0.0.1"}


# Rule 6: names.


@pytest.fixture
def tempting(web_app: Web) -> str:
    """A storage with one backup, a file that is none, and a link that leads out of it."""
    name = str(take(web_app.source, web_app.storage)["name"])
    (web_app.storage / "secret.txt").write_text(CANARY)
    (web_app.folder / "secret.txt").write_text(CANARY)
    link = web_app.storage / "redis_backup_20200101_000000.rdb.zst"
    link.symlink_to(web_app.folder / "secret.txt")
    manifest = catalogue.get(open_storage(str(web_app.storage)), name).model_copy(
        update={"name": link.name, "created_at": datetime(2020, 1, 1, tzinfo=UTC)}
    )
    (web_app.storage / f"{link.name}.manifest.json").write_bytes(to_json(manifest))
    return name


def test_only_what_is_in_the_catalogue_is_handed_out(web_app: Web, admin: Browser, tempting: str) -> None:
    before = sorted(web_app.storage.iterdir())
    assert admin.get(f"/api/backup/download/{tempting}").status_code == 200
    for name in [*NAMES, "redis_backup_20200101_000000.rdb.zst", f"{tempting}.manifest.json"]:
        for method, path in (
            ("GET", f"/api/backup/download/{name}"),
            ("GET", f"/api/backup/manifest/{name}"),
            ("DELETE", f"/api/backup/delete/{name}"),
            ("GET", f"/backups/{name}"),
            ("GET", f"/backups/{name}/restore"),
        ):
            if "20200101" in name and "download" not in path:
                continue
            answer = admin.open(path, method=method)
            assert answer.status_code in (400, 404, 405), (method, path, answer.status_code)
            assert CANARY not in answer.text, path
            assert answer.mimetype == "application/json" or HOSTILE not in answer.text, path
    assert sorted(web_app.storage.iterdir()) == before


def test_no_task_is_queued_for_a_name_that_is_none(web_app: Web, admin: Browser) -> None:
    for name in NAMES:
        for path in ("verify", "restore"):
            answer = admin.post(
                f"/api/backup/{path}", json={"name": name, "mode": "skip"} if path == "restore" else {"name": name}
            )
            assert answer.status_code in (400, 404), (path, name, answer.text)
            assert "error" in (answer.json or {})
    assert web_app.broker.client().llen("jobs") == 0


def test_no_address_and_no_path_is_taken_from_outside(admin: Browser) -> None:
    for more in (
        {"redis_url": "redis://evil"},
        {"storage": "/etc"},
        {"target": "redis://evil"},
        {"path": "/etc/passwd"},
    ):
        assert admin.post("/api/backup/create", json=more).status_code == 400


# Rule 8: no secret gets out.


def test_no_secret_is_in_a_page_an_answer_or_the_log_whatever_fails(
    web_app: Web, admin: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    take(web_app.source, web_app.storage)
    with own_logging():
        browser = Browser(fresh_app())
        assert browser.log_in().status_code == 303
        told = [browser.log_in(PASSWORD + "x")]
        faults: list[Callable[[], object]] = [web_app.broker.client().ping, web_app.source.kill, web_app.broker.kill]
        for fault in faults:
            fault()
            for endpoint, method, url in routes(web_app.app):
                if not endpoint.endswith("static") and endpoint not in ("auth.logout", SLOW):
                    told.append(browser.open(url, method=method))
    shown = [answer.text + str(answer.headers) for answer in told]
    assert len(shown) > 60
    assert {503, 404, 400, 200} <= {answer.status_code for answer in told}
    out, err = capfd.readouterr()
    assert '"event": "audit"' in err
    for secret in (CANARY, SECRET, web_app.broker.url, web_app.source.url):
        assert [text for text in [*shown, out, err] if secret in text] == []
    assert "Traceback" not in err, err


def test_an_error_that_nobody_foresaw_is_logged_whole_and_told_by_its_kind(
    web_app: Web, admin: Browser, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail() -> str:
        raise LookupError("the details")

    with own_logging():
        app = fresh_app()
        app.add_url_rule("/api/broken", "broken", fail)
        app.add_url_rule("/broken", "broken_page", fail)
        browser = Browser(app)
        browser.log_in()
        told, page = browser.get("/api/broken"), browser.get("/broken")
    assert (told.status_code, page.status_code) == (500, 500)
    assert error_of(told) == "An unexpected LookupError: please report it; the log of the dashboard has the details."
    assert "LookupError" in page.text
    assert "LookupError: the" not in told.text + page.text
    line = next(json.loads(line) for line in capfd.readouterr().err.splitlines() if "request_failed" in line)
    assert "LookupError: the details" in line["exception"]


@pytest.fixture
def real_worker(web_app: Web) -> Iterator[Background]:
    with working(web_app, forked=False) as worker:
        yield worker


def test_a_run_that_somebody_asked_for_is_audited_under_that_name_and_tells_no_secret(
    web_app: Web, admin: Browser, real_worker: Background
) -> None:
    script = web_app.with_token("backup", name="ci")
    assert script.post("/api/backup/create", json={}).status_code == 202
    eventually(lambda: ("token ci", "backup", "SUCCESS") in outcomes(web_app), "the audit of the backup")
    web_app.source.kill()
    asked = admin.post("/api/ping")
    result = (asked.json or {})["result_id"]
    ended = eventually(lambda: _ended(admin, result), "the end of the ping")
    name = next(web_app.storage.glob("*.zst")).name
    assert admin.delete(f"/api/backup/delete/{name}", json={"confirm": name}).status_code == 202
    eventually(lambda: ("admin", "delete", "SUCCESS") in outcomes(web_app), "the audit of the deletion")
    assert ended["successful"] is False
    pages = [admin.get(path).text for path in ("/", "/tasks", f"/tasks/{result}", "/system", "/api/runs", "/metrics")]
    for text in (json.dumps(ended), real_worker.said, real_worker.command_lines(), str(content(web_app)), *pages):
        assert CANARY not in text


def _ended(admin: Browser, result: str) -> dict[str, Any] | None:
    told: dict[str, Any] = admin.get(f"/api/result/{result}").json or {}
    return told if told["ready"] else None


# Rule 9: headers, sizes, hostile text.


def test_every_answer_has_the_headers(web_app: Web, admin: Browser, anonymous: Browser) -> None:
    for _, method, url in routes(web_app.app):
        for person in (admin, anonymous):
            headers = person.open(url, method=method).headers
            policy = headers["Content-Security-Policy"]
            for part in ("default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'"):
                assert part in policy, url
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Referrer-Policy"] == "same-origin"
            assert headers["Cache-Control"] == "no-store", url
            assert "Strict-Transport-Security" not in headers


def test_only_what_is_the_same_for_everybody_may_be_kept_by_a_browser(anonymous: Browser) -> None:
    sheet = anonymous.get("/bootstrap/static/css/bootstrap.min.css")
    assert sheet.status_code == 200
    assert "no-store" not in sheet.headers["Cache-Control"]
    assert "Set-Cookie" not in sheet.headers
    assert sheet.headers["X-Content-Type-Options"] == "nosniff"


def test_pages_hold_no_inline_script_no_inline_style_and_nothing_of_another_host(web_app: Web, admin: Browser) -> None:
    take(web_app.source, web_app.storage)
    name = next(web_app.storage.glob("*.zst")).name
    for path in ("/", "/backups", f"/backups/{name}", "/restores", "/tasks", "/schedule", "/system", "/login"):
        page = admin.get(path).text
        assert not re.search(r"<script(?![^>]*\ssrc=)", page), path
        assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", page), path
        assert not re.search(r"""(src|href|action)=["']?(https?:)?//""", page), path


def test_hostile_text_of_a_run_is_shown_as_text(web_app: Web, admin: Browser) -> None:
    report = {
        "name": HOSTILE, "restored": 0, "skipped": 0, "expired": 0, "failed": 1, "warnings": [HOSTILE], "seconds": 1.0,
        "failures": [{"db": 0, "type": "string", "key": HOSTILE, "error": HOSTILE}], "source": HOSTILE, "target": HOSTILE,
    }  # fmt: skip
    for operation in ("restore", "backup", "verify", "delete", "prune", "ping", "stats"):
        one = new(f"id-{operation}", operation, {"name": HOSTILE, "match": HOSTILE}, HOSTILE)
        more = {"state": "FAILURE", "started_at": one.queued_at, "ended_at": one.queued_at, "worker": HOSTILE}
        lines = [{"timestamp": one.queued_at.isoformat(), "event": HOSTILE, "key": HOSTILE, "level": HOSTILE}]
        with open_runs(web_app.settings) as runs:
            value = report if operation == "restore" else None
            runs.put(one.model_copy(update={**more, "value": value, "error": HOSTILE, "log": lines}))
    audit.record(web_app.settings, HOSTILE, HOSTILE, HOSTILE, name=HOSTILE)
    paths = ["/", "/backups", "/restores", "/tasks", "/schedule", "/system", f"/tasks?kind={HOSTILE}&state={HOSTILE}"]
    shown = ""
    for path in [*paths, *(f"/tasks/id-{operation}" for operation in ("restore", "backup", "verify", "prune"))]:
        page = admin.get(path)
        assert page.status_code == 200, path
        assert "<img src=x" not in page.text, path
        shown += page.text
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown


@pytest.mark.parametrize("path", ["/api/backup/create", "/login", "/tokens"])
def test_a_body_that_is_too_large_is_refused(web_app: Web, admin: Browser, path: str) -> None:
    large = "x" * 2_000_000
    sent: dict[str, Any] = {"json": {"format": large}} if path.startswith("/api") else {"data": {"password": large}}
    answer = admin.post(path, csrf=True, **sent)
    assert answer.status_code == 413
    assert "send less" in answer.text


def test_errors_have_one_shape_for_programs_and_another_for_people(admin: Browser) -> None:
    def told(method: str, path: str, status: int, **sent: Any) -> str:
        answer = admin.open(path, method=method, **sent)
        assert answer.status_code == status, (method, path)
        if path.startswith("/api"):
            return error_of(answer)
        assert answer.mimetype == "text/html"
        return answer.text

    assert "look at the address" in told("GET", "/api/nothing", 404)
    assert "look at the address" in told("GET", "/nothing", 404)
    assert "look at the method" in told("GET", "/api/backup/create", 405)
    assert "look at the method" in told("PUT", "/backups", 405)
    assert "application/json" in told("POST", "/api/backup/create", 415, data="a=1", content_type="text/plain")
    assert "not JSON" in told("POST", "/api/backup/create", 400, data="{", content_type="application/json")
    assert "format" in told("POST", "/api/backup/create", 400, json={"format": "nonsense"})
    assert HOSTILE not in told("POST", "/api/backup/create", 400, json={HOSTILE: HOSTILE, "format": HOSTILE})
    assert set(admin.put("/backups").headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


def test_head_and_options_answer_as_they_should(admin: Browser) -> None:
    for path in ("/", "/backups", "/api/backup/list", "/login", "/healthz"):
        head = admin.head(path)
        assert (head.status_code, head.data) == (200, b""), path
        asked = admin.options(path)
        assert asked.status_code == 200
        assert {"GET", "HEAD", "OPTIONS"} <= set(asked.headers["Allow"].split(", ")), path
