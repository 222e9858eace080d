"""Who may come in: the admin by password and session, scripts by token; everything else is turned away, before any route.

A view says with `needs` or `public` who it is for. Where it says nothing the method decides: GET is for readers, any other
for the admin alone, so that nothing is open because somebody forgot.
"""

import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypeVar

from flask import Flask, current_app, g, redirect, request, session, url_for
from flask.sessions import SecureCookieSessionInterface
from flask_openapi3 import OpenAPI
from flask_wtf.csrf import CSRFProtect
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Forbidden, Unauthorized
from werkzeug.wrappers import Response

from web import errors, rate_limits
from worker.broker import audit, tokens
from worker.broker.scopes import SCOPES, Scope
from worker.config.settings import load_web
from worker.repository.behalf import Asker
from worker.runs.operations import OPERATIONS, Name

Need = Scope | Literal["admin", "nothing"]
"""A scope; `admin`: the password; `nothing`: not even a login."""

SESSION_AGE = timedelta(hours=12)
CLOCKS_APART_SECONDS = 60
ADMIN, ALL = "admin", frozenset[str]({*SCOPES, "admin"})
PUBLIC = frozenset({"static", "bootstrap.static", "health.healthz"})
"""Besides the views that are marked `public`."""
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

View = TypeVar("View", bound=Callable[..., object])
csrf = CSRFProtect()


@dataclass(frozen=True)
class Identity:
    """Who asks: `admin` with all scopes, or `token NAME` with its own. Found in `flask.g.identity`; None in public views."""

    name: str
    scopes: frozenset[str]


class _Sessions(SecureCookieSessionInterface):
    """Cookies that never leave TLS once they came by it; without TLS the browser would not send such a one back."""

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002 - flask's signature
        return request.is_secure


def install(app: OpenAPI) -> None:
    """Ask everybody who they are, before any route."""
    app.session_interface = _Sessions()
    app.config.update(
        SESSION_COOKIE_NAME="redis_backup_session",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        PERMANENT_SESSION_LIFETIME=SESSION_AGE,
        # `since` ends a session, so its cookie need not be renewed with every answer.
        SESSION_REFRESH_EACH_REQUEST=False,
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
    )
    csrf.init_app(app)
    rate_limits.install(app)
    app.before_request(_admit)


def needs(scope: Scope | Literal["admin"]) -> Callable[[View], View]:
    """A view for those with that scope; others are told 403. Write it below the route."""
    return _marked(scope)


def needs_scope_of(operation: Name) -> Callable[[View], View]:
    """A view that asks for an operation: for those with its scope."""
    return _marked(OPERATIONS[operation].scope)


def public(view: View) -> View:
    """A view for everybody."""
    return _marked("nothing")(view)


def need_of(endpoint: str | None, method: str) -> Need:
    """What an endpoint asks of whoever calls it with that method."""
    if endpoint in PUBLIC:
        return "nothing"
    unsaid: Need = "read" if method in SAFE else "admin"
    need: Need = getattr(current_app.view_functions.get(endpoint or ""), "need", unsaid)
    return need


def begin_session() -> None:
    """From now on this browser is the admin's. Nothing of what its session held before is left."""
    current = tokens.begin_session(load_web())
    session.clear()
    session.permanent = True
    session.update(epoch=current, since=int(time.time()), name=secrets.token_hex(4))


def _marked(need: Need) -> Callable[[View], View]:
    def mark(view: View) -> View:
        setattr(view, "need", need)  # noqa: B010 - a function has no such attribute by its type
        return view

    return mark


def _admit() -> Response | None:
    need, bearer = need_of(request.endpoint, request.method), _bearer()
    g.identity = None
    if need != "nothing":
        g.identity = _by_session() if bearer is None else _by_token(bearer)
        if g.identity is None:
            return _turned_away()
    # No other site can make a browser send a token, so a token needs no CSRF proof.
    if request.endpoint and (bearer is None or g.identity is None):
        csrf.protect()
    if need != "nothing" and request.endpoint and need not in g.identity.scopes:
        raise Forbidden(_lacking(need))
    return None


def _bearer() -> str | None:
    sent = request.authorization
    return sent.token or "" if sent is not None and sent.type == "bearer" else None


def _by_token(secret: str) -> Identity | None:
    token = tokens.find(load_web(), secret)
    if token is None or token.expired or not token.lets_in(request.remote_addr):
        rate_limits.wrong_token()
        # The log names an expired token or a wrong network; the sender only learns that the token is wrong.
        known = (
            {} if token is None else {"token": token.name, "reason": "expired" if token.expired else "wrong address"}
        )
        audit.record(load_web(), audit.STRANGER, "token", "failed", address=request.remote_addr, **known)
        return None
    tokens.note_use(load_web(), token)
    return Identity(str(Asker("token", token.name)), frozenset(token.scopes))


def _by_session() -> Identity | None:
    epoch, since = session.get("epoch"), session.get("since")
    if not isinstance(epoch, str) or not isinstance(since, int):
        return None
    # The cookie is signed anew whenever something in it changes, so its own age says nothing about the login.
    if not -CLOCKS_APART_SECONDS <= time.time() - since <= SESSION_AGE.total_seconds():
        return None
    if not hmac.compare_digest(epoch, tokens.epoch(load_web()) or ""):
        return None
    return Identity(ADMIN, ALL)


def _turned_away() -> Response:
    if errors.for_a_program():
        raise Unauthorized(
            "Log in first, or send a good token as `Authorization: Bearer ...`.",
            www_authenticate=WWWAuthenticate("bearer", {"realm": "redis-backup"}),
        )
    wanted = request.full_path.rstrip("?") if request.method in SAFE else None
    return redirect(url_for("auth.login", next=wanted), 303)


def _lacking(need: Need) -> str:
    if need == "admin":
        return "Only the admin may do this: log in with the password."
    return f"This token lacks the scope {need}: use one that has it, or make it on the System page."
