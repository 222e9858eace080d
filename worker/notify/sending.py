"""Has a process send, and waits for it no longer than it should: an answer is a sentence that holds no secret, or nothing."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from worker.config.settings import Settings
from worker.errors import UsageError
from worker.notify.channels import WEBHOOK, Channel
from worker.notify.outbox import Waiting
from worker.notify.post import AWAY, SLOW, UNTRUSTED

READY_SECONDS, SEND_SECONDS = 45, 30
"""For the process to begin, and for a message to be taken."""
_HOME = Path(__file__).parents[2]
_REASONS = {
    AWAY: "It cannot be reached.",
    SLOW: "It did not answer in time.",
    UNTRUSTED: "Its certificate is not trusted here.",
    "": "It did not take the message: is the address right?",
}
_REFUSED = ("401", "403", "404", "410", "530", "535")


class Sender:
    """The process, and one answer of it at a time."""

    def __init__(self, order: dict[str, Any]) -> None:
        path = os.pathsep.join(filter(None, (str(_HOME), os.environ.get("PYTHONPATH"))))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "worker.notify.sender"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
            start_new_session=True,
        )
        self._in: Any = self._process.stdin
        self._out: Any = self._process.stdout
        self._unread = b""
        self.say(order)

    def say(self, words: dict[str, Any]) -> None:
        """Tell it something. It may be gone: then there is no answer."""
        with suppress(OSError):
            self._in.write(json.dumps(words).encode() + b"\n")
            self._in.flush()

    def answer(self, seconds: float) -> dict[str, Any] | None:
        """What it says next; None where it says nothing within that time, or is gone."""
        deadline, pipe = time.monotonic() + seconds, self._out.fileno()
        while b"\n" not in self._unread:
            if not select.select([pipe], [], [], max(0.0, deadline - time.monotonic()))[0]:
                return None
            if not (some := os.read(pipe, 4096)):
                return None
            self._unread += some
        line, _, self._unread = self._unread.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def let_go(self) -> None:
        """It may end what it has begun, and then ends."""
        with suppress(OSError):
            self._in.close()

    def wait(self, seconds: float) -> None:
        """Until it has ended, which it does within that time or is killed."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        self.kill()

    def kill(self) -> None:
        """End it now."""
        self._process.kill()
        self.let_go()
        self._process.wait()
        self._out.close()


class Line:
    """A way to one channel that is open."""

    def __init__(self, sender: Sender) -> None:
        self._sender = sender
        self._dead: str | None = None
        ready = sender.answer(READY_SECONDS)
        if ready is None:
            self._dead = f"What sends was not ready within {READY_SECONDS} seconds."
        elif not ready["ready"]:
            self._dead = "Its address cannot be read."

    def send(self, waiting: Waiting) -> str | None:
        """None where it was taken; else why not, as a sentence."""
        if self._dead is None:
            self._sender.say(waiting.message.model_dump(mode="json") | {"id": waiting.id})
            answer = self._sender.answer(SEND_SECONDS)
            if answer is not None:
                return None if answer["why"] is None else _sentence(answer["why"])
            self._dead = f"It did not answer within {SEND_SECONDS} seconds."
        return self._dead


@contextmanager
def line(settings: Settings, channel: Channel) -> Iterator[Line]:
    """Open a way to that channel. Whatever hangs there is killed at the end."""
    order = {"address": channel.address, "public_url": settings.public_url}
    if channel.name == WEBHOOK:
        order |= {"way": "webhook", "secret": settings.notify_webhook_secret}
    else:
        order |= {"way": "apprise"}
    sender = Sender(order)
    try:
        yield Line(sender)
    finally:
        sender.kill()


def check(settings: Settings) -> None:
    """Raise UsageError where one of NOTIFY_URLS is no address, by its place: whatever it says may be a secret."""
    if not settings.notify_urls:
        return
    sender = Sender({"way": "check", "addresses": settings.notify_urls})
    try:
        answer = sender.answer(READY_SECONDS)
    finally:
        sender.kill()
    if answer and answer["wrong"]:
        raise UsageError(
            f"The setting NOTIFY_URLS is wrong: apprise cannot read address number {answer['wrong'][0]} of "
            f"{len(settings.notify_urls)}; how each kind is written is described at https://appriseit.com/services/."
        )


def _sentence(why: str) -> str:
    if why in _REASONS:
        return _REASONS[why]
    advice = ": is its address right, with all that is secret in it?" if why in _REFUSED else "."
    return f"It refused the message with {why}{advice}"
