"""Keys that fit a pattern: what is damaged or gone first, each settled in all places, page by page."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import StartServer
from tests.search.seeking import HOSTILE
from tests.support.backups import eventually, settings_for, take
from tests.support.processes import Shell
from tests.support.servers import Binary, Server, free_port
from tests.support.stopwatch import peak
from worker.arguments.questions import SearchArguments
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.repository import catalogue
from worker.search.page import Page
from worker.search.search import search
from worker.storage.local import Folder


def find(server: Server, storage: Path, match: str, **arguments: Any) -> Any:
    return search(settings_for(server, storage), SearchArguments(match=match, **arguments), silent)


def pages(server: Server, storage: Path, match: str, limit: int, **arguments: Any) -> Iterator[Any]:
    """Each page, from the first to the last."""
    found = find(server, storage, match, limit=limit, **arguments)
    while True:
        yield found
        assert found["more"] == (found["next"] is not None)
        if not found["more"]:
            return
        found = find(server, storage, match, limit=limit, after=found["next"], **arguments)


def keys(found: Any) -> list[str]:
    return [one["key"] for one in found["keys"]]


def test_what_is_damaged_or_gone_comes_first_though_hundreds_are_live(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.mset({f"user:{number:04}": f"value {number}" for number in range(600)})
    for _ in range(4):
        take(server, tmp_path)
    client.delete("user:0555", "user:0444")
    client.mset({"user:0333": "overwritten", "user:0599": "overwritten"})
    found = find(server, tmp_path, "user:*", limit=6)
    assert keys(found) == ["user:0333", "user:0599", "user:0444", "user:0555", "user:0000", "user:0001"]
    assert [one["live"] for one in found["keys"]] == ["differs", "differs", "gone", "gone", "identical", "identical"]
    assert [(len(one["in"]), one["of"]) for one in found["keys"]] == [(5, 5), (5, 5), (4, 5), (4, 5), (5, 5), (5, 5)]
    assert (found["total"], found["exact"]) == (600, True)
    assert (found["differing"], found["gone"], found["absent"]) == (2, 2, 2)
    names = [manifest.name for manifest in catalogue.read(Folder(tmp_path)).backups]
    assert found["keys"][0]["changes"] == [
        {"where": "live", "change": "differs"},
        {"where": names[-1], "change": "first"},
    ]
    assert found["keys"][2]["in"] == names
    # Only the default number of them is told at once, and no key is missing from all the pages.
    assert len(find(server, tmp_path, "user:*")["keys"]) == 100
    together = [key for page in pages(server, tmp_path, "user:*", 170) for key in keys(page)]
    assert together[:4] == keys(found)[:4]
    assert len(together) == 600
    assert sorted(together) == [f"user:{number:04}" for number in range(600)]


def test_a_key_is_told_as_a_search_for_it_alone_tells_it(source: Server, tmp_path: Path) -> None:
    client: Any = source.client()
    client.hset("k:hash", mapping={"a": "1", "b": "2"})
    client.set("k:back", "x")
    client.set("k:until", "x", px=10**9)
    client.xadd("k:stream", {"f": "v"}, id="5-1")
    client.xgroup_create("k:stream", "readers", id="0")
    source.client(3).set("k:hash", "of 3")
    take(source, tmp_path)
    client.delete("k:back")
    client.hset("k:hash", "a", "other")
    take(source, tmp_path, engine="scan", format="json")
    client.set("k:back", "x")
    client.persist("k:until")
    client.zadd("k:new", {"m": 1.5})
    take(source, tmp_path, engine="typed", format="json")
    client.delete("k:hash")
    client.set("k:hash", "now a string")
    take(source, tmp_path, databases=[0])
    client.delete("k:stream")
    client.sadd("k:live", "m")
    found = find(source, tmp_path, "k:*")
    assert found["problems"] == []
    assert len(found["keys"]) == 7
    for one in found["keys"]:
        alone = search(
            settings_for(source, tmp_path), SearchArguments(key=one["key"], databases=frozenset([one["db"]])), silent
        )
        (rows,) = [single["versions"] for single in alone["found"]]
        assert one["in"] == [row["where"] for row in rows if row["type"]], one
        assert one["of"] == len(rows)
        changed = [row for row in rows if row["change"] not in ("identical", "absent")]
        assert one["changes"] == [{"where": row["where"], "change": row["change"]} for row in changed], one
        assert one["type"] == next(row["type"] for row in rows if row["type"])
    states = {(one["db"], one["key"]): one["live"] for one in found["keys"]}
    assert states == {
        (0, "k:hash"): "identical",
        (0, "k:stream"): "gone",
        (0, "k:back"): "identical",
        (0, "k:until"): "identical",
        (0, "k:new"): "identical",
        (0, "k:live"): "new",
        # The newest backup says nothing of database 3, so the one before it counts there.
        (3, "k:hash"): "identical",
    }


def test_what_has_expired_is_not_called_gone(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.set("session:1", "x", px=1500)
    client.set("session:2", "x", px=1500)
    client.mset({"session:3": "x", "session:4": "x"})
    older = take(server, tmp_path)["name"]
    client.set("session:2", "refreshed")
    client.delete("session:3")
    assert eventually(lambda: client.get("session:1") is None)
    found = find(server, tmp_path, "session:*")
    assert [(one["key"], one["live"]) for one in found["keys"]] == [
        ("session:2", "differs"),
        ("session:3", "gone"),
        ("session:4", "identical"),
        ("session:1", "expired"),
    ]
    assert [keys(page) for page in pages(server, tmp_path, "session:*", 3)][-1] == ["session:1"]
    assert (found["differing"], found["gone"], found["absent"], found["total"]) == (1, 1, 2, 4)
    newer = take(server, tmp_path)["name"]
    states = {one["key"]: (one["live"], one["changes"][0]) for one in find(server, tmp_path, "session:*")["keys"]}
    assert states == {
        "session:1": ("expired", {"where": newer, "change": "expired"}),
        "session:2": ("identical", {"where": newer, "change": "differs"}),
        "session:3": ("absent", {"where": newer, "change": "gone"}),
        "session:4": ("identical", {"where": older, "change": "first"}),
    }
    for key, change in (("session:1", "expired"), ("session:3", "gone")):
        (alone,) = search(settings_for(server, tmp_path), SearchArguments(key=key), silent)["found"]
        assert [row["change"] for row in alone["versions"]] == ["absent", change, "first"]


@pytest.mark.parametrize("pace", ["auto", "full"])
def test_of_thousands_of_keys_those_that_differ_are_found_at_every_pace(
    pace: str, server: Server, tmp_path: Path
) -> None:
    client: Any = server.client()
    client.mset({f"k{number:05}": "x" * 100 for number in range(20_000)})
    take(server, tmp_path)
    client.mset({f"k{number:05}": "y" for number in range(0, 20_000, 100)})
    wanted = settings_for(server, tmp_path, backup_pace=pace)
    found = search(wanted, SearchArguments(match="k*", limit=300), silent)
    assert (found["differing"], found["total"]) == (200, 20_000)
    assert keys(found)[:201] == [*(f"k{number:05}" for number in range(0, 20_000, 100)), "k00001"]


def test_keys_that_only_older_backups_have_are_counted_once(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.mset({f"k{number}": "x" for number in range(5)})
    first = take(server, tmp_path)["name"]
    second = take(server, tmp_path)["name"]
    client.delete("k1", "k3")
    take(server, tmp_path)
    found = find(server, tmp_path, "k*")
    assert [(one["key"], one["live"], len(one["in"])) for one in found["keys"]] == [
        ("k1", "absent", 2),
        ("k3", "absent", 2),
        ("k0", "identical", 4),
        ("k2", "identical", 4),
        ("k4", "identical", 4),
    ]
    assert found["keys"][0]["in"] == [second, first]
    assert (found["total"], found["gone"], found["absent"]) == (5, 0, 2)


def test_without_the_live_source_keys_stand_in_the_order_of_their_names(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.mset({f"k{number}": "x" for number in range(5)})
    take(server, tmp_path)
    client.delete("k2")
    take(server, tmp_path)
    found = find(server, tmp_path, "k*", live=False)
    assert [(one["key"], one["live"], len(one["in"])) for one in found["keys"]] == [
        (f"k{number}", None, 1 if number == 2 else 2) for number in range(5)
    ]
    assert (found["total"], found["exact"], found["absent"]) == (5, True, None)
    away = settings_for(server, tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    without = search(away, SearchArguments(match="k*"), silent)
    assert without["keys"] == found["keys"]
    assert (without["total"], without["exact"]) == (5, False)
    assert "cannot be reached" in without["problems"][0]


def test_an_artifact_that_turns_out_damaged_leaves_no_trace_on_the_page(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.mset({f"k{number}": "x" for number in range(50)})
    good = take(server, tmp_path, compression="none")["name"]
    client.mset({f"a{number}": os.urandom(200) for number in range(50)})
    bad = take(server, tmp_path, compression="none")["name"]
    client.delete(*(f"a{number}" for number in range(50)))
    path = tmp_path / bad
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = find(server, tmp_path, "*", limit=10)
    assert all(one["key"].startswith("k") and one["in"] == ["live", good] for one in found["keys"])
    assert (len(found["keys"]), found["total"], found["exact"]) == (10, 50, False)
    assert found["looked_through"] == ["live", good]
    assert "its sha256 differs" in found["problems"][0] or bad in found["problems"][0]


def test_the_newest_backup_of_this_server_is_what_counts(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server, other = start_server(newest), start_server(newest)
    for one, value in ((server, "ours"), (other, "theirs")):
        one.client().mset({"k1": value, "k2": value})
        take(one, tmp_path)
    server.client().delete("k2")
    found = find(server, tmp_path, "k*")
    assert [(one["key"], one["live"], len(one["in"])) for one in found["keys"]] == [
        ("k2", "gone", 2),
        ("k1", "identical", 3),
    ]


def test_each_server_has_a_history_of_its_own(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server, other, moved = (start_server(newest) for _ in range(3))
    server.client().mset({"ours": "x", "both": "x"})
    first = take(server, tmp_path)["name"]
    other.client().mset({"theirs": "y", "both": "y"})
    theirs = take(other, tmp_path)["name"]
    newer = take(server, tmp_path)["name"]
    found = {one["key"]: one for one in find(server, tmp_path, "*")["keys"]}
    since = {"where": first, "change": "first"}
    assert {key: (one["live"], one["of"], one["changes"]) for key, one in found.items()} == {
        "ours": ("identical", 3, [since]),
        "both": ("identical", 4, [{"where": theirs, "change": "first"}, since]),
        "theirs": (None, 4, [{"where": theirs, "change": "first"}]),
    }
    (alone,) = search(settings_for(server, tmp_path), SearchArguments(key="both"), silent)["found"]
    assert [(row["where"], row["change"]) for row in alone["versions"]] == [
        ("live", "identical"),
        (newer, "identical"),
        (theirs, "first"),
        (first, "first"),
    ]
    # A server of which there is no backup may be one of these at another address.
    (alone,) = search(settings_for(moved, tmp_path), SearchArguments(key="ours"), silent)["found"]
    assert [row["change"] for row in alone["versions"]] == ["gone", "new", "gone", "first"]


def test_pages_stay_the_same_while_nothing_changes_and_hold_hostile_keys(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    names = [HOSTILE, b"", b'""', b":", b"0:0:x", b"\xff\xfe", b" blank ", "ключ".encode(), b"a\nb"]
    for name in names:
        client.set(name, "x")
    take(server, tmp_path)
    client.set(b":", "other")
    client.delete(b"a\nb")
    told = [key for page in pages(server, tmp_path, "*", 1) for key in keys(page)]
    assert told == [key_text(b":"), key_text(b"a\nb")] + [
        key_text(name) for name in sorted(names) if name not in (b":", b"a\nb")
    ]


def test_a_page_of_long_keys_is_cut_short_and_goes_on(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    names = [f"{number:02}" + "x" * 60_000 for number in range(40)]
    for name in names:
        client.set(name, "x")
    take(server, tmp_path)
    parts = [keys(page) for page in pages(server, tmp_path, "*", 100)]
    assert [key for part in parts for key in part] == names
    assert len(parts) > 1


@pytest.mark.parametrize("after", ["", "x", "0", "0:0", "-1:0:k", "0:x:k", "0:99999999999:k"])
def test_a_cursor_that_is_none_is_refused(after: str) -> None:
    with pytest.raises(ValueError, match="after"):
        SearchArguments(match="k*", after=after)
    with pytest.raises(ValueError, match="must have a match"):
        SearchArguments(key="k", after="0:0:k")


@pytest.mark.slow
def test_memory_does_not_grow_with_the_keys_that_fit(server: Server, tmp_path: Path) -> None:
    def searched(count: int) -> int:
        storage = tmp_path / str(count)
        client: Any = server.client()
        client.execute_command("DEBUG", "POPULATE", count, "key", 50)
        for _ in range(2):
            take(server, storage)
        # Some are as they were, and the rest is gone.
        client.flushall()
        client.execute_command("DEBUG", "POPULATE", count // 3, "key", 50)
        return peak(storage, server, server, "search", "--match", "key:*")

    few, many = searched(60_000), searched(240_000)
    # A set of keys may hold two megabytes before it lies on disk, and there are five of them.
    assert many < few + (16 << 20), (few, many)


PLACES = st.tuples(st.integers(0, 3), st.integers(0, 1), st.binary(max_size=2))


@given(st.lists(PLACES, max_size=60), st.integers(1, 8), st.integers(1, 12), st.none() | PLACES)
def test_a_page_holds_what_sorting_all_would_give(given_places: list[Any], most: int, room: int, after: Any) -> None:
    page: Page[list[int]] = Page(most, room, after)
    for number, place in enumerate(given_places):
        if place in page.kept:
            page.kept[place].append(number)
        elif page.fits(place):
            page.add(place, 1 + len(place[2]), [number])
    following = sorted({place for place in given_places if after is None or place > after})
    expected: list[Any] = []
    for place in following[:most]:
        if expected and sum(1 + len(one[2]) for one in [*expected, place]) > room:
            break
        expected.append(place)
    assert page.places() == expected
    assert page.more == (len(following) > len(expected))
    for place in expected:
        assert page.kept[place] == [number for number, one in enumerate(given_places) if one == place]


def test_the_shell_goes_from_page_to_page_and_hints_at_patterns(server: Server, tmp_path: Path) -> None:
    shell = Shell(server.url, tmp_path / "backups", tmp_path)
    client: Any = server.client()
    client.mset({f"user:{number}": "x" for number in range(5)})
    client.set("what*?", "x")
    assert shell("backup").code == 0
    client.set("user:4", "damaged")
    client.delete("user:2")
    told = shell("search", "--match", "user:*", "--limit", "3")
    rows = [line.split() for line in told.out.splitlines()]
    assert rows[0] == ["DB", "KEY", "LIVE", "PLACES", "NEWEST", "IN", "CHANGES"]
    assert rows[1][1:5] == ["user:4", "changed", "2", "of"]
    assert rows[2][1:5] == ["user:2", "gone", "1", "of"]
    assert told.out.splitlines()[-1] == (
        "5 keys fit, 1 changed since the newest backup, 1 gone since; looked through: 2 places"
    )
    assert "`python -m worker search -- KEY` follows one of them through time." in told.err
    cursor = told.err.rpartition("--after ")[2].strip()
    following = shell("search", "--match", "user:*", "--limit", "3", "--after", cursor)
    assert [line.split()[1] for line in following.out.splitlines()[1:3]] == ["user:1", "user:3"]
    assert "--after" not in following.err
    nothing = shell("search", "user:*")
    assert "user:* is in none of 2 places" in nothing.out
    assert "search --match 'user:*'" in nothing.err
    # A key with such characters in its name is found to the letter.
    assert "what*? in database 0" in shell("search", "what*?").out
    assert "--match" not in shell("search", "nokey").err
