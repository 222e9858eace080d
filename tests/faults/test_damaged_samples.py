"""Values of a typed backup are changed on their way: what DUMP gives of a sample of the keys tells so.

| fault | moment | operation | promise |
|---|---|---|---|
| a flipped bit | in a value of each type | typed | asked for again |
| a flipped bit, each time | in a value of each type | typed | noticed in the sample, where the server has DUMP |
"""

from pathlib import Path

import pytest

from tests.faults.answers import KEYS, SAMPLED, listed, place_of
from tests.faults.fixtures import WireTo
from tests.faults.moments import Reply
from tests.faults.scenes import taken
from tests.support.backups import asking, bring_back, settings_for
from tests.support.servers import Server
from tests.support.states import state
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.engines.typed import Typed
from worker.errors import SourceUnavailableError
from worker.progress import silent
from worker.server.endpoint import SOURCE, Endpoint

ASKED = {
    "string": (b"value", b"GET", b"string"),
    "number": (b"345", b"GET", b"number"),
    "list": (b"element", b"LRANGE", b"list", b"0", b"-1"),
    "set": (b"member", b"SMEMBERS", b"set"),
    "zset": (b".5", b"ZRANGE", b"zset", b"0", b"-1", b"WITHSCORES"),
    "hash": (b"value", b"HGETALL", b"hash"),
    "stream": (b"value", b"XINFO", b"STREAM", b"stream", b"FULL", b"COUNT", b"1000"),
}
"""Of each type a piece of the answer, and with what it is asked for."""


@pytest.fixture
def few(server: Server) -> Server:
    """So few keys that all of them are in the sample."""
    for name in SAMPLED:
        KEYS[name](server.client(), name)
    return server


def reply_to(key: str, server: Server, *, always: bool) -> Reply:
    """A byte of the value in what the ordinary command answers."""
    piece, *asked = ASKED[key]
    return Reply(asked[0], of=asked[1], at=place_of(server, piece, *asked), always=always)


@pytest.mark.parametrize("key", SAMPLED)
def test_the_sample_of_a_typed_backup_heals_what_came_damaged_once(
    key: str, few: Server, wire_to: WireTo, storage: Path
) -> None:
    line = wire_to(few)
    flipped = line.flip(reply_to(key, few, always=False))
    made = taken(line, storage, engine="typed", format="json")
    assert flipped.happened
    assert f"{len(SAMPLED)} of them, chosen by chance, are what DUMP gives" in made["warnings"][0]
    assert_good_values(few, storage, made["name"])


def assert_good_values(server: Server, storage: Path, name: str) -> None:
    """The same, but for the times of streams' consumers, which no command can set."""
    before = state(server, times=False)
    server.client().flushall()
    bring_back(server, storage, name)
    assert state(server, times=False) == before


@pytest.mark.parametrize("key", SAMPLED)
def test_the_sample_of_a_typed_backup_names_what_comes_damaged_each_time(
    key: str, few: Server, wire_to: WireTo, storage: Path
) -> None:
    line = wire_to(few)
    line.flip(reply_to(key, few, always=True))
    with pytest.raises(SourceUnavailableError, match=rf" '{key}' of database 0 "):
        taken(line, storage, engine="typed", format="json")
    assert listed(storage) == []


def test_without_dump_a_typed_backup_says_that_nothing_guards_its_values(
    few: Server, wire_to: WireTo, storage: Path
) -> None:
    asking(few).execute_command("ACL", "SETUSER", "careful", "on", ">pw", "~*", "+@all", "-dump")
    line = wire_to(few)
    url = line.url.replace("//", "//careful:pw@")
    flipped = line.flip(Reply(b"GET", of=b"string", at=3))
    made = backup(settings_for(few, storage, redis_url=url), BackupArguments(engine="typed", format="json"), silent)
    assert flipped.happened
    (warning,) = made["warnings"]
    assert warning.endswith("nothing tells whether bytes of this backup were changed on their way from the source.")


def test_a_value_that_changes_all_the_time_is_no_damage(few: Server, wire_to: WireTo, storage: Path) -> None:
    line = wire_to(few)
    line.call(Reply(b"DUMP", of=b"number", always=True), lambda: few.client().incr("number"))
    line.call(Reply(b"GET", of=b"number", always=True), lambda: few.client().incr("number"))
    made = taken(line, storage, engine="typed", format="json")
    assert made["keys"] == len(SAMPLED)


def test_a_type_that_came_damaged_is_asked_for_again(few: Server, wire_to: WireTo, storage: Path) -> None:
    line = wire_to(few)
    flipped = line.flip(Reply(b"TYPE", of=b"zset", at=2))
    made = taken(line, storage, engine="typed", format="json")
    assert flipped.happened
    assert made["keys_by_db"]["0"]["zset"] == 1
    assert_good_values(few, storage, made["name"])
    for name in SAMPLED:
        few.client().delete(name)
        KEYS[name](few.client(), name)
    asking(few).execute_command("ACL", "SETUSER", "careful", "on", ">pw", "~*", "+@all", "-dump")
    flipped = line.flip(Reply(b"TYPE", of=b"zset", at=2))
    entries = [
        entry
        for batch in Typed(Endpoint(line.url.replace("//", "//careful:pw@"), SOURCE), [0]).batches()
        for entry in batch
    ]
    assert flipped.happened
    assert {entry.key: entry.type for entry in entries}[b"zset"] == "zset"
