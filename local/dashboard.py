"""How the dashboard is opened here: the secret that signs sessions, a password for this run, and the address."""

import http
import http.client
import os
import secrets
from pathlib import Path

from local import kept
from worker.config.settings import Settings, WebSettings

ONLY_ITS_OWN = {name.upper() for name in set(WebSettings.model_fields) - set(Settings.model_fields)}
"""Settings that no other process is told."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104  looked up, not listened on
_SECONDS = 2


def given(name: str) -> bool:
    """Whether the person has set it, as itself or as a file."""
    return bool(os.environ.get(name) or os.environ.get(f"{name}_FILE"))


def session_secret(folder: Path) -> dict[str, str]:
    """The setting for a secret that outlives this run, so that with a password of their own nobody has to log in anew;
    nothing where it is set.
    """
    if given("SESSION_SECRET"):
        return {}
    path = folder / "session-secret"
    kept.secret(path)
    return {"SESSION_SECRET_FILE": str(path)}


def password() -> dict[str, str]:
    """The setting for a password that is good for this run only; nothing where the person has one."""
    if given("ADMIN_PASSWORD") or given("ADMIN_PASSWORD_HASH"):
        return {}
    return {"ADMIN_PASSWORD": secrets.token_urlsafe(12)}


def host(settings: WebSettings) -> str:
    """Where this machine itself reaches it."""
    return _EVERYWHERE.get(settings.web_bind, settings.web_bind)


def url(settings: WebSettings) -> str:
    """What to type into a browser of this machine."""
    name = host(settings)
    return f"http://{f'[{name}]' if ':' in name else name}:{settings.port}"


def answers(settings: WebSettings) -> bool:
    """Whether it says that it is up."""
    connection = http.client.HTTPConnection(host(settings), settings.port, timeout=_SECONDS)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def told(name: str, environment: dict[str, str]) -> dict[str, str]:
    """The environment of the process of that name: the dashboard's secrets are for the dashboard, but for the one with which
    whoever answers questions seals what it is to show.
    """
    if name == "web":
        return environment
    kept_back = ONLY_ITS_OWN if name == "questions" else {*ONLY_ITS_OWN, "SESSION_SECRET"}
    return {key: value for key, value in environment.items() if key.removesuffix("_FILE") not in kept_back}
