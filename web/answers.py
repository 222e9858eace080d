"""Errors as one sentence, as JSON for /api and as a page for the rest; security headers on every answer."""

from flask_openapi3 import OpenAPI


def install(app: OpenAPI) -> None:
    """Answer every error of the application, and send the headers with everything."""
