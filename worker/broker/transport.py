"""How messages are taken from the broker: as kombu does it, but that one which nobody can read is let go.

Redis has handed it out by then, so it is in no queue any more and does not come again. Without this it would end the
worker.
"""

import time
from collections.abc import Callable
from typing import Any

import redis
import structlog
from kombu.transport import redis as usual

from worker.broker import envelope
from worker.errors import BusyError

log = structlog.get_logger()

PAUSE_SECONDS = 1
"""Before a broker that hands out nothing is asked again."""
MOST_WAITING = 1000
"""In one queue: more is a mistake, or a flood."""


class _Client(redis.Redis):
    """Reads what is taken from a queue as a message of ours, before anybody else does."""

    def parse_response(self, connection: Any, command_name: Any, **options: Any) -> Any:
        try:
            answer = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        except redis.ResponseError as error:
            if command_name != "BRPOP":
                raise
            # It may write nothing just now, or nobody has let us do that, or a queue is no list: to Celery the end.
            log.error("queues_refused", kind=type(error).__name__)
            time.sleep(PAUSE_SECONDS)
            raise redis.ConnectionError("the broker hands out no message") from None
        if command_name != "BRPOP" or not answer:
            return answer
        key, text = answer
        queue = key.decode(errors="replace").rsplit(usual.Channel.sep, 1)[0]
        try:
            return [key, envelope.checked(text, queue)]
        except envelope.MisfitError as error:
            _let_go(queue, str(error), len(text))
            return [key, b"null"]


class Channel(usual.Channel):
    """One worker's way to its queues."""

    def _get_client(self) -> type:
        return _Client

    def _put(self, queue: str, message: dict[str, Any], **more: Any) -> None:
        """Send it. Raises BusyError where the queue is full; what the schedule asks for, and what is tried again, comes in all
        the same.
        """
        headers = message.get("headers") or {}
        ours = str(headers.get("asked_by") or "").startswith("beat") or headers.get("task") == "worker.tasks.reap"
        if not ours and not headers.get("retries") and self._size(queue) >= MOST_WAITING:  # type: ignore[no-untyped-call]
            raise BusyError(
                f"{MOST_WAITING:,} tasks wait in the queue {queue} already, the most that it takes: is a worker at work on it? "
                "Wait until some of them are done, or cancel some."
            )
        super()._put(queue, message, **more)  # type: ignore[no-untyped-call]

    def basic_consume(
        self, queue: str, no_ack: bool, callback: Callable[[Any], Any], consumer_tag: str, **more: Any
    ) -> Any:
        """Consume from a queue. What Celery itself cannot take, in spite of all, is let go as well."""

        away = (*self.connection_errors, *self.connection.channel_errors)

        def careful(message: Any) -> None:
            try:
                callback(message)
            except Exception as error:
                # kombu takes any KeyError for a lost connection.
                if isinstance(error, away) and not isinstance(error, KeyError):
                    raise
                _let_go(queue, f"Celery does not take it ({type(error).__name__})", len(message.body or ""))
                if not message.acknowledged:
                    message.reject()

        return super().basic_consume(queue, no_ack, careful, consumer_tag, **more)  # type: ignore[no-untyped-call]


class Transport(usual.Transport):
    """In place of kombu's own, whose name it has."""

    Channel = Channel

    def _deliver(self, message: Any, queue: str) -> None:
        if message is not None:
            super()._deliver(message, queue)  # type: ignore[no-untyped-call]


def _let_go(queue: str, why: str, size: int) -> None:
    """A line in the log, without a byte of it: it may be anybody's secret, or written to be read."""
    log.warning("message_let_go", queue=queue, why=why, bytes=size)
