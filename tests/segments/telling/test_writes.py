"""Each write to a key is found in the stream, and what became of it: whatever its name, its database and its command."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking
from tests.support.servers import Binary
from tests.support.streams import Streamed, played
from worker.arguments.stream import WritesArguments
from worker.errors import NotFoundError
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.segments.telling.writes import writes


def told(streamed: Streamed, key: bytes | str, **arguments: Any) -> dict[str, Any]:
    text = key if isinstance(key, str) else key_text(key)
    return writes(streamed.settings, WritesArguments(key=text, **arguments), silent)


def done(answer: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Command, database and fate of each, the oldest first."""
    return [(row["command"], row["db"], row["did"]) if "gap" not in row else ("gap",) for row in answer["writes"]][::-1]


@pytest.mark.every_server
def test_each_write_to_a_key_is_found_in_whatever_database(streamed: Streamed) -> None:
    key = b"\x00bin\xffary\r\n"
    zero, three = asking(streamed.source), asking(streamed.source, 3)
    zero.set(key, b"\x01value")
    pipe = three.pipeline(transaction=True)
    pipe.hset(key, "field", "1")
    pipe.set("other", key)
    pipe.execute()
    zero.execute_command("EVAL", "redis.call('append', KEYS[1], ARGV[1])", 1, key, "more")
    zero.execute_command("MSET", "a", "1", key, "2", "b", "3")
    streamed.visit()
    for number in range(30):
        zero.set(f"others:{number}", "x")
    streamed.visit()
    zero.execute_command("SWAPDB", 0, 3)
    three.execute_command("MOVE", key, 9)
    asking(streamed.source, 9).rename(key, b"new name")
    zero.execute_command("COPY", key, b"copy", "DB", 5)
    zero.execute_command("FLUSHDB")
    asking(streamed.source, 9).execute_command("FLUSHALL")
    streamed.visit()
    answer = told(streamed, key)
    assert done(answer) == [
        ("SET", 0, "written"),
        ("HSET", 3, "written"),
        ("APPEND", 0, "written"),
        ("MSET", 0, "written"),
        ("SWAPDB", 0, "swapped"),
        ("MOVE", 3, "moved_away"),
        ("MOVE", 9, "moved_here"),
        ("RENAME", 9, "renamed_away"),
        ("FLUSHDB", 0, "emptied"),
        ("FLUSHALL", None, "emptied"),
    ]
    assert answer["passed_over"] == 1
    assert answer["next"] is None
    assert [row["db"] for row in told(streamed, key, db=3)["writes"]] == [None, 3, 0, 3]
    assert done(told(streamed, "copy"))[:1] == [("SWAPDB", 0, "swapped")]
    assert ("COPY", 5, "copied_here") in done(told(streamed, "copy"))


def test_values_are_told_only_where_they_are_asked_for(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.set("key", "secret")
    client.rpush("list", *(["secret"] * 30))
    client.set("long", "secret" * 1000)
    streamed.visit()
    assert "secret" not in str([told(streamed, key) for key in ("key", "list", "long")])
    (shown,) = told(streamed, "key", show=True)["writes"]
    assert shown["rows"] == [
        {"part": "2", "value": "secret"},
        {"part": "after", "value": "secret"},
    ]
    (pushed,) = told(streamed, "list", show=True)["writes"]
    assert pushed["rows"][-1] == {"part": "more", "value": "11"}
    (long,) = told(streamed, "long", show=True)["writes"]
    assert all(len(row["value"]) < 250 for row in long["rows"])


def test_a_key_that_expired_is_told_from_one_that_was_deleted(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.set("expired", "x", px=300)
    client.set("deleted", "x")
    client.set("early", "x", px=3_600_000)
    client.set("together", "x", px=300)
    client.rpush("unknown", "x")
    client.pexpire("unknown", 400)
    streamed.visit()
    client.delete("together", "other")
    client.delete("deleted")
    client.unlink("early")
    time.sleep(0.45)
    client.execute_command("EXISTS", "expired", "unknown")
    client.set("short", "x", px=1)
    time.sleep(0.005)
    client.exists("short")
    streamed.visit()
    fates = {
        key: next(row["did"] for row in told(streamed, key)["writes"])
        for key in ("expired", "deleted", "early", "together", "unknown", "short")
    }
    assert fates == {
        "expired": "expired",
        "deleted": "deleted",
        "early": "deleted",
        "together": "deleted",
        "unknown": "expired",
        "short": "deleted_or_expired",
    }


def test_an_expiry_goes_with_its_database(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.set("key", "x", px=200)
    client.execute_command("SWAPDB", 0, 3)
    streamed.visit()
    time.sleep(0.25)
    asking(streamed.source, 3).exists("key")
    client.set("key", "lasting")
    client.delete("key")
    streamed.visit()
    assert [(row["db"], row["did"]) for row in told(streamed, "key")["writes"]] == [
        (0, "deleted"),
        (0, "written"),
        (3, "expired"),
        (0, "swapped"),
        (0, "written"),
    ]


def test_the_version_right_before_a_write_comes_back(
    streamed: Streamed, binary: Binary, start_server: StartServer
) -> None:
    client = asking(streamed.source)
    client.set("key", "good")
    pipe = client.pipeline(transaction=True)
    pipe.set("with it", "1")
    pipe.set("key", "bad")
    pipe.execute()
    streamed.visit()
    newest = told(streamed, "key")["writes"][0]
    server = played(streamed.find(offset=newest["before"]), start_server(binary)).client()
    assert (server.get("key"), server.exists("with it")) == (b"good", 0)
    server = played(streamed.find(offset=newest["after"]), start_server(binary)).client()
    assert (server.get("key"), server.exists("with it")) == (b"bad", 1)


def test_pages_follow_each_other_and_none_is_told_twice(streamed: Streamed) -> None:
    client = asking(streamed.source)
    for number in range(23):
        client.set("key", number)
        client.set(f"other:{number}", "x")
        if number % 5 == 0:
            streamed.visit()
    streamed.visit()
    seen, cursor = [], None
    for _ in range(6):
        page = told(streamed, "key", limit=5, show=True, **({"after": cursor} if cursor else {}))
        seen += [int(row["rows"][0]["value"]) for row in page["writes"]]
        if (cursor := page["next"]) is None:
            break
        client.set("key", "meanwhile")
        streamed.visit()
    assert seen == [*range(22, -1, -1)]
    with pytest.raises(NotFoundError, match="look anew"):
        told(streamed, "key", after="5:5")


def test_a_gap_stands_between_the_writes(streamed: Streamed) -> None:
    streamed.source.client().set("key", "before")
    streamed.visit()
    streamed.overrun()
    streamed.visit()
    streamed.source.client().delete("key")
    streamed.visit()
    answer = told(streamed, "key")
    assert done(answer) == [("SET", 0, "written"), ("gap",), ("DEL", None, "deleted_or_expired")]
    assert [row.get("db") for row in told(streamed, "key", db=7)["writes"]] == [None, None], "which one, nobody knows"
    assert "backlog" in answer["writes"][1]["gap"]
    assert answer["writes"][0]["before"] is None, "no backup lies in the new stretch yet"


def test_only_the_span_that_is_meant_is_told(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.set("key", "1")
    streamed.visit()
    client.delete("key")
    streamed.visit()
    time.sleep(0.01)
    between = datetime.now(UTC)
    time.sleep(0.01)
    streamed.visit()
    client.set("key", "2")
    streamed.visit()
    assert done(told(streamed, "key", since=between)) == [("SET", 0, "written")]
    assert [row["did"] for row in told(streamed, "key", until=between)["writes"]] == ["deleted", "written"]


def test_what_became_of_it_is_told_by_what_was_before_the_page(streamed: Streamed) -> None:
    client = asking(streamed.source)
    client.set("key", "1")
    streamed.visit()
    for _ in range(3):
        client.append("key", "x")
        streamed.visit()
    client.delete("key")
    streamed.visit()
    page = told(streamed, "key", limit=1)
    assert ([row["did"] for row in page["writes"]], bool(page["next"])) == (["deleted"], True)
