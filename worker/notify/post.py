"""One request over HTTP, of which nothing is told but how it ended."""

import ssl
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

SECONDS = 10
"""For the connection, and for each part of the answer; whoever waits for the whole has a clock of their own."""
AWAY, SLOW, UNTRUSTED = "away", "slow", "untrusted"
"""Why something was not taken, where it is no number that it was answered with."""


class _Stay(HTTPRedirectHandler):
    """What is sent goes where it is to go, and nowhere else."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


def post(url: str, body: bytes, headers: dict[str, str]) -> str | None:
    """None where it was taken; else the status that it was answered with, AWAY, SLOW or UNTRUSTED."""
    request = Request(url, body, {"User-Agent": "redis-backup", **headers}, method="POST")  # noqa: S310 - http or https, by the settings
    try:
        with build_opener(_Stay).open(request, timeout=SECONDS) as answer:
            answer.read(1)
    except HTTPError as error:
        return str(error.code)
    except (OSError, HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            return UNTRUSTED
        return SLOW if isinstance(reason, TimeoutError) else AWAY
    return None
