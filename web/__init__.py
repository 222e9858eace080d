"""The dashboard and its API: `create_app()` puts the rooms of this folder together.

the API        api.py (the calls), shapes.py, bodies.py, downloads.py (what comes in and goes out), docs.py (in OpenAPI)
the pages      pages.py, backups.py, history.py, searching.py (what is shown), changes.py and forms.py (what is changed)
knowing        memory.py (of runs and workers), reach.py (whether the source is to be had), known.py (of one backup)
in words       words.py, telling.py, outcomes.py, meant.py, summary.py, consequences.py, byhand.py, system.py
in pictures    look.py, strip.py, picture.py
jobs           jobs.py: asking a worker to do something, and being told that it cannot be asked
access         auth.py (identity, sessions, scopes, CSRF), login.py (the doors), tries.py (how often)
health         health.py, metrics.py
answers        answers.py: errors as one sentence, as JSON or as a page; headers on everything
"""

import hmac

from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from web import (
    answers,
    auth,
    changes,  # noqa: F401 - its forms are in the same blueprint as the pages
    docs,
    health,
    history,  # noqa: F401 - as above
    login,
    look,
    pages,
)
from web.api import SECURITY, api
from web.bodies import JSONRequest
from worker import __version__, logs
from worker.config import WebSettings, load_web

LARGEST_BODY_BYTES = 1 << 20
"""A long list of keys to restore fits in."""
LARGEST_FORM_PARTS = 200


def create_app() -> OpenAPI:
    """The application, with its settings from the environment. Raises UsageError where one is missing or wrong."""
    settings = load_web()
    logs.configure(settings.log_level)
    app = OpenAPI(
        __name__,
        info=Info(title="Redis Backup", version=__version__),
        doc_ui=False,
        security_schemes=SECURITY,
        validation_error_status=400,
        validation_error_model=answers.Problem,
        validation_error_callback=answers.wrong_arguments,
    )
    app.request_class = JSONRequest
    app.config.update(
        SECRET_KEY=_signing_key(settings),
        MAX_CONTENT_LENGTH=LARGEST_BODY_BYTES,
        MAX_FORM_MEMORY_SIZE=LARGEST_BODY_BYTES,
        MAX_FORM_PARTS=LARGEST_FORM_PARTS,
    )
    if settings.web_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.web_proxies, x_proto=settings.web_proxies)  # type: ignore[method-assign]
    answers.install(app)
    auth.install(app)
    app.register_blueprint(login.auth)
    app.register_api(api)
    app.register_blueprint(docs.docs)
    app.register_blueprint(health.health)
    app.register_blueprint(pages.pages)
    look.install(app)
    return app


def _signing_key(settings: WebSettings) -> str:
    """Of the secret and the password together: a new password ends every session."""
    password = settings.admin_password_hash or settings.admin_password or ""
    return hmac.new(settings.session_secret.encode(), password.encode(), "sha256").hexdigest()
