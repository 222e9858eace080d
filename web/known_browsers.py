"""Browsers that have logged in before, by a signed cookie: it opens nothing, and keeps a try at the password apart from
those of strangers.
"""

import secrets
from datetime import timedelta

from flask import current_app, request
from itsdangerous import BadSignature, URLSafeTimedSerializer
from werkzeug.wrappers import Response

COOKIE = "redis_backup_known"
AGE = timedelta(days=90)


def this_one() -> str | None:
    """What the browser was called when it last logged in; None where it did not, or not with today's password."""
    try:
        name = _signer().loads(request.cookies.get(COOKIE, ""), max_age=int(AGE.total_seconds()))
    except BadSignature:
        return None
    return name if isinstance(name, str) else None


def remember(response: Response) -> None:
    """Know this browser again. It keeps its name, so that each login does not bring it another allowance."""
    response.set_cookie(
        COOKIE,
        str(_signer().dumps(this_one() or secrets.token_hex(16))),
        max_age=AGE,
        path="/login",
        secure=request.is_secure,
        httponly=True,
        samesite="Lax",
    )


def _signer() -> URLSafeTimedSerializer:
    return URLSafeTimedSerializer(str(current_app.secret_key), salt="known browser")
