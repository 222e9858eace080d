"""Vector sets of Redis 8: the same ones are told as the same, whichever way they are linked, and where they differ."""

import random
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from tests.backups import asking, bring_back, settings_for, take
from tests.conftest import StartServer
from tests.servers import Server, binaries
from worker.errors import FormatError
from worker.formats.vectors import is_vector_set, read_vector_set
from worker.inquiry import SearchArguments
from worker.preview import PreviewArguments, preview
from worker.progress import silent
from worker.search import search
from worker.undo import UndoArguments, undo

FIRST_WITH_VECTOR_SETS = (8, 0)
WITHOUT = next(one for one in binaries() if one.name == "redis" and one.release >= (7, 0))
WAYS: dict[str, tuple[Any, ...]] = {
    "plain": ("NOQUANT",),
    "q8": ("Q8",),
    "binary": ("BIN",),
    "reduced": ("Q8",),
}
FOOTER = 10


@pytest.fixture
def server(start_server: StartServer) -> Server:
    able = [one for one in binaries() if one.name == "redis" and one.release >= FIRST_WITH_VECTOR_SETS]
    if not able:
        pytest.skip("no server here has vector sets")
    return start_server(able[-1])


def vector(seed: int) -> bytes:
    numbers = random.Random(seed)  # noqa: S311 - the same each time
    return pack("<8f", *(numbers.uniform(-1, 1) for _ in range(8)))


def fill(server: Server, *, db: int = 0) -> None:
    """One vector set of each kind, with forty elements: enough for links that differ."""
    client = asking(server, db)
    for key, way in WAYS.items():
        reduced = ("REDUCE", 4) if key == "reduced" else ()
        for number in range(40):
            attributes = ("SETATTR", f'{{"year": {number}}}') if number % 3 == 0 else ()
            client.execute_command("VADD", key, *reduced, "FP32", vector(number), f"e{number}", *way, *attributes)


def look(server: Server, storage: Path, **arguments: Any) -> dict[str, Any]:
    return preview(settings_for(server, storage), PreviewArguments(name="latest", **arguments), silent)


@pytest.mark.parametrize(("data_format", "engine"), [("rdb", "replication"), ("rdb", "scan"), ("json", "scan")])
def test_a_restored_vector_set_is_told_as_the_same(
    data_format: str, engine: str, server: Server, tmp_path: Path
) -> None:
    fill(server)
    before = {key: server.client().dump(key) for key in WAYS}
    take(server, tmp_path, format=data_format, engine=engine)
    server.client().flushall()
    assert bring_back(server, tmp_path)["restored"] == len(WAYS)
    after = {key: server.client().dump(key) for key in WAYS}
    assert all(before[key] != after[key] for key in WAYS)
    assert look(server, tmp_path)["counts"]["identical"] == len(WAYS)
    assert bring_back(server, tmp_path)["differing"] == 0
    for key in WAYS:
        found = search(settings_for(server, tmp_path), SearchArguments(key=key), silent)
        assert [row["change"] for row in found["found"][0]["versions"]] == ["identical", "first"]
    fitting = search(settings_for(server, tmp_path), SearchArguments(match="*"), silent)
    assert {one["live"] for one in fitting["keys"]} == {"identical"}


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_what_differs_in_a_vector_set_is_shown(data_format: str, server: Server, tmp_path: Path) -> None:
    fill(server)
    take(server, tmp_path, format=data_format, engine="scan")
    client = asking(server)
    client.execute_command("VSETATTR", "plain", "e0", '{"year": 1999}')
    client.execute_command("VREM", "plain", "e7")
    client.execute_command("VADD", "plain", "FP32", vector(900), "new", "NOQUANT")
    client.execute_command("VADD", "q8", "FP32", vector(901), "e5", "Q8")
    found = look(server, tmp_path)
    assert {kind: number for kind, number in found["counts"].items() if number} == {"identical": 2, "differs": 2}
    rows = {one["key"]: {row["part"]: row for row in one["rows"]} for one in found["samples"]["differs"]}
    assert set(rows["plain"]) == {"attributes e0", "vector e7", "vector new"}
    assert rows["plain"]["attributes e0"] == {
        "part": "attributes e0",
        "backup": '{"year": 0}',
        "live": '{"year": 1999}',
    }
    assert rows["plain"]["vector e7"]["live"] is None
    assert set(rows["q8"]) == {"vector e5"}
    assert "range" in rows["q8"]["vector e5"]["backup"]


def test_a_restore_of_vector_sets_is_undone(server: Server, tmp_path: Path) -> None:
    fill(server)
    take(server, tmp_path)
    client = asking(server)
    client.execute_command("DEL", "binary")
    client.execute_command("VSETATTR", "plain", "e0", '{"year": 1999}')
    report = bring_back(server, tmp_path, mode="overwrite")
    done = undo(settings_for(server, tmp_path), UndoArguments(run=report["undo"]["name"]), silent)
    assert (done["left_alone"], done["failed"], done["deleted"]) == (0, 0, 1)
    assert client.execute_command("VGETATTR", "plain", "e0") == b'{"year": 1999}'
    assert client.execute_command("EXISTS", "binary") == 0


def test_a_vector_set_is_read_as_its_server_tells_it(server: Server) -> None:
    fill(server)
    client = asking(server)
    for key in WAYS:
        payload = client.execute_command("DUMP", key)[:-FOOTER]
        assert is_vector_set(payload)
        found = read_vector_set(payload)
        assert found.dimensions == client.execute_command("VDIM", key)
        assert len(found.elements) == client.execute_command("VCARD", key) == 40
        for one in found.elements:
            _, stored, *_ = client.execute_command("VEMB", key, one.name, "RAW")
            assert one.vector == stored
            assert (one.attributes or None) == client.execute_command("VGETATTR", key, one.name)


def test_a_damaged_vector_set_is_refused_and_never_an_error_of_another_kind(server: Server) -> None:
    fill(server)
    payload: bytes = asking(server).execute_command("DUMP", "reduced")[:-FOOTER]
    numbers = random.Random(7)  # noqa: S311 - the same each time
    for _ in range(3000):
        at = numbers.randrange(10, len(payload))
        mutant = payload[:at] + bytes([payload[at] ^ (1 << numbers.randrange(8))]) + payload[at + 1 :]
        for one in (mutant, payload[:at]):
            try:
                found = read_vector_set(one)
                assert [element.shown(found.quantisation) for element in found.elements]
            except FormatError:
                continue


def test_nobody_is_told_to_load_a_module_for_a_type_that_is_built_in(
    server: Server, start_server: StartServer, tmp_path: Path
) -> None:
    fill(server)
    take(server, tmp_path, format="json", engine="scan")
    assert look(server, tmp_path)["warnings"] == []
    older = look(start_server(WITHOUT), tmp_path)
    told = " ".join(older["warnings"])
    assert "module" not in told
    assert older["forecast"]["failed"] == len(WAYS)
