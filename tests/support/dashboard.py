"""The dashboard as its users meet it: a real application with a real broker, source and storage, and who may call it."""

import logging
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import structlog
from flask.testing import FlaskClient
from flask_openapi3 import OpenAPI
from itsdangerous import URLSafeTimedSerializer
from jinja2.bccache import Bucket, BytecodeCache
from kombu import pools
from werkzeug.test import TestResponse

from tests.conftest import StartServer
from tests.support.processes import CANARY, CELERY, Background, environment
from tests.support.servers import Binary, Server
from web import create_app
from worker.broker import tokens
from worker.celery import app as celery
from worker.config.settings import Settings, WebSettings, load, load_web

PASSWORD = f"{CANARY}-of-the-admin"
SECRET = f"{CANARY}-that-signs-the-sessions-of-the-dashboard"
HOSTILE = "<img src=x onerror=alert(1)>"
SAFE = ("GET", "HEAD", "OPTIONS")


class Script(FlaskClient):
    """A client that reads every answer to its end."""

    def open(self, *arguments: Any, **options: Any) -> TestResponse:
        """Send one request."""
        return super().open(*arguments, **{"buffered": True, **options})


class Browser(Script):
    """A client that sends the CSRF token with every change, as our pages do; `csrf=False` forgets it."""

    def open(self, *arguments: Any, csrf: bool = True, **options: Any) -> TestResponse:
        """Send one request."""
        if csrf and options.get("method", "GET") not in SAFE:
            options["headers"] = {"X-CSRFToken": self.csrf_token(), **dict(options.get("headers") or {})}
        return super().open(*arguments, **options)

    def csrf_token(self) -> str:
        """The token of this session, as a form would carry it."""
        with self.session_transaction() as session:
            raw = session.setdefault("csrf_token", secrets.token_hex(20))
        return str(URLSafeTimedSerializer(str(self.application.secret_key), salt="wtf-csrf-token").dumps(raw))

    def log_in(self, password: str = PASSWORD, **form: str) -> TestResponse:
        """Type a password in."""
        return self.post("/login", data={"password": password, **form})


@dataclass(frozen=True)
class Web:
    """The application and all that it stands on."""

    app: OpenAPI
    settings: WebSettings
    broker: Server
    source: Server
    storage: Path
    folder: Path
    env: dict[str, str]
    """For processes that work beside it, such as a worker."""

    def browser(self) -> Browser:
        """Somebody new, who has not logged in."""
        return Browser(self.app)

    def logged_in(self) -> Browser:
        """The admin."""
        browser = self.browser()
        assert browser.log_in().status_code == 303
        return browser

    def with_token(self, *scopes: str, name: str = "") -> Script:
        """A script with a token of these scopes."""
        secret = tokens.create(self.settings, name or f"script-{secrets.token_hex(4)}", list(scopes), "admin")
        script = Script(self.app)
        script.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
        return script


class CompiledTemplates(BytecodeCache):
    """What this process has compiled of templates: each application is a fresh one, and they would all be compiled for each."""

    def __init__(self) -> None:
        self._compiled: dict[str, bytes] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        if (compiled := self._compiled.get(bucket.key)) is not None:
            bucket.bytecode_from_string(compiled)

    def dump_bytecode(self, bucket: Bucket) -> None:
        self._compiled[bucket.key] = bucket.bytecode_to_string()


_TEMPLATES = CompiledTemplates()


def fresh_app() -> OpenAPI:
    """An application that reads the environment anew."""
    for read in (load, load_web):
        read.cache_clear()
    app = create_app()
    app.jinja_env.bytecode_cache = _TEMPLATES
    app.test_client_class = Browser
    return app


@pytest.fixture
def web_env(newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Broker, source and storage in the environment: what `create_app` needs."""
    broker = start_server(newest, password=CANARY)
    source = start_server(newest, password=CANARY)
    ours = {
        "REDIS_URL": source.url,
        "CELERY_BROKER_URL": broker.url,
        "CELERY_RESULT_BACKEND": broker.url.removesuffix("0") + "1",
        "BACKUP_STORAGE": str(tmp_path / "backups"),
        "SESSION_SECRET": SECRET,
        "ADMIN_PASSWORD": PASSWORD,
    }
    for name in WebSettings.model_fields.keys() - {"backup_state"}:
        monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.delenv(f"{name.upper()}_FILE", raising=False)
    for name, value in ours.items():
        monkeypatch.setenv(name, value)
    beside = {name: value for name, value in ours.items() if name.lower() in Settings.model_fields}
    return broker, source, environment(**beside)


@pytest.fixture
def web_app(web_env: Any, tmp_path: Path) -> Iterator[Web]:
    """The application; tasks that it queues go to the broker of this test."""
    broker, source, env = web_env
    # A port may be another test's again, and what was seen there is none of our business.
    tokens._seen.clear()
    with own_logging():
        app = fresh_app()
        _forget_connections()
        yield Web(app, load_web(), broker, source, tmp_path / "backups", tmp_path, env)
    _forget_connections()
    for read in (load, load_web):
        read.cache_clear()


@contextmanager
def own_logging() -> Iterator[None]:
    """What an application sets up for the whole process, taken back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def _forget_connections() -> None:
    """Celery reads the broker's address from the environment whenever it connects, and keeps what it has."""
    celery.close()
    pools.reset()  # type: ignore[no-untyped-call]
    celery.amqp._producer_pool = None
    celery._local.__dict__.pop("backend", None)


@pytest.fixture
def admin(web_app: Web) -> Browser:
    """The admin, logged in."""
    return web_app.logged_in()


@pytest.fixture
def anonymous(web_app: Web) -> Browser:
    """Somebody who has not logged in."""
    return web_app.browser()


@pytest.fixture
def token_client(web_app: Web) -> Callable[..., Script]:
    """Makes scripts: `token_client("read", "backup")`."""
    return web_app.with_token


@pytest.fixture
def web_worker(web_app: Web) -> Iterator[Background]:
    """A real worker for all queues, at the same broker."""
    with working(web_app) as worker:
        yield worker


@contextmanager
def working(web: Web, *, forked: bool = True) -> Iterator[Background]:
    """The same for as long as it is needed."""
    command = (*CELERY, "worker", "--concurrency", "1", "--without-gossip", "--without-mingle")
    worker = Background(*command, env=web.env, cwd=web.folder, name="worker", forked=forked)
    try:
        worker.wait_until_it_says("ready")
        yield worker
    finally:
        worker.stop()
