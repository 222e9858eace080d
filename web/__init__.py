"""The dashboard and its API: `create_app()` puts the rooms of this folder together.

api/       the calls for machines
pages/     what people see, and what their forms do
wording/   how things are said and drawn
jobs.py    asking a worker to do something, and being told that it cannot be asked
activity.py (of runs and workers), standing.py (of alerts), lookup.py (one backup): what is known
auth.py (identity, sessions, scopes, CSRF), rate_limits.py (how often), known_browsers.py (that logged in before)
networks.py (who is one visitor), connections.py (what a slow client may take)
planned.py (what is chosen of the schedule)
readings.py (who was given data), access.py (a line in the log for each request)
errors.py: one sentence, as JSON or as a page
"""

import hmac

from flask_openapi3 import Info, OpenAPI
from werkzeug.middleware.proxy_fix import ProxyFix

from web import access, auth, errors, planned
from web.api import (
    docs,
    health,
    routes,  # noqa: F401 - its calls are in the blueprint
    schedule,  # noqa: F401 - as above
    status,  # noqa: F401 - as above
)
from web.api.blueprint import SECURITY, api
from web.api.bodies import JSONRequest
from web.pages import (
    actions,  # noqa: F401 - its forms are in the same blueprint as the pages
    alerts,  # noqa: F401 - as above
    dashboard,
    differences,  # noqa: F401 - as above
    login,
    recovery,  # noqa: F401 - as above
    runs,  # noqa: F401 - as above
    templating,
)
from web.pages.past import incident, stream  # noqa: F401 - as above
from worker import __version__, logs
from worker.config.settings import WebSettings, load_web

LARGEST_BODY_BYTES = 1 << 20
"""A long list of keys to restore fits in."""
LARGEST_FORM_PARTS = 200


def create_app() -> OpenAPI:
    """The application, with its settings from the environment. Raises UsageError where one is missing or wrong."""
    settings = load_web()
    logs.configure(settings.log_level, settings.log_format)
    app = OpenAPI(
        __name__,
        info=Info(title="Redis Backup", version=__version__),
        doc_ui=False,
        security_schemes=SECURITY,
        validation_error_status=400,
        validation_error_model=errors.Problem,
        validation_error_callback=errors.wrong_arguments,
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
    access.install(app)
    errors.install(app)
    auth.install(app)
    planned.install(app)
    app.register_blueprint(login.auth)
    app.register_api(api)
    app.register_blueprint(docs.docs)
    app.register_blueprint(health.health)
    app.register_blueprint(dashboard.pages)
    templating.install(app)
    return app


def _signing_key(settings: WebSettings) -> str:
    """Of the secret and the password together: a new password ends every session."""
    password = settings.admin_password_hash or settings.admin_password or ""
    return hmac.new(settings.session_secret.encode(), password.encode(), "sha256").hexdigest()
