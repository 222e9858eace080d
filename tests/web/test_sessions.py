"""Security, rule 3: CSRF, sessions, cookies; a GET changes nothing."""

import re
from datetime import timedelta
from typing import Any

import pytest
from werkzeug.test import TestResponse

from tests.support.backups import take
from tests.support.dashboard import PASSWORD, SECRET, Browser, Web, fresh_app
from tests.web.routes import CHANGES, SLOW, content, routes
from web.auth import SESSION_AGE
from worker.broker import audit, tokens


def test_no_change_is_made_without_a_csrf_token(web_app: Web, admin: Browser) -> None:
    others = web_app.logged_in().csrf_token()  # a login is remembered with its time
    before, walked = content(web_app), 0
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
    cookies = anonymous.log_in().headers.getlist("Set-Cookie")
    assert sorted(cookie.partition("=")[0] for cookie in cookies) == ["redis_backup_known", "redis_backup_session"]
    for cookie in cookies:
        assert "HttpOnly" in cookie
        assert "SameSite=Lax" in cookie
        assert "Secure" not in cookie
        assert "Path=/" in cookie
        assert "Expires=" in cookie or "Max-Age=" in cookie


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
