"""Every route of the dashboard, what it says of an error, and what the broker and the audit log hold of it."""

from collections.abc import Iterator

from flask import Flask
from werkzeug.test import TestResponse

from tests.support.dashboard import Web
from web.auth import PUBLIC
from worker.broker import audit

SLOW = "api.stats"
"""Waits for a worker, and there is none here."""
OPEN = PUBLIC | {"auth.login", "auth.log_in"}
CHANGES = ("POST", "PUT", "PATCH", "DELETE")


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
