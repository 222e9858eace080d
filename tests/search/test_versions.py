"""Versions of one key: shown whole, side by side, and restored."""

from pathlib import Path
from typing import Any

import pytest

from tests.search.seeking import find
from tests.support.backups import bring_back, eventually, take
from tests.support.servers import Server
from worker.errors import NotFoundError, UsageError
from worker.formats.key_text import key_text
from worker.search.search import MOST_ROWS, ROOM, ROOM_BESIDE


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_two_versions_are_shown_side_by_side_and_one_is_shown_whole(
    data_format: str, server: Server, tmp_path: Path
) -> None:
    client: Any = server.client()
    client.hset("h", mapping={"name": "Ann", "mail": "a@x", "bytes": b"\xff\x00"})
    first = take(server, tmp_path, format=data_format)["name"]
    client.hset("h", mapping={"name": "Bob", "new": "1"})
    client.hdel("h", "mail")
    client.expireat("h", 2_000_000_000)
    shown = find(server, tmp_path, "h", show=first)
    assert {row["part"]: row["show"] for row in shown["rows"]} == {"name": "Ann", "mail": "a@x", "bytes": "0xff00"}
    assert (shown["show"]["type"], shown["against"], shown["more"]) == ("hash", None, 0)
    beside = find(server, tmp_path, "h", show=first, against="live")
    assert {row["part"]: (row["show"], row["against"]) for row in beside["rows"]} == {
        "expires": ("never", "2033-05-18 03:33:20 UTC"),
        "name": ("Ann", "Bob"),
        "mail": ("a@x", None),
        "new": (None, "1"),
    }
    back = find(server, tmp_path, "h", show="live", against=first)
    assert {row["part"]: (row["against"], row["show"]) for row in back["rows"]} == {
        row["part"]: (row["show"], row["against"]) for row in beside["rows"]
    }
    assert back["restore"] is None
    client.delete("h")
    gone = find(server, tmp_path, "h", show=first, against="live")
    assert gone["against"]["type"] is None
    assert {row["part"] for row in gone["rows"]} == {"name", "mail", "bytes"}
    same = find(server, tmp_path, "h", show=first, against=first)
    assert (same["rows"], same["more"]) == ([], 0)


def test_the_version_that_is_shown_can_be_restored_and_nothing_else_is(server: Server, tmp_path: Path) -> None:
    client: Any = server.client(3)
    awkward = b"\xff \\x41\n "
    for key in (awkward, b"other"):
        client.set(key, "old")
    server.client(0).set(awkward, "of 0")
    name = take(server, tmp_path)["name"]
    for key in (awkward, b"other"):
        client.set(key, "new")
    server.client(0).set(awkward, "new")
    with pytest.raises(UsageError, match="databases 0, 3: say which one"):
        find(server, tmp_path, key_text(awkward), show=name)
    shown = find(server, tmp_path, key_text(awkward), show=name, databases=[3])
    assert bring_back(server, tmp_path, **shown["restore"])["restored"] == 1
    assert (client.get(awkward), client.get("other"), server.client(0).get(awkward)) == (b"old", b"new", b"new")


def test_a_version_that_has_expired_since_comes_back_all_the_same(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.set("k", "v", px=3000)
    name = take(server, tmp_path)["name"]
    assert eventually(lambda: client.get("k") is None)
    shown = find(server, tmp_path, "k", show=name)
    assert shown["restore"]["expiry"] == "shift"
    assert bring_back(server, tmp_path, **shown["restore"])["restored"] == 1
    assert client.get("k") == b"v"


def test_a_long_value_is_shown_whole_up_to_a_bound_and_what_is_left_out_is_told(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.set("text", "x" * 50_000)
    client.set("huge", "y" * 300_000)
    client.set("blob", b"\xff" * 300_000)
    client.hset("hash", mapping={f"f{number}": "z" * 5_000 for number in range(300)})
    client.xadd("stream", {f"field{number}": "v" * 100 for number in range(30)})
    name = take(server, tmp_path)["name"]

    def shown(key: str, **more: Any) -> list[str]:
        return [row["show"] for row in find(server, tmp_path, key, show=name, **more)["rows"]]

    assert shown("text") == ["x" * 50_000]
    assert shown("huge") == ["y" * ROOM + "… (300,000 bytes)"]
    assert shown("blob") == ["0x" + "ff" * (ROOM // 2) + "… (300,000 bytes)"]
    fields = shown("hash")
    assert fields[0] == "z" * 5_000
    assert fields[-1] == "z" * 200 + "… (5,000 bytes)"
    assert (len(fields), sum(map(len, fields)) < 2 * ROOM) == (MOST_ROWS, True)
    assert shown("stream")[0].endswith(f"field29: {'v' * 100}")
    client.set("huge", "y" * 200_000 + "!" + "y" * 99_999)
    beside = shown("huge", against="live")
    assert len(beside[0]) == ROOM_BESIDE + len("…" + "… (300,000 bytes)")


def test_text_with_joiners_is_text_and_what_turns_text_round_is_not(server: Server, tmp_path: Path) -> None:
    for key, value in (
        ("family", "\U0001f468\u200d\U0001f467"),
        ("persian", "\u0645\u06cc\u200c\u062e"),
        ("turned", "\u202eabc"),
    ):
        server.client().set(key, value)
        shown = find(server, tmp_path, key, show="live")["rows"][0]["show"]
        assert shown == (value if key != "turned" else "0x" + value.encode().hex())


def test_a_version_that_is_not_there_cannot_be_shown(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    name = take(server, tmp_path)["name"]
    with pytest.raises(NotFoundError, match="does not have the key 'nokey'"):
        find(server, tmp_path, "nokey", show=name)
    with pytest.raises(NotFoundError, match="no backup of the name"):
        find(server, tmp_path, "k", show="redis_backup_20200101_000000.rdb")
