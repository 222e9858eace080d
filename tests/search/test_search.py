"""One key through time: where it is and where it changed, as real servers and real backups tell it."""

import hashlib
import os
import re
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.support.backups import bring_back, eventually, files, fill_all, rewrite, settings_for, take
from tests.support.dashboard import Web
from tests.support.given import NAME, stored, string
from tests.support.processes import CANARY, Background, Shell
from tests.support.servers import Binary, Server, free_port
from worker.arguments.questions import SearchArguments
from worker.config.validation import first_fault
from worker.errors import NotFoundError, UsageError
from worker.formats.entries import Entry
from worker.formats.key_text import key_text
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX
from worker.search import index
from worker.search.search import MOST_ROWS, ROOM, ROOM_BESIDE, search
from worker.storage.local import Folder


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    """One server is enough where only we are asked."""
    return start_server(newest)


def find(server: Server, storage: Path, key: str | None = None, **arguments: Any) -> Any:
    return search(settings_for(server, storage), SearchArguments(key=key, **arguments), silent)


def changes(found: Any, db: int = 0) -> list[tuple[str, str | None, str]]:
    """Of each place from the oldest on: where (the number of the backup, or live), the type, and the change."""
    (one,) = [one for one in found["found"] if one["db"] == db]
    names = sorted({row["where"] for row in one["versions"]} - {"live"})
    return [
        (str(names.index(row["where"])) if row["where"] in names else "live", row["type"], row["change"])
        for row in reversed(one["versions"])
    ]


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


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "must have either a key or a match"),
        ({"key": "k", "match": "k*"}, "must have either a key or a match"),
        ({"match": "k*", "show": "latest"}, "must have a key, of which a version is to be shown"),
        ({"key": "k", "against": "latest"}, "must say with `show` what is to be compared"),
        ({"key": "k", "limit": 0}, "limit: must be at least 1"),
        ({"match": ""}, "match: "),
        ({"key": "k", "nmaes": []}, "nmaes: is not known here"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        SearchArguments(**arguments)
    assert words in str(first_fault(caught.value))


HOSTILE = b"\x1b[31m<img src=x onerror=alert(1)>\r\n\xff'; rm -rf /"


@pytest.fixture
def shell(server: Server, tmp_path: Path) -> Shell:
    return Shell(server.url, tmp_path / "backups", tmp_path)


def test_the_shell_tells_where_a_key_is_and_how_to_get_it_back(shell: Shell, server: Server, tmp_path: Path) -> None:
    client: Any = server.client()
    client.set("it's", "old value")
    name = shell("backup", "--json").data["name"]
    client.set("it's", "new value")
    told = shell("search", "it's")
    assert told.code == 0
    lines = [line.split() for line in told.out.splitlines()]
    assert lines[1] == ["WHERE", "AGE", "TYPE", "SIZE", "EXPIRES", "CHANGE"]
    assert (lines[2][0], lines[2][-1]) == ("live", "changed")
    assert lines[3][0] == name
    shown = shell("search", "it's", "--show", name, "--against", "live")
    assert re.search(r"value +old value +new value", shown.out), shown.out
    (command,) = re.findall(r"comes back with: (.*)", shown.err)
    printf = command.partition(" | ")[0]
    key = subprocess.run(["sh", "-c", printf], capture_output=True, text=True, check=True).stdout
    assert key == "it's\n"
    words = command.partition("python -m worker ")[2].split()
    restored = shell(*words, answer=key)
    assert restored.code == 0, restored.err
    assert client.get("it's") == b"old value"


def test_the_shell_shows_no_key_as_it_is_and_says_what_is_wrong(shell: Shell, server: Server) -> None:
    client: Any = server.client()
    client.hset(HOSTILE, HOSTILE, HOSTILE)
    name = shell("backup", "--json").data["name"]
    text = key_text(HOSTILE)
    for arguments in (("--match", "*"), (text,), (text, "--show", name), (text, "--show", name, "--against", "live")):
        told = shell("search", *arguments)
        assert told.code == 0, told.err
        assert not set("\x1b\r\x07") & set(told.out + told.err)
        assert "onerror" in told.out
    assert shell("search", text, "--json").data["key"] == text
    nothing = shell("search", "--match", "zzz*")
    assert nothing.out == "0 keys fit; looked through: 2 places\n"
    assert "nokey is in none of 2 places" in shell("search", "nokey").out
    assert shell("search").code == 2
    assert shell("search", "k", "--in", "nope").code == 1


Scripts = Callable[..., FlaskClient]


def test_a_script_may_search_with_the_right_to_read_and_a_worker_answers(
    web_app: Web, token_client: Scripts, web_worker: Background
) -> None:
    client: Any = web_app.source.client()
    client.hset("user:1", mapping={"name": "Ann"})
    name = take(web_app.source, web_app.storage)["name"]
    client.hset("user:1", "name", "Bob")
    reader = token_client("read")

    def done(**body: Any) -> Any:
        answer = reader.post("/api/backup/search", json=body)
        assert answer.status_code == 202, answer.text
        deadline = time.monotonic() + timedelta(seconds=30).total_seconds()
        while not (told := reader.get(answer.headers["Location"]).get_json())["ready"]:
            assert time.monotonic() < deadline, web_worker.said
            time.sleep(0.05)
        assert told["successful"], told
        return told["value"]

    assert [row["change"] for row in done(key="user:1")["found"][0]["versions"]] == ["differs", "first"]
    assert [one["key"] for one in done(match="user:*", live=False)["keys"]] == ["user:1"]
    beside = done(key="user:1", show=name, against="live")
    assert beside["rows"] == [{"part": "name", "show": "Ann", "against": "Bob"}]
    assert reader.post("/api/backup/search", json={"key": "k", "names": ["nope"]}).status_code == 404
    assert reader.post("/api/backup/search", json={"key": "k", "show": "nope"}).status_code == 404
    assert reader.post("/api/backup/search", json={}).status_code == 400
    assert web_app.browser().post("/api/backup/search", json={"key": "k"}).status_code == 401
    assert CANARY not in web_worker.said
