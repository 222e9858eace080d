"""A line in the log for each request that was answered: who, from where, for what, how much, how fast.

What stands behind the `?` of an address is in no line: it may be a key, or a pattern of keys.
"""

import time

import structlog
from flask import Flask, Response, g, request

log = structlog.get_logger()

_QUIET = frozenset({"health.healthz", "static", "bootstrap.static"})
"""Endpoints that are asked all the time and tell nothing."""
LONGEST_PATH = 200


def install(app: Flask) -> None:
    """Write it, as the last thing that is done for a request."""
    app.before_request(_begin)
    app.after_request(_tell)


def _begin() -> None:
    g.begun = time.monotonic()


def _tell(response: Response) -> Response:
    who = g.get("identity")
    tell = log.debug if request.endpoint in _QUIET else log.info
    tell(
        "request",
        method=request.method,
        path=request.path[:LONGEST_PATH],
        status=response.status_code,
        bytes=response.content_length,
        seconds=round(time.monotonic() - g.begun, 3),
        who=who.name if who else None,
        address=request.remote_addr,
    )
    return response
