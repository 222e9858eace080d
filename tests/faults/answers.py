"""Keys of every kind, where their values stand in what a source answers, and whether a backup of them is good."""

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.support.backups import bring_back
from tests.support.servers import Server
from tests.support.states import state
from worker.repository import catalogue
from worker.server.wire import pack
from worker.storage import open_storage

LARGE = 3 << 20

KEYS: dict[str, Callable[[Any, str], Any]] = {
    "string": lambda client, key: client.set(key, "value " * 10),
    "number": lambda client, key: client.set(key, 12345),
    "list": lambda client, key: client.rpush(key, *(f"element {one}" for one in range(50))),
    "set": lambda client, key: client.sadd(key, *(f"member {one}" for one in range(50))),
    "zset": lambda client, key: client.zadd(key, {f"member {one}": one + 0.5 for one in range(50)}),
    "hash": lambda client, key: client.hset(key, mapping={f"field {one}": f"value {one}" for one in range(50)}),
    "stream": lambda client, key: [client.xadd(key, {"field": f"value {one}"}) for one in range(50)],
    "large": lambda client, key: client.set(key, bytes(range(256)) * (LARGE // 256)),
    "list-large": lambda client, key: client.rpush(key, *(b"%d" % one * 500 for one in range(3000))),
}
"""By name, how the key of that name is made."""


def listed(storage: Path) -> list[str]:
    return [one.name for one in catalogue.read(open_storage(str(storage))).listed]


def assert_good(server: Server, storage: Path, name: str) -> None:
    """It holds what the server does."""
    before = state(server)
    server.client().flushall()
    bring_back(server, storage, name)
    assert state(server) == before


SAMPLED = [name for name in KEYS if "large" not in name]


def place_of(server: Server, piece: bytes, *asked: bytes) -> int:
    """Where that piece is in an answer, as moments count."""
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(pack(*asked))
        answer = b""
        while piece not in answer:
            answer += connection.recv(1 << 16)
    place = answer.index(piece)
    return place - answer.index(b"\r\n") - 2 if answer.startswith(b"$") else place
