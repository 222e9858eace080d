"""Tokens with an end, and tokens that are good from some addresses alone."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.dashboard import Browser, Script, Web
from worker.broker import audit, tokens
from worker.broker.tokens import Bounds
from worker.errors import UsageError

LIST = "/api/backup/list"


def asked(web_app: Web, secret: str, address: str = "127.0.0.1") -> Any:
    script = Script(web_app.app)
    return script.get(LIST, headers={"Authorization": f"Bearer {secret}"}, environ_base={"REMOTE_ADDR": address})


def later(monkeypatch: pytest.MonkeyPatch, elapsed: timedelta) -> None:
    """This process takes it for that much later."""

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> "Later":
            return super().now(tz) + elapsed

    monkeypatch.setattr("worker.broker.tokens.datetime", Later)


def test_a_token_opens_nothing_once_its_days_are_over(web_app: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tokens.create(web_app.settings, "ci", ["read"], "admin", Bounds(days=7))
    later(monkeypatch, timedelta(days=7, seconds=-60))
    assert asked(web_app, secret).status_code == 200
    later(monkeypatch, timedelta(days=7))
    answer = asked(web_app, secret)
    assert answer.status_code == 401
    assert "expired" not in answer.text, "whoever holds an old secret learns nothing from it"
    last = audit.recent(web_app.settings)[0]
    assert (last.what, last.outcome) == ("token", "failed")
    assert {"token": "ci", "reason": "expired"}.items() <= last.details.items()


@pytest.mark.parametrize(
    ("bound", "address", "good"),
    [
        (["192.0.2.7"], "192.0.2.7", True),
        (["192.0.2.7"], "192.0.2.8", False),
        (["192.0.2.0/24", "2001:db8::/32"], "192.0.2.200", True),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db8:1::5", True),
        (["192.0.2.0/24", "2001:db8::/32"], "2001:db9::5", False),
        (["192.0.2.0/24"], "::ffff:192.0.2.9", True),
        (["192.0.2.0/24"], "127.0.0.1", False),
        ([], "203.0.113.1", True),
    ],
)
def test_a_bound_token_is_good_from_its_addresses_alone(
    web_app: Web, bound: list[str], address: str, good: bool
) -> None:
    secret = tokens.create(web_app.settings, "ci", ["read"], "admin", Bounds(addresses=tuple(bound)))
    assert asked(web_app, secret, address).status_code == (200 if good else 401)
    (token,) = tokens.tokens(web_app.settings)
    assert (token.last_used_at is not None) == good, "a stranger's try is no use of it"
    if not good:
        last = audit.recent(web_app.settings)[0]
        assert {"token": "ci", "reason": "wrong address", "address": address}.items() <= last.details.items()


def test_an_address_cannot_be_claimed_by_a_header(web_app: Web) -> None:
    secret = tokens.create(web_app.settings, "ci", ["read"], "admin", Bounds(addresses=("192.0.2.7",)))
    claims = {"X-Forwarded-For": "192.0.2.7", "X-Real-IP": "192.0.2.7", "Forwarded": "for=192.0.2.7"}
    answer = Script(web_app.app).get(LIST, headers={"Authorization": f"Bearer {secret}"} | claims)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("bounds", "says"),
    [
        ({"days": 0}, "1 to 3650 days"),
        ({"days": -1}, "1 to 3650 days"),
        ({"days": 10**6}, "1 to 3650 days"),
        ({"addresses": ("192.0.2.300",)}, "such as 192.0.2.7"),
        ({"addresses": ("192.0.2.1/24",)}, "without bits behind the prefix"),
        ({"addresses": ("<img src=x>",)}, "such as 192.0.2.7"),
        ({"addresses": ("192.0.2.7",) * 21}, "20 addresses"),
    ],
)
def test_a_bound_that_is_none_makes_no_token(web_app: Web, bounds: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        tokens.create(web_app.settings, "ci", ["read"], "admin", Bounds(**bounds))
    assert tokens.tokens(web_app.settings) == []


def test_the_admin_bounds_a_token_on_the_page(web_app: Web, admin: Browser) -> None:
    form = {"name": "ci", "scopes": ["read"], "days": "30", "addresses": "192.0.2.0/24 127.0.0.1"}
    shown = admin.post("/tokens", data=form).text
    assert "for 30 days" in shown
    assert "from 192.0.2.0/24 and 127.0.0.1 alone" in shown
    found = re.search(r"rb_[\w-]+", shown)
    assert found
    assert asked(web_app, found[0]).status_code == 200
    page = admin.get("/system").text
    assert "192.0.2.0/24" in page
    assert f"{datetime.now(UTC) + timedelta(days=30):%Y}" in page
    refused = admin.post("/tokens", data=form | {"name": "two", "days": "a week"})
    assert refused.status_code == 400
    assert "Days are a whole number" in refused.text
    assert [one.name for one in tokens.tokens(web_app.settings)] == ["ci"]


def test_whoever_may_restore_may_not_delete(web_app: Web) -> None:
    script = web_app.with_token("read", "backup", "restore")
    for method, call in (
        ("POST", "/api/backup/prune"),
        ("DELETE", "/api/backup/delete/redis_backup_20260101_030000.rdb"),
    ):
        answer = script.open(call, method=method)
        assert answer.status_code == 403
        assert "lacks the scope delete" in answer.get_json()["error"]
