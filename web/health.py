"""Whether it is well: the process, all that it needs, and the numbers for Prometheus."""

from flask import Blueprint

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}
