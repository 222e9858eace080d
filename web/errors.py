"""Errors as one sentence, as JSON for programs and as a page for people; security headers on every answer."""

from http import HTTPStatus

import structlog
from flask import Response, jsonify, make_response, render_template, request
from flask_openapi3 import OpenAPI
from flask_wtf.csrf import CSRFError
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import HTTPException, default_exceptions

from worker import errors
from worker.config.validation import first_fault

log = structlog.get_logger()

CONTENT_SECURITY_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    # Not stricter: under TLS a form must say that it came from our own page.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}

STATUS = (
    (errors.NoSuchStorageError, 404),
    (errors.UsageError, 400),
    (errors.NotFoundError, 404),
    (errors.BusyError, 409),
    (errors.RefusedError, 409),
    (errors.ArtifactError, 409),
    (errors.TemporaryError, 503),
    (errors.StorageError, 503),
)
"""The first that fits counts; every other error of ours is a 500."""

_SENTENCES = {
    400: "The request could not be understood: look at what was sent.",
    404: "There is nothing here: look at the address.",
    405: "That cannot be done at this address: look at the method of the request.",
    408: "The request took too long to arrive: send it faster, or over a better line.",
    412: "The backup is not the one that If-Match or If-Unmodified-Since names: ask without them to get it as it is.",
    413: "The request is larger than 1 MiB, the most that is taken here: send less, or long lists of keys from the shell, with --keys-from.",
    415: "The body must be JSON: send it with Content-Type: application/json.",
    416: "The backup has no bytes in that range: ask for one within its size.",
    431: "The head of the request is larger than 32 KiB, the most that is taken here: send fewer or shorter headers.",
    501: "The body came in an encoding that is not known here: send it as it is, or chunked.",
}
_FOR_PROGRAMS = ("/api/", "/readyz", "/metrics")


class Problem(BaseModel):
    """What went wrong, in one sentence that says what to do next."""

    error: str


def install(app: OpenAPI) -> None:
    """Answer every error of the application, and send the headers with everything."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(errors.BackupSystemError, _ours)
    app.register_error_handler(Exception, _unexpected)
    app.after_request(_protect)


def for_a_program() -> bool:
    """Whether the request is one of a program, to be answered in JSON; the API's own documentation is for people."""
    if request.path.startswith("/api/docs") and request.accept_mimetypes.best == "text/html":
        return False
    return request.path.startswith(_FOR_PROGRAMS)


def wrong_arguments(error: ValidationError) -> Response:
    """Arguments that their model refuses."""
    return _answer(400, f"Wrong argument: {first_fault(error)}.")


def status_of(error: errors.BackupSystemError) -> int:
    """The HTTP status of an error of ours."""
    return next((status for kind, status in STATUS if isinstance(error, kind)), 500)


def sentence_of(status: int) -> str:
    """What is said to a status for which nobody had words of their own."""
    return _SENTENCES.get(status, f"{HTTPStatus(status).phrase}: try again later.")


def _ours(error: errors.BackupSystemError) -> Response:
    return _answer(status_of(error), str(error))


def _http(error: HTTPException) -> Response:
    # An exception with a response of its own is complete, and a redirect is no error.
    if error.code is None or error.code < 400 or error.response is not None:
        return make_response(error.get_response())
    answer = _answer(error.code, _sentence(error))
    for name, value in error.get_headers():
        if name not in ("Content-Type", "Content-Length"):
            answer.headers[name] = value
    return answer


def _sentence(error: HTTPException) -> str:
    """Our own words if we raised it, else ours for its status: werkzeug's may repeat what was sent."""
    if isinstance(error, CSRFError):
        return _forged(error)
    usual = default_exceptions.get(error.code or 500)
    if error.description and type(error) is usual and error.description != usual.description:
        return error.description
    return sentence_of(error.code or 500)


def _forged(error: CSRFError) -> str:
    if "referrer" in (error.description or ""):
        return (
            "The form did not come from this dashboard's own address: if a proxy stands before it, the proxy must hand "
            "on the Host header as it got it."
        )
    return "The form has expired, or came from elsewhere: reload the page and try again."


def _unexpected(error: Exception) -> Response:
    kind = type(error).__name__
    log.exception("request_failed", kind=kind, method=request.method, endpoint=request.endpoint)
    return _answer(500, f"An unexpected {kind}: please report it; the log of the dashboard has the details.")


def _answer(status: int, sentence: str) -> Response:
    if for_a_program():
        answer = jsonify(error=sentence)
    else:
        title = HTTPStatus(status).phrase
        answer = make_response(render_template("error.html", status=status, title=title, message=sentence))
    answer.status_code = status
    return answer


def _protect(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if response.status_code not in (200, 206, 304) or not (request.endpoint or "").endswith("static"):
        response.headers["Cache-Control"] = "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    return response
