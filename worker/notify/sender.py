"""The process that sends: told on standard input how and where to, it answers with a line, and then with one for each message.

It is a process of its own because what it calls may hang, and takes 60 MB; whoever has started it ends it then. Addresses
come in by the pipe, where no list of processes shows them, and nothing leaves it but its answers: it writes no log.
"""

import json
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from worker.notify import by_apprise, signature, text
from worker.notify.post import post

LONGEST_SECONDS = 60
"""For anything: should nobody be left who ends it, it ends itself."""
Send = Callable[[dict[str, Any]], str | None]


def main() -> None:
    """Do as it is told until the input ends."""
    send: Send | None = None
    for line in sys.stdin:
        signal.alarm(LONGEST_SECONDS)
        words = json.loads(line)
        if send is not None:
            _answer(why=send(words))
        elif words["way"] == "check":
            _answer(wrong=by_apprise.wrong(words["addresses"]))
        else:
            send = _WAYS[words["way"]](words)
            _answer(ready=send is not None)
        signal.alarm(0)


def _answer(**words: object) -> None:
    # Whoever has asked may be gone: what was said until then is sent all the same.
    with suppress(OSError):
        print(json.dumps(words), flush=True)


def _apprise(order: dict[str, Any]) -> Send | None:
    return by_apprise.channel(order["address"], order["public_url"])


def _webhook(order: dict[str, Any]) -> Send:
    def send(message: dict[str, Any]) -> str | None:
        body = json.dumps(message | {"url": text.link(message["path"], order["public_url"])}).encode()
        headers = signature.headers(order["secret"], message["id"], int(time.time()), body)
        return post(order["address"], body, headers)

    return send


def _heartbeat(order: dict[str, Any]) -> Send:
    """`then` is what stands behind the address, such as `/fail`; what is not heard is said again, after these pauses."""
    parts = urlsplit(order["address"])

    def send(message: dict[str, Any]) -> str | None:
        url = urlunsplit(parts._replace(path=parts.path.rstrip("/") + message["then"]))
        why = None
        for pause in order["pauses"]:
            time.sleep(pause)
            why = post(url, message["text"].encode(), {"content-type": "text/plain; charset=utf-8"})
            if why is None or why.startswith("4"):
                break
        return why

    return send


_WAYS: dict[str, Callable[[dict[str, Any]], Send | None]] = {
    "apprise": _apprise,
    "webhook": _webhook,
    "heartbeat": _heartbeat,
}

if __name__ == "__main__":
    main()
