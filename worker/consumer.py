"""What a worker takes from its queues: as Celery does it, but that nothing is told of what a message holds, and that it is
known whether any is taken at all.
"""

import math
import time
from typing import Any

import structlog
from celery.exceptions import NotRegistered
from celery.worker import consumer as usual

from worker.broker.lease import LEASE_SECONDS

log = structlog.get_logger()

TURN_SECONDS = 0.5
STALLED_SECONDS = LEASE_SECONDS / 3
"""After how long a loop counts as standing still. It waits for no job, as those run in processes of their own."""


class Consumer(usual.Consumer):  # type: ignore[misc]
    """In place of Celery's own, which logs the whole body of a message that it cannot use."""

    _turned = -math.inf
    _turns: Any = None

    def loop_args(self) -> Any:
        """What Celery asks for when the loop begins that takes messages, also when it begins anew."""
        if self._turns is not None:
            self._turns.cancel()
        self._turns = self.timer.call_repeatedly(TURN_SECONDS, self._turn)
        return super().loop_args()

    def _turn(self) -> None:
        self._turned = time.monotonic()

    @property
    def consumes(self) -> bool:
        """Whether messages are taken: the loop turns. Where jobs run within that loop (`--pool solo`) it cannot be told."""
        alone = type(self.pool).__module__ == "celery.concurrency.solo"
        return alone or time.monotonic() - self._turned < STALLED_SECONDS

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """A name that no task has fails as such, for whoever mistyped it asks for its result."""
        identity, name = message.headers["id"], message.headers["task"]
        log.error("unknown_task", task=name, id=identity)
        message.reject()
        self.app.backend.mark_as_failure(identity, NotRegistered(name))

    def on_invalid_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002
        """What the transport has let through all the same."""
        self._let_go(message, exc)

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """The same."""
        self._let_go(message, exc)

    def on_unknown_message(self, body: Any, message: Any) -> None:  # noqa: ARG002 - Celery's signature
        """The same."""
        self._let_go(message)

    def _let_go(self, message: Any, error: Exception | None = None) -> None:
        log.warning("message_let_go", why=f"Celery does not take it ({type(error).__name__})")
        message.reject()
