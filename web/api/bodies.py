"""What comes in the body of a call: one JSON object, or nothing at all, which says the same as an empty one."""

from typing import Any

from flask import Request
from werkzeug.exceptions import BadRequest, UnsupportedMediaType


class JSONRequest(Request):
    """A request whose JSON is an object, or else an error that says so."""

    def get_json(self, force: bool = False, silent: bool = False, cache: bool = True) -> Any:  # noqa: ARG002
        """The object. Never silent, whoever asks: a comma too many must not be told as a field that is missing."""
        if not self.content_length and "Transfer-Encoding" not in self.headers:
            return {}
        if self.mimetype and not self.is_json:
            raise UnsupportedMediaType("Send the body as JSON, with the header Content-Type: application/json.")
        try:
            body = super().get_json(force=True, silent=False, cache=cache)
        except RecursionError:
            raise BadRequest("The body is nested too deep.") from None
        if not isinstance(body, dict):
            raise BadRequest("The body must be a JSON object.")
        return body

    def on_json_loading_failed(self, e: ValueError | None) -> Any:  # noqa: ARG002
        """What is no JSON at all."""
        raise BadRequest("The body is not JSON: a quote, a comma or a bracket is missing or too many.")
