"""The document of the API, for programs and, in a page, for people; all of the page comes from here."""

from pathlib import Path
from typing import Any, cast

import flask_openapi3_swagger
from flask import Blueprint, Response, current_app, make_response, render_template
from flask_openapi3 import OpenAPI

from web.auth import needs
from web.errors import CONTENT_SECURITY_POLICY

docs = Blueprint(
    "docs",
    __name__,
    url_prefix="/api/docs",
    static_folder=Path(flask_openapi3_swagger.__file__).parent / "templates" / "swagger",
    static_url_path="/swagger",
)

# Swagger UI sets styles of its own and draws with data: pictures. On this page only, which shows nothing of anybody's.
_POLICY = f"{CONTENT_SECURITY_POLICY}; style-src 'self' 'unsafe-inline'; img-src 'self' data:"


@docs.get("")
@needs("read")
def page() -> Response:
    """The document, to be read and tried out."""
    shown = make_response(render_template("docs.html"))
    shown.headers["Content-Security-Policy"] = _POLICY
    return shown


@docs.get("/openapi.json")
@needs("read")
def document() -> dict[str, Any]:
    """The document itself, OpenAPI 3.1."""
    return cast(OpenAPI, current_app).api_doc
