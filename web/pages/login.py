"""The doors of the dashboard: logging in and out, and tokens for scripts."""

import hashlib
import hmac
import re
from dataclasses import asdict

from flask import Blueprint, g, redirect, render_template, request, session, url_for
from werkzeug.security import check_password_hash
from werkzeug.wrappers import Response

from web import errors, known_browsers, rate_limits
from web.auth import ADMIN, begin_session, needs, public
from web.networks import network_of
from web.pages.dashboard import Answer, show_system
from worker.alerts import events
from worker.broker import audit, tokens
from worker.config.settings import WebSettings, load_web
from worker.errors import BackupSystemError, BrokerUnavailableError, UsageError

auth = Blueprint("auth", __name__)

# A browser drops tabs and line breaks and reads \ as /. The rest must not name another host.
_LOCAL = re.compile(r"/(?![/\\])[!-\[\]-~]*")


@auth.get("/login")
@public
def login() -> str:
    """The form."""
    return _form(request.args.get("next", ""))


@auth.post("/login")
@public
def log_in() -> Response | tuple[str, int]:
    """The one password, and a new session."""
    rate_limits.password()
    settings, wanted = load_web(), request.form.get("next", "")
    if not _is_the_password(settings, request.form.get("password", "")):
        audit.record(settings, audit.STRANGER, "login", "failed", address=request.remote_addr)
        return _form(wanted, "That is not the password."), 401
    begin_session()
    audit.record(settings, ADMIN, "login", "ok", address=request.remote_addr)
    events.logged_in(settings, network_of(request.remote_addr or "an unknown address"))
    entered = redirect(local(wanted), 303)
    known_browsers.remember(entered)
    return entered


@auth.post("/logout")
@needs("admin")
def logout() -> Response:
    """End this session and every other: a cookie that somebody copied is worth nothing afterwards."""
    settings = load_web()
    session.clear()
    try:
        tokens.end_sessions(settings)
    except BrokerUnavailableError:
        audit.record(settings, g.identity.name, "logout", "failed", address=request.remote_addr)
        raise BrokerUnavailableError(
            "You are logged out in this browser only, because the broker does not answer: log in and out again later."
        ) from None
    audit.record(settings, g.identity.name, "logout", "ok", address=request.remote_addr)
    return redirect(url_for("auth.login"), 303)


@auth.post("/tokens")
@needs("admin")
def create_token() -> str | Answer:
    """A new token, whose secret is shown this once."""
    settings, name, scopes = load_web(), request.form.get("name", "").strip(), request.form.getlist("scopes")
    try:
        bounds = tokens.Bounds(
            _days(request.form.get("days", "").strip()), (*request.form.get("addresses", "").split(),)
        )
        secret = tokens.create(settings, name, scopes, g.identity.name, bounds)
    except BackupSystemError as error:
        return show_system(str(error), errors.status_of(error))
    audit.record(settings, g.identity.name, "token created", "ok", name=name, scopes=scopes, **asdict(bounds))
    events.token_made(settings, name, scopes, g.identity.name)
    return render_template("token.html", name=name, scopes=scopes, secret=secret, **asdict(bounds))


@auth.post("/tokens/<name>/revoke")
@needs("admin")
def revoke_token(name: str) -> Response | Answer:
    """A token that opens nothing any more."""
    try:
        tokens.revoke(load_web(), name)
    except BackupSystemError as error:
        return show_system(str(error), errors.status_of(error))
    audit.record(load_web(), g.identity.name, "token revoked", "ok", name=name)
    return redirect(url_for("pages.machinery"), 303)


@auth.get("/tokens/<name>/revoke")
@needs("admin")
def before_revoking(name: str) -> str | Response:
    """What becomes of a token that is revoked, before it is; of one that is not there any more, those that are."""
    try:
        token = next((one for one in tokens.tokens(load_web()) if one.name == name), None)
    except BrokerUnavailableError:
        token = None
    return render_template("revoke.html", token=token) if token else redirect(url_for("pages.machinery"), 303)


@auth.get("/tokens")
@needs("admin")
def asked_again() -> Response:
    """The form for a new one, reloaded by its address: the page that it is on."""
    return redirect(url_for("pages.machinery"), 303)


def _days(text: str) -> int | None:
    if text and not re.fullmatch("[0-9]{1,6}", text):
        raise UsageError("Days are a whole number; leave them out for a token that stays until it is revoked.")
    return int(text) if text else None


def _form(wanted: str, error: str | None = None) -> str:
    return render_template("login.html", error=error, next=local(wanted))


def local(wanted: str) -> str:
    """The page that somebody wants to go on to, if it is one of ours; else the first one."""
    return wanted if _LOCAL.fullmatch(wanted) else "/"


def _is_the_password(settings: WebSettings, password: str) -> bool:
    if settings.admin_password_hash:
        return check_password_hash(settings.admin_password_hash, password)
    return hmac.compare_digest(_hashed(password), _hashed(settings.admin_password or ""))


def _hashed(password: str) -> bytes:
    """Of one length, whatever the password's: that must not show in the time that a comparison takes."""
    return hashlib.sha256(password.encode(errors="replace")).digest()
