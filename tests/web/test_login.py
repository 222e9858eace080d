"""Security, rules 1 and 2: every route needs a login, except a short list, and only the password opens."""

from typing import Any

import pytest
from werkzeug.security import generate_password_hash

from tests.support.dashboard import PASSWORD, Browser, Web, fresh_app, own_logging
from tests.web.routes import CHANGES, OPEN, error_of, routes
from worker.config.settings import load_web

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
    script, admin = web_app.with_token("read", "backup", "restore", "delete"), web_app.logged_in()
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
