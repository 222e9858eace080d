"""Structured logs on standard error: an event is one JSON line, or one for people, with the run that it belongs to."""

import logging
import logging.config
import re
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from typing import Any

import structlog

from worker.errors import BackupSystemError, CancelledError

log = structlog.get_logger()

Lines = deque[dict[str, Any]]
LINES_KEPT = 200

_CREDENTIALS = re.compile(r"://[^/\s\"]*@")
_PLAIN = re.compile(r"[\w.:/@+-]+")
_lines: ContextVar[Lines | None] = ContextVar("lines", default=None)


def _keep(_logger: Any, level: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """A run's own events stay with it, whatever level the log is at."""
    lines = _lines.get()
    if lines is not None and level != "debug":
        lines.append({"level": level, **{name: value for name, value in event.items() if name != "exc_info"}})
    return event


def _redacted(_logger: Any, _level: str, line: Any) -> str:
    """Take passwords out of each line at the very end, because a traceback may quote any text."""
    return _CREDENTIALS.sub("://***@", line)


def _for_people(_logger: Any, _level: str, event: structlog.typing.EventDict) -> str:
    """`03:00:02 backup created name=... keys=100`, by the local clock; what is no plain word is quoted, so that nothing in it
    steers a terminal or looks like another line.
    """
    at, what, level, trace = (event.pop(name, "") for name in ("timestamp", "event", "level", "exception"))
    words = str(what).replace("_", " ") if str(what).isidentifier() else _printable(str(what))
    loud = [] if level == "info" else [str(level).upper()]
    details = event.pop("details", {})
    pairs = [
        f"{name}={_quoted(str(value))}" for name, value in {**event, **details}.items() if value not in (None, [], {})
    ]
    line = " ".join([f"{datetime.fromisoformat(at).astimezone():%H:%M:%S}", *loud, words, *pairs])
    return "\n".join([line, *map(_printable, str(trace).splitlines())])


def _quoted(text: str) -> str:
    return text if _PLAIN.fullmatch(text) else repr(text)


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in text)


_STAMP = structlog.processors.TimeStamper(fmt="iso", utc=True)
_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    _STAMP,
    structlog.processors.format_exc_info,
]


def configure(level: str, form: str = "auto") -> None:
    """Send every library's log lines, and our own events, through one formatter.

    `form` is `json`, `text` for people, or `auto`: text where standard error is a terminal.
    """
    readable = sys.stderr.isatty() if form == "auto" else form == "text"
    structlog.configure(
        processors=[
            _STAMP,
            _keep,
            structlog.stdlib.filter_by_level,
            *_SHARED,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "one": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": _SHARED,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        _for_people if readable else structlog.processors.JSONRenderer(),
                        _redacted,
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "one"}},
            # Celery writes a line with the whole result for every task that ends well: our own events say it shorter.
            # The pool tells of children that were killed through a logger that hands nothing on.
            "loggers": {
                "celery.app.trace": {"level": "WARNING" if level == "INFO" else level},
                "multiprocessing": {"handlers": ["stderr"], "level": level},
            },
            "root": {"handlers": ["stderr"], "level": level},
        }
    )


@contextmanager
def run(identity: str, operation: str, name: str | None = None) -> Iterator[Lines]:
    """Every event within carries the run's id; a failure is told as `<operation>_failed`, and one that
    somebody cancelled as `<operation>_cancelled`; it goes on up.

    The last LINES_KEPT events are kept in what it gives.

    `name` is the backup that the run is about. An exception that nobody foresaw may carry anything in its text, a
    password too: it becomes a BackupSystemError that only gives its kind, and the log has its traceback.
    """
    clock, lines = time.monotonic(), Lines(maxlen=LINES_KEPT)
    token = _lines.set(lines)
    with structlog.contextvars.bound_contextvars(run=identity):
        try:
            yield lines
        except CancelledError as error:
            log.warning(f"{operation}_cancelled", name=name, error=str(error))
            raise
        except BackupSystemError as error:
            facts = {"name": name, "seconds": round(time.monotonic() - clock, 3), "kind": type(error).__name__}
            log.error(f"{operation}_failed", error=str(error), **facts)
            raise
        except Exception as error:
            log.exception(f"{operation}_failed", name=name, kind=type(error).__name__)
            raise BackupSystemError(
                f"An unexpected {type(error).__name__} in {operation}: please report it; LOG_LEVEL=ERROR shows the details."
            ).plain() from None
        finally:
            _lines.reset(token)


def current_lines() -> Lines:
    """The events of the run that this is part of, those to come as well."""
    lines = _lines.get()
    return Lines() if lines is None else lines


def current_run() -> str | None:
    """The id of the run that this is part of."""
    run: str | None = structlog.contextvars.get_contextvars().get("run")
    return run
