"""One key through time: where it is and where it changed, as real servers and real backups tell it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.search.seeking import changes, find
from tests.support.backups import files, fill_all, rewrite, settings_for, take
from tests.support.given import NAME, stored, string
from tests.support.servers import Server, free_port
from worker.arguments.questions import SearchArguments
from worker.errors import NotFoundError
from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX
from worker.search.indexing import index
from worker.search.search import search
from worker.storage.local import Folder


def test_a_key_is_followed_through_all_backups_to_the_live_source(source: Server, tmp_path: Path) -> None:
    client: Any = source.client()
    client.set("other", "x")
    take(source, tmp_path)
    client.hset("user:1", mapping={"name": "Ann", "mail": "a@x"})
    take(source, tmp_path)
    take(source, tmp_path, engine="scan")
    client.hset("user:1", "name", "Bob")
    take(source, tmp_path)
    client.expire("user:1", 10_000)
    take(source, tmp_path)
    client.delete("user:1")
    take(source, tmp_path)
    take(source, tmp_path)
    client.set("user:1", "text now")
    take(source, tmp_path)
    client.persist("user:1")
    found = find(source, tmp_path, "user:1")
    assert found["problems"] == []
    assert changes(found) == [
        ("0", None, "absent"),
        ("1", "hash", "new"),
        ("2", "hash", "identical"),
        ("3", "hash", "differs"),
        ("4", "hash", "expiry"),
        ("5", None, "gone"),
        ("6", None, "absent"),
        ("7", "string", "new"),
        ("live", "string", "identical"),
    ]
    live, newest, *_ = found["found"][0]["versions"]
    assert (live["bytes"], live["expires_at"], live["of"]) == (10, None, f"127.0.0.1:{source.port}")
    assert newest["at"] == catalogue.get(Folder(tmp_path), "latest").created_at.isoformat()
    assert len(found["looked_through"]) == 9
    assert changes(find(source, tmp_path, "other"))[0] == ("0", "string", "first")
    assert {change for _, _, change in changes(find(source, tmp_path, "other"))[1:]} == {"identical"}
    # The second time nothing is made: the indexes are there.
    before = {name: (tmp_path / name).stat().st_mtime_ns for name in files(tmp_path) if name.endswith(INDEX_SUFFIX)}
    assert len(before) == 8
    assert changes(find(source, tmp_path, "user:1")) == changes(found)
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in before} == before


def test_every_type_is_the_same_in_every_format_and_from_every_engine(source: Server, tmp_path: Path) -> None:
    fill_all(source)
    for arguments in ({}, {"engine": "scan"}, {"format": "json"}, {"format": "json", "engine": "typed"}):
        take(source, tmp_path, **arguments)
    client: Any = source.client(3)
    kinds = set()
    for key in sorted(client.scan_iter(count=1000)):
        rows = changes(find(source, tmp_path, key_text(key), databases=[3]), db=3)
        assert {change for _, _, change in rows[1:]} == {"identical"}, (key, rows)
        kinds.add(rows[0][1])
    assert kinds >= {"string", "list", "set", "zset", "hash", "stream"}


def test_one_value_in_two_encodings_has_not_changed(server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.sadd("set", *range(50))
    client.hset("hash", mapping={f"f{number}": number for number in range(50)})
    client.zadd("zset", {f"m{number}": number for number in range(50)})
    client.rpush("list", *range(50))
    first = {key: client.dump(key) for key in ("set", "hash", "zset", "list")}
    take(server, tmp_path)
    for option in ("hash-max-listpack-entries", "zset-max-listpack-entries", "set-max-intset-entries"):
        client.config_set(option, 1)
    client.sadd("set", "x")
    client.srem("set", "x")
    client.hset("hash", "x", 1)
    client.hdel("hash", "x")
    client.zadd("zset", {"x": 1})
    client.zrem("zset", "x")
    client.config_set("list-max-listpack-size", 5)
    client.delete("list")
    client.rpush("list", *range(50))
    assert [key for key, dump in first.items() if client.dump(key) == dump] == []
    take(server, tmp_path)
    for key in first:
        assert {row[2] for row in changes(find(server, tmp_path, key))} == {"first", "identical"}, key
    client.sadd("set", 99)
    assert changes(find(server, tmp_path, "set"))[-1] == ("live", "set", "differs")


def test_each_database_has_its_own_history(server: Server, tmp_path: Path) -> None:
    for db in (0, 3, 7):
        server.client(db).set("k", f"of {db}")
    take(server, tmp_path)
    take(server, tmp_path, databases=[3])
    server.client(3).set("k", "later")
    server.client(7).delete("k")
    found = find(server, tmp_path, "k")
    assert [one["db"] for one in found["found"]] == [0, 3, 7]
    # A backup of database 3 alone says nothing of the others.
    assert changes(found, 0) == [("0", "string", "first"), ("live", "string", "identical")]
    assert changes(found, 3) == [
        ("0", "string", "first"),
        ("1", "string", "identical"),
        ("live", "string", "differs"),
    ]
    assert changes(found, 7) == [("0", "string", "first"), ("live", None, "gone")]
    assert [one["db"] for one in find(server, tmp_path, "k", databases="7,9")["found"]] == [7]


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_an_expiry_is_that_of_the_database_though_another_holds_the_same_value(
    data_format: str, server: Server, tmp_path: Path
) -> None:
    for db, at in ((0, 1_900_000_000), (3, 2_000_000_000)):
        server.client(db).set("k", "same", exat=at)
    name = take(server, tmp_path, format=data_format)["name"]
    take(server, tmp_path)
    for db, at in ((0, 1_900_000_000), (3, 2_000_000_000)):
        found = find(server, tmp_path, "k", databases=[db], live=False)
        assert [row["expires_at"] for row in found["found"][0]["versions"]] == [at * 1000] * 2
        assert [row[2] for row in changes(found, db)] == ["first", "identical"]
        assert find(server, tmp_path, "k", databases=[db], show=name)["show"]["expires_at"] == at * 1000


def test_what_an_undo_does_not_hold_was_not_gone(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "1")
    first = take(server, tmp_path)["name"]
    server.client().delete("k")
    server.client().set("touched", "2")
    undo = take(server, tmp_path)["name"]
    storage = Folder(tmp_path)
    rewrite(storage, catalogue.get(storage, undo).model_copy(update={"kind": "undo"}))
    assert find(server, tmp_path, "k")["looked_through"] == ["live", first]
    found = find(server, tmp_path, "k", names=[first, undo], live=False)
    assert changes(found) == [("0", "string", "first")]
    assert find(server, tmp_path, "touched", show=undo)["show"]["type"] == "string"


def test_a_key_that_is_nowhere_is_found_nowhere(server: Server, tmp_path: Path) -> None:
    assert find(server, tmp_path, "k")["found"] == []
    server.client().set("other", "x")
    take(server, tmp_path)
    found = find(server, tmp_path, "k")
    assert (found["found"], len(found["looked_through"]), found["problems"]) == ([], 2, [])


def test_only_named_places_are_looked_through(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "1")
    names = [take(server, tmp_path)["name"] for _ in range(3)]
    assert find(server, tmp_path, "k", names=[names[0], names[2]], live=False)["looked_through"] == [names[2], names[0]]
    assert find(server, tmp_path, "k", names=["latest"])["looked_through"] == ["live", names[2]]
    assert len(list(tmp_path.glob("*.index"))) == 2
    with pytest.raises(NotFoundError, match="no backup of the name"):
        find(server, tmp_path, "k", names=["redis_backup_20200101_000000.rdb"])


def test_a_backup_that_cannot_be_read_is_named_and_the_others_searched(server: Server, tmp_path: Path) -> None:
    value = os.urandom(1000)
    server.client().set("k", value)
    names = [take(server, tmp_path, compression="none")["name"] for _ in range(4)]
    storage = Folder(tmp_path)
    manifest = catalogue.get(storage, names[0])
    rewrite(storage, manifest.model_copy(update={"keys": None, "keys_by_db": {}}))
    path = tmp_path / names[1]
    path.write_bytes(path.read_bytes().replace(value, value[::-1]))
    (tmp_path / names[2]).write_bytes(b"short")
    found = find(server, tmp_path, "k")
    assert found["looked_through"] == ["live", names[3]]
    assert len(found["problems"]) == 3
    for name in names[:3]:
        assert [problem.count(name) for problem in found["problems"] if name in problem] == [1]
    assert not (tmp_path / (names[1] + INDEX_SUFFIX)).exists()
    fitting = find(server, tmp_path, match="k*")
    assert [one["key"] for one in fitting["keys"]] == ["k"]
    assert fitting["looked_through"] == ["live", names[3]]
    assert len(fitting["problems"]) == 3


def test_an_artifact_that_changed_after_it_was_indexed_is_a_problem_and_no_version(
    server: Server, tmp_path: Path
) -> None:
    server.client().set("k", os.urandom(500))
    name = take(server, tmp_path, compression="none")["name"]
    find(server, tmp_path, "k", live=False)
    path = tmp_path / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    found = find(server, tmp_path, "k", live=False)
    assert found["found"] == []
    assert "its sha256 differs" in found["problems"][0]
    with pytest.raises(Exception, match="its sha256 differs"):
        find(server, tmp_path, "k", show=name)


def test_a_source_that_is_away_is_a_problem_and_the_backups_are_searched(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "1")
    take(server, tmp_path)
    settings = settings_for(server, tmp_path, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    found = search(settings, SearchArguments(key="k"), silent)
    assert [row["change"] for row in found["found"][0]["versions"]] == ["first"]
    assert "cannot be reached" in found["problems"][0]


def test_of_two_keys_with_one_hash_each_has_its_own_history(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [Entry(0, b"%d" % number, None, "string", string(b"value %d" % number)) for number in range(20)]
    stored(tmp_path, given)
    real = hashlib.blake2b

    def poor(data: bytes, digest_size: int) -> Any:
        return real(b"" if digest_size == index._HASH else data, digest_size=digest_size)

    monkeypatch.setattr(index, "blake2b", poor)
    for key in ("3", "17"):
        found = find(server, tmp_path, key, show=f"{NAME}.zst")
        assert found["rows"] == [{"part": "value", "show": f"value {key}", "against": None}]
    found = find(server, tmp_path, "not there", live=False)
    assert (found["found"], found["problems"]) == ([], [])


def test_a_glob_finds_the_keys_and_the_places_that_have_them(source: Server, tmp_path: Path) -> None:
    client: Any = source.client()
    for key in ("user:1", "user:2", "order:1"):
        client.set(key, "x")
    source.client(3).set("user:1", "x")
    first = take(source, tmp_path)["name"]
    client.delete("user:2")
    client.set("user:3", "x")
    second = take(source, tmp_path, format="json")["name"]
    client.delete("user:3")
    found = find(source, tmp_path, match="user:*")
    assert {(one["db"], one["key"]): one["in"] for one in found["keys"]} == {
        (0, "user:1"): ["live", second, first],
        (3, "user:1"): ["live", second, first],
        (0, "user:3"): [second],
        (0, "user:2"): [first],
    }
    assert (found["more"], found["looked_through"]) == (False, ["live", second, first])
    assert {one["db"] for one in find(source, tmp_path, match="*", databases=[3])["keys"]} == {3}
    assert find(source, tmp_path, match="[xyz]")["keys"] == []
    # Names are walked for: no index is made.
    assert not list(tmp_path.glob("*.index"))


def test_keys_that_are_too_long_to_be_named_are_counted(server: Server, tmp_path: Path) -> None:
    server.client().set("x" * 70_000, "v")
    server.client().set("xy", "v")
    found = find(server, tmp_path, match="x*")
    assert [one["key"] for one in found["keys"]] == ["xy"]
    assert found["problems"] == ["1 key fits, and is too long to be named here."]
    assert (found["total"], found["exact"]) == (2, True)


def test_the_first_search_tells_how_far_it_is(server: Server, tmp_path: Path) -> None:
    server.client().mset({f"k{number}": "v" for number in range(5000)})
    take(server, tmp_path)
    take(server, tmp_path)
    told: list[tuple[str, int, int | None, str]] = []
    search(settings_for(server, tmp_path), SearchArguments(key="k1"), lambda *words: told.append(words))
    assert {phase for phase, *_ in told} == {"indexing 2 of 3", "indexing 3 of 3"}
    assert told[-1][1:] == (5000, 5000, "keys")
    told.clear()
    search(settings_for(server, tmp_path), SearchArguments(match="k1"), lambda *words: told.append(words))
    assert {phase for phase, *_ in told} == {"reading 1 of 3", "reading 2 of 3", "reading 3 of 3"}


def test_an_indexed_key_is_found_without_reading_the_artifacts(server: Server, tmp_path: Path) -> None:
    server.client().mset({f"k{number}": os.urandom(100) for number in range(2000)})
    for _ in range(3):
        take(server, tmp_path, compression="none")
    find(server, tmp_path, "k1")
    # The live value has the digest of all of them, so nothing need be read.
    for path in tmp_path.glob("*.rdb"):
        path.write_bytes(b"\0" * path.stat().st_size)
    found = find(server, tmp_path, "k1999")
    assert [row["change"] for row in found["found"][0]["versions"]] == [*["identical"] * 3, "first"]
    assert found["problems"] == []
