"""The dashboard and its API: `create_app()` puts the rooms of this folder together.

api.py       /api/...: what a script uses; OpenAPI describes it
pages.py     what a person looks at; works without JavaScript
jobs.py      asking a worker to do something, and being told that it cannot be asked
auth.py      who may come in: login, sessions, tokens
health.py    /healthz, /readyz, /metrics
answers.py   errors as one sentence, as JSON or as a page; headers on everything
words.py     numbers, times and arguments in words
"""

from flask_openapi3 import Info, OpenAPI

from web import answers, auth, health, pages
from web.api import api
from worker import __version__
from worker.config import load_web


def create_app() -> OpenAPI:
    """The application, with its settings from the environment. Raises UsageError where one is missing or wrong."""
    settings = load_web()
    app = OpenAPI(__name__, info=Info(title="Redis Backup", version=__version__))
    app.config["SECRET_KEY"] = settings.session_secret
    answers.install(app)
    auth.install(app)
    app.register_api(api)
    app.register_blueprint(health.health)
    app.register_blueprint(pages.pages)
    return app
