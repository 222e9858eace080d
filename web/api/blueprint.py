"""What all calls of the API have in common: their address, who may call them, and which faults they answer."""

from typing import Any

from flask_openapi3 import APIBlueprint, Tag

from web.api.schemas import TOO_MANY
from web.errors import Problem

SECURITY: dict[str, Any] = {
    "token": {
        "type": "http",
        "scheme": "bearer",
        "description": "Made on the System page, or by `python -m worker token`.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "redis_backup_session",
        "description": "Of somebody who has logged in; whatever is no GET needs the header X-CSRFToken as well.",
    },
}


def faults(*statuses: int) -> dict[Any, Any]:
    """What OpenAPI is told of these statuses."""
    return dict.fromkeys(statuses, Problem)


_CALLS = Tag(
    name="calls",
    description="What takes a worker is answered with 202 and a result id; GET /api/result/{result_id} tells the rest.",
)
api = APIBlueprint(
    "api",
    __name__,
    url_prefix="/api",
    abp_tags=[_CALLS],
    abp_security=[{"token": []}, {"session": []}],
    abp_responses={429: TOO_MANY, **faults(400, 401, 403, 500, 503)},
)
