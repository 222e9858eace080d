"""Security, rules 4 and 5: tokens are limited and scoped, and the audit log tells of both."""

import re
import signal

import pytest

from tests.support.backups import take
from tests.support.dashboard import HOSTILE, Browser, Script, Web
from tests.web.routes import OPEN, SLOW, error_of, outcomes, routes
from worker.broker import audit, tokens

# Rule 4: tokens are limited and scoped.


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


@pytest.mark.parametrize("scope", ["read", "backup", "restore", "delete"])
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
    script = web_app.with_token("read", "backup", "restore", "delete")
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
    asked = admin.get("/tokens/ci/revoke").text
    assert "Revoke the token ci?" in asked
    assert "nothing brings it back" in asked
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
