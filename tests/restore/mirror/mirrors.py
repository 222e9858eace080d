"""Mirrors both ways, and what the target holds before."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import asking, settings_for
from tests.support.servers import Server
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments
from worker.errors import RefusedError
from worker.progress import silent
from worker.restore.restore import restore


def role(server: Server) -> str:
    return str(server.client().info("replication")["role"])


def without_replicaof(server: Server) -> str:
    """The URL of a user there who may do all but that."""
    asking(server).execute_command("ACL", "SETUSER", "limited", "on", ">pw", "~*", "+@all", "-replicaof")
    return server.url.replace("//", "//limited:pw@")


def mirror(server: Server, storage: Path, way: str = "replication", **arguments: Any) -> Any:
    """Mirror the newest backup; the report."""
    settings = settings_for(server, storage, **({"redis_url": without_replicaof(server)} if way == "keys" else {}))
    return restore(settings, RestoreArguments(**{"name": "latest", "mode": "mirror"} | arguments), silent)


both_ways = pytest.mark.parametrize("way", ["replication", "keys"])


def other_data(server: Server) -> None:
    """What a server holds that is about to become a mirror: keys of the backup with other values, and others."""
    client = server.client()
    client.mset({f"other:{number}": "x" for number in range(1500)})
    client.set("text", "mine", ex=1000)
    client.rpush("hash:big", "another type")
    server.client(3).set("other", "x")
    server.client(7).set("in a database that the backup does not have", "x")
    if server.binary.version >= (7, 0):
        client.function_load("#!lua name=other\nredis.register_function('other', function() return 1 end)")


def limited(server: Server, *rules: str) -> dict[str, Any]:
    asking(server).execute_command("ACL", "SETUSER", "u", "on", ">pw", "~*", "+@all", *rules)
    return {"redis_url": server.url.replace("//", "//u:pw@")}


def refused(server: Server, storage: Path, words: str, **settings: Any) -> None:
    before = state(server)
    with pytest.raises(RefusedError, match=words):
        restore(settings_for(server, storage, **settings), RestoreArguments(name="latest", mode="mirror"), silent)
    for key in server.client(5).scan_iter("redis_backup:fence:*"):
        server.client(5).delete(key)  # what the broker remembers, where it is one
    assert_same(server, before)
