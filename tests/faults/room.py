"""Data that need much room or little, a target's own keys, and how much it may hold."""

import os
from collections.abc import Callable
from typing import Any

from tests.support.servers import Server

OWN = 2000
POLICIES = ["allkeys-lru", "allkeys-random", "volatile-lru", "noeviction"]
SHARES = [40, 50, 60, 70, 90]
SMALL = ("--repl-backlog-size", "16kb")

Fill = Callable[[Any], object]


def texts(client: Any) -> None:
    """Six megabytes that a file holds in a hundred kilobytes."""
    client.mset({f"key:{number}": b"%04d" % number * 500 for number in range(3000)})


def mixed(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(700):
        pipe.set(f"string:{number}", os.urandom(300).hex())
        pipe.rpush(f"list:{number}", *(os.urandom(20).hex() for _ in range(30)))
        pipe.hset(f"hash:{number}", mapping={f"field{one}": "value" * 10 for one in range(40)})
        pipe.sadd(f"set:{number}", *range(1_000_000 + number, 1_000_100 + number))
        pipe.zadd(f"zset:{number}", {f"member:{one}": one / 3 for one in range(20)})
    for number in range(30):
        pipe.sadd(f"big:{number}", *(f"{number}:{one}" for one in range(2000)))
    pipe.execute()


def lists(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(100):
        pipe.rpush(f"list:{number}", *["the same once more"] * 3000)
    pipe.execute()


def streams(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(40):
        for entry in range(500):
            pipe.xadd(f"stream:{number}", {"text": "more " * 40}, id=f"{entry + 1}-1")
    pipe.execute()


def large(client: Any) -> None:
    client.mset({f"large:{number}": b"%d" % number * 2_000_000 for number in range(3)})


def binary_texts(client: Any) -> None:
    client.mset({f"key:{number}": bytes([200 + number % 50]) * 2000 for number in range(3000)})


FILLS: dict[str, Fill] = {
    "texts": texts,
    "mixed": mixed,
    "lists": lists,
    "streams": streams,
    "large": large,
    "binary": binary_texts,
}


def own(server: Server, *, expiring: bool) -> None:
    pipe = server.client().pipeline(transaction=False)
    for number in range(OWN):
        pipe.set(f"own:{number}", "mine" * 50, ex=100_000 if expiring else None)
    pipe.execute()


def owned(server: Server) -> int:
    return int(server.client().exists(*(f"own:{number}" for number in range(OWN))))


def used(server: Server) -> int:
    client = server.client()
    try:
        return int(client.info("memory")["used_memory"])
    finally:
        client.close()


def limit(server: Server, policy: str, room: float) -> None:
    client = server.client()
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", round(used(server) + room))
