"""Structured logs: one JSON line per event, on standard error, with the run that it belongs to."""

import logging
import logging.config
import time
from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from worker.errors import BackupSystemError

log = structlog.get_logger()

_SHARED: list[structlog.typing.Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]


def configure(level: str) -> None:
    """Send every library's log lines, and our own events, through one formatter."""
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {
                "json": {
                    "()": structlog.stdlib.ProcessorFormatter,
                    "foreign_pre_chain": _SHARED,
                    "processors": [
                        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                        structlog.processors.JSONRenderer(),
                    ],
                }
            },
            "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
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
def run(identity: str, operation: str, name: str | None = None) -> Iterator[None]:
    """Every event within carries the run's id; a failure is told as `<operation>_failed`, and goes on up.

    `name` is the backup that the run is about. An exception that nobody foresaw may carry anything in its text, a
    password too: it becomes a BackupSystemError that only gives its kind, and the log has its traceback.
    """
    clock = time.monotonic()
    with structlog.contextvars.bound_contextvars(run=identity):
        try:
            yield
        except BackupSystemError as error:
            about = {"name": name, "seconds": round(time.monotonic() - clock, 3), "kind": type(error).__name__}
            log.error(f"{operation}_failed", error=str(error), **about)
            raise
        except Exception as error:
            log.exception(f"{operation}_failed", name=name, kind=type(error).__name__)
            raise BackupSystemError(
                f"An unexpected {type(error).__name__} in {operation}: please report it; LOG_LEVEL=ERROR shows the details."
            ) from None
