"""Who is alive: each worker and beat renews a key with a time to live, and whoever wants to know looks for it.

`python -m worker.broker.heartbeat jobs` exits with 0 when that role of this host has been heard of lately.
"""

import math
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from worker.broker import connection
from worker.config.settings import Settings, load
from worker.errors import BackupSystemError, BrokerUnavailableError

HOSTS = connection.PREFIX + "hosts"
"""The hosts where workers and beats of this broker have been, by time. What is local to one of them is ours."""
EVERY_SECONDS = 10
LOOK_EVERY_SECONDS = 1
TIME_TO_LIVE_SECONDS = 45
HOSTS_KEPT = 500
"""The most hosts that are remembered: each container has a name of its own."""
LOOK_SECONDS = 2
"""The longest search of the broker, which may be large where it holds other people's keys."""
_PREFIX = connection.PREFIX + "alive:"


def key(role: str) -> str:
    """Where this host's `role` (jobs, quick, questions, beat, celery) is heard of."""
    return f"{_PREFIX}{role}:{socket.gethostname()}"


_beating: dict[str, tuple[threading.Thread, threading.Event]] = {}
"""By role: the thread that renews its key, and the event that ends it."""


def start(role: str, well: Callable[[], bool] = lambda: True) -> None:
    """Renew the key until `stop`, or as long as this process lives and is `well`: a worker is where it takes messages, for
    one that no longer does may live on for hours. A broker that is away is no reason to stop.
    """
    ending = threading.Event()
    thread = threading.Thread(target=_beat, args=(role, well, ending), name="heartbeat", daemon=True)
    _beating[role] = thread, ending
    thread.start()


def stop(role: str) -> None:
    """Say at once that this role is going, instead of letting the key run out."""
    if role in _beating:
        thread, ending = _beating.pop(role)
        ending.set()
        # A key that is being renewed just now would outlive its deletion.
        thread.join(LOOK_SECONDS)
    with suppress(BrokerUnavailableError), connection.translated(), connection.client(load()) as client:
        client.delete(key(role))


def _beat(role: str, well: Callable[[], bool], ending: threading.Event) -> None:
    client, until = connection.client(load()), -math.inf
    while not ending.is_set():
        with suppress(BrokerUnavailableError), connection.translated():
            if not well():
                if until > -math.inf:
                    client.delete(key(role))
                until = -math.inf
            elif time.monotonic() >= until:
                _show(client, role)
                until = time.monotonic() + EVERY_SECONDS
        ending.wait(LOOK_EVERY_SECONDS)


def _show(client: Any, role: str) -> None:
    now = int(time.time())
    client.set(key(role), now, ex=TIME_TO_LIVE_SECONDS)
    client.zadd(HOSTS, {socket.gethostname(): now})
    client.zremrangebyrank(HOSTS, 0, -1 - HOSTS_KEPT)


def alive(role: str) -> bool:
    """Whether this host's role has been heard of within TIME_TO_LIVE_SECONDS. Raises BrokerUnavailableError."""
    with connection.translated(), connection.client(load()) as client:
        return bool(client.exists(key(role)))


def seen(settings: Settings) -> dict[str, list[str]]:
    """The hosts where each role has been heard of lately, by role. Raises BrokerUnavailableError."""
    hosts: dict[str, list[str]] = {}
    for key in sorted(_keys(settings)):
        role, _, host = key.removeprefix(_PREFIX).partition(":")
        hosts.setdefault(role, []).append(host)
    return hosts


def _keys(settings: Settings) -> set[str]:
    deadline, cursor, keys = time.monotonic() + LOOK_SECONDS, 0, set()
    with connection.translated(), connection.client(settings, LOOK_SECONDS) as client:
        while True:
            answer: Any = client.scan(cursor, match=_PREFIX + "*", count=1000)
            cursor, names = answer
            keys |= {name.decode("utf-8", "replace") for name in names}
            if not cursor or len(keys) > HOSTS_KEPT or time.monotonic() > deadline:
                return keys


def main(arguments: list[str]) -> int:
    """The health check: 0 alive, 1 not, 2 asked wrongly."""
    if len(arguments) != 1:
        print("usage: python -m worker.broker.heartbeat jobs|quick|questions|beat", file=sys.stderr)
        return 2
    try:
        if alive(arguments[0]):
            return 0
        print(f"{arguments[0]} has not been heard of for {TIME_TO_LIVE_SECONDS} seconds.", file=sys.stderr)
    except BrokerUnavailableError:
        print("The broker does not answer.", file=sys.stderr)
    except BackupSystemError as error:
        print(error, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
