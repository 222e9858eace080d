"""Who looks for a key once does not wait for indexes: the first search walks, the second makes them, and all find the same."""

import os
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.search.seeking import changes, find
from tests.support.age_keys import age_pair
from tests.support.backups import fill_all, settings_for, take
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.arguments.questions import SearchArguments
from worker.backups.backup import backup
from worker.formats.key_text import key_text
from worker.formats.rdb import Reader
from worker.progress import silent
from worker.search import places
from worker.search.indexing.index import ASKED, MAGIC
from worker.search.search import search


@pytest.fixture(autouse=True)
def _however_few_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(places, "LEAST_KEYS", 1)


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


def indexes(storage: Path) -> set[bytes]:
    """How they begin."""
    return {path.read_bytes()[:8] for path in storage.glob("*.index")}


@pytest.mark.parametrize("held", [places.HELD_BYTES, -1])
def test_the_first_walks_the_second_makes_an_index_and_all_find_the_same(
    held: int, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "HELD_BYTES", held)
    client = server.client()
    client.set("k", "1")
    server.client(3).set("k", "other", ex=10_000)
    take(server, tmp_path)
    take(server, tmp_path, format="json")
    client.set("k", "2")
    take(server, tmp_path, engine="scan")
    walked = find(server, tmp_path, "k")
    assert [change for _, _, change in changes(walked)] == ["first", "identical", "differs", "identical"]
    assert [one["db"] for one in walked["found"]] == [0, 3]
    assert (indexes(tmp_path), walked["problems"]) == ({ASKED}, [])
    made = find(server, tmp_path, "k")
    assert indexes(tmp_path) == {MAGIC}
    assert found_in(walked) == found_in(made) == found_in(find(server, tmp_path, "k"))
    assert find(server, tmp_path, "nobody has it")["found"] == []


def found_in(answer: dict[str, Any]) -> Any:
    """All but when the live source was asked."""
    rows = [[row | {"at": row["where"]} for row in one["versions"]] for one in answer["found"]]
    return rows, answer["looked_through"]


def test_every_type_is_found_on_a_walk_as_by_an_index(server: Server, tmp_path: Path) -> None:
    fill_all(server)
    take(server, tmp_path)
    for key in sorted(server.client().scan_iter(count=1000))[::6]:
        (index,) = [*tmp_path.glob("*.index")] or [tmp_path / "none"]
        index.unlink(missing_ok=True)
        walked, made = (find(server, tmp_path, key_text(key)) for _ in range(2))
        assert found_in(walked) == found_in(made), key
        assert walked["found"][0]["versions"][0]["change"] == "identical"


def test_a_damaged_backup_is_named_and_nobody_has_asked_for_its_index(server: Server, tmp_path: Path) -> None:
    value = os.urandom(1000)
    server.client().set("k", value)
    path = tmp_path / take(server, tmp_path, compression="none")["name"]
    path.write_bytes(path.read_bytes().replace(value, value[::-1]))
    assert [path.name in problem for problem in find(server, tmp_path, "k")["problems"]] == [True]
    assert indexes(tmp_path) == set()


def test_of_an_encrypted_one_it_is_encrypted_too(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    settings = settings_for(server, tmp_path / "backups", **age_pair(tmp_path).settings)
    backup(settings, BackupArguments(), silent)
    for _ in range(3):
        answer = search(settings, SearchArguments(key="k"), silent)
        assert [change for _, _, change in changes(answer)] == ["first", "identical"]
        assert indexes(tmp_path / "backups") == {b"age-encr"}


def test_one_that_is_named_gets_its_index_at_once(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    name = take(server, tmp_path)["name"]
    assert find(server, tmp_path, "k", names=[name])["found"]
    assert indexes(tmp_path) == {MAGIC}


@pytest.mark.parametrize("size", [70, 1000, 1 << 20])
def test_a_reader_that_is_told_which_keys_fit_gives_those_as_they_are(size: int, server: Server) -> None:
    fill_all(server)
    server.client().set("large", os.urandom(30_000))
    server.client().save()
    dump = (server.folder / "dump.rdb").read_bytes()

    def read(**told: Any) -> tuple[list[Any], Reader]:
        reader = Reader(iter([dump[start : start + size] for start in range(0, len(dump), size)]), values=True, **told)
        return [entry for batch in reader.batches() for entry in batch], reader

    whole, _ = read()
    for word in (b"a", b"large", b"list", b"nothing"):
        some, reader = read(fits=lambda key, word=word: word in key)
        assert some == [entry for entry in whole if word in entry.key]
        assert reader.passed == len(whole) - len(some)
