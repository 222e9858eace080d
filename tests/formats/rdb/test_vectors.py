"""Vector sets of Redis 8: the same ones are told as the same, whichever way they are linked, and where they differ."""

import json
import random
import re
from base64 import b64encode
from collections import Counter
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, bring_back, endpoint, settings_for, take
from tests.support.data import VECTOR_SETS, fill_vectors, vector
from tests.support.servers import Server, binaries
from tests.support.states import assert_same, state
from worker.arguments.backups import AdoptArguments
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, UndoArguments
from worker.backups.adopt import adopt
from worker.engines.scan import Scan
from worker.errors import BackupSystemError, FormatError
from worker.formats import portable
from worker.formats.entries import Opaque
from worker.formats.rdb import writer
from worker.formats.rdb.reader import Reader
from worker.formats.rdb.reader.census import Census
from worker.formats.rdb.values import kind_of
from worker.formats.rdb.vectors import NAME, numbers, read_vector_set, shown
from worker.formats.tally import Tally
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.undo.undo import undo
from worker.search.search import search

WITHOUT = next(one for one in binaries() if one.name == "redis" and one.release >= (7, 0))
FOOTER = 10


@pytest.fixture
def server(start_server: StartServer) -> Server:
    able = [one for one in binaries() if one.vector_sets]
    if not able:
        pytest.skip("no server here has vector sets")
    return start_server(able[-1])


def fill(server: Server) -> None:
    fill_vectors(asking(server))


def look(server: Server, storage: Path, **arguments: Any) -> dict[str, Any]:
    return preview(settings_for(server, storage), PreviewArguments(name="latest", **arguments), silent)


@pytest.mark.parametrize(("data_format", "engine"), [("rdb", "replication"), ("rdb", "scan"), ("json", "scan")])
def test_a_restored_vector_set_is_told_as_the_same(
    data_format: str, engine: str, server: Server, tmp_path: Path
) -> None:
    fill(server)
    before = {key: server.client().dump(key) for key in VECTOR_SETS}
    take(server, tmp_path, format=data_format, engine=engine)
    server.client().flushall()
    assert bring_back(server, tmp_path)["restored"] == len(VECTOR_SETS)
    after = {key: server.client().dump(key) for key in VECTOR_SETS}
    assert all(before[key] != after[key] for key in VECTOR_SETS)
    assert look(server, tmp_path)["counts"]["identical"] == len(VECTOR_SETS)
    assert bring_back(server, tmp_path)["differing"] == 0
    for key in VECTOR_SETS:
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
    for key in VECTOR_SETS:
        payload = client.execute_command("DUMP", key)[:-FOOTER]
        assert kind_of(payload) == NAME
        found = read_vector_set(payload)
        assert found.dimensions == client.execute_command("VDIM", key)
        assert len(found.elements) == client.execute_command("VCARD", key) == 40
        for one in found.elements:
            _, stored, *_ = client.execute_command("VEMB", key, one.name, "RAW")
            assert one.vector == stored
            assert (one.attributes or None) == client.execute_command("VGETATTR", key, one.name)


@pytest.mark.slow
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
                assert [shown(element, found) for element in found.elements]
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
    assert older["forecast"]["failed"] == len(VECTOR_SETS)


def adopted(server: Server, folder: Path, *, with_graph: bool) -> dict[str, Any]:
    """A document of what the server holds, taken in as a backup of its own."""
    made = take(server, folder / "made", format="json", compression="none")
    document = (folder / "made" / made["name"]).read_bytes()
    if not with_graph:
        document = re.sub(rb'"graph":\{"base64":"[^"]+"\}', b'"graph":null', document)
    (folder / "document.json").write_bytes(document)
    return adopt(settings_for(server, folder), AdoptArguments(file=folder / "document.json"), silent)


def test_its_type_has_its_own_name_and_its_document_can_be_read(server: Server, tmp_path: Path) -> None:
    fill(server)
    for engine, data_format in (("replication", "rdb"), ("scan", "rdb"), ("typed", "json")):
        manifest = take(server, tmp_path / engine, engine=engine, format=data_format)
        assert manifest["keys_by_db"] == {"0": {"vectorset": len(VECTOR_SETS)}}
    made = take(server, tmp_path, format="json", compression="none")
    lines = (tmp_path / made["name"]).read_text().splitlines()
    values = {row["key"]: row["value"] for row in (json.loads(line.rstrip(",")) for line in lines[1:-2])}
    assert {key: value["quantisation"] for key, value in values.items()} == {
        "plain": "none",
        "q8": "q8",
        "binary": "binary",
        "reduced": "q8",
    }
    assert values["reduced"]["projection"]["from"] == 8
    one = next(element for element in values["plain"]["elements"] if element["name"] == "e3")
    assert one["attributes"] == '{"year": 3}'
    told = [float(number) for number in asking(server).execute_command("VEMB", "plain", "e3")]
    assert [number * one["length"] for number in one["vector"]] == pytest.approx(told)


def test_a_document_brings_it_back_to_the_last_bit(server: Server, tmp_path: Path) -> None:
    fill(server)
    manifest = adopted(server, tmp_path, with_graph=True)
    before = state(server)
    server.client().flushall()
    report = bring_back(server, tmp_path)
    assert (report["restored"], report["failed"], report["warnings"]) == (manifest["keys"], 0, [])
    assert_same(server, before)


def test_without_its_graph_it_is_built_by_vadd(server: Server, tmp_path: Path) -> None:
    fill(server)
    client = asking(server)
    client.execute_command("DEL", "reduced")
    client.execute_command("VADD", "few", "FP32", pack("<4f", 0, 0, 0, 0), "zero", "Q8", "M", 5)
    adopted(server, tmp_path, with_graph=False)
    kinds = ("plain", "q8", "binary", "few")
    before = {key: read_vector_set(client.execute_command("DUMP", key)[:-FOOTER]) for key in kinds}
    near = client.execute_command("VSIM", "plain", "ELE", "e5", "COUNT", 5)
    client.execute_command("FLUSHALL")
    report = bring_back(server, tmp_path)
    assert (report["restored"], report["failed"]) == (len(kinds), 0)
    assert "built by VADD" in " ".join(report["warnings"])
    assert client.execute_command("VSIM", "plain", "ELE", "e5", "COUNT", 5) == near
    for key, value in before.items():
        found = read_vector_set(client.execute_command("DUMP", key)[:-FOOTER])
        assert (found.dimensions, found.most_links) == (value.dimensions, value.most_links)
        others = {one.name: one for one in found.elements}
        for one in value.elements:
            other = others.pop(one.name)
            assert other.attributes == one.attributes
            assert other.length == pytest.approx(one.length)
            told = [numbers(each.vector, value.quantisation, value.dimensions) for each in (one, other)]
            assert told[1] == (pytest.approx(told[0]) if key == "plain" else told[0])
        assert not others


def test_a_document_of_reduced_vectors_needs_their_graph(server: Server, tmp_path: Path) -> None:
    fill(server)
    with pytest.raises(BackupSystemError, match="must have a graph for each element"):
        adopted(server, tmp_path, with_graph=False)


def test_a_document_from_before_it_had_a_name_is_known(server: Server, tmp_path: Path) -> None:
    fill(server)
    dump = asking(server).execute_command("DUMP", "q8")
    row = {"db": 0, "key": "q8", "type": "module", "dump": {"base64": b64encode(dump).decode()}}
    document = [portable.OPENING.decode(), json.dumps(row), '\n],\n"functions":[],"count":1}\n']
    ((entry,), *_) = [batch for batch in portable.Reader(iter(["".join(document).encode()])).batches() if batch]
    assert (entry.type, entry.value) == ("vectorset", Opaque(dump))


def test_a_mirror_loads_it_as_a_file_as_any_type(server: Server, start_server: StartServer, tmp_path: Path) -> None:
    fill(server)
    take(server, tmp_path)
    target = start_server(server.binary)
    target.client().set("other", "value")
    report = bring_back(target, tmp_path, mode="mirror")
    assert (report["way"], report["restored"]) == ("replication", len(VECTOR_SETS))
    assert_same(server, target)


def test_its_name_is_told_wherever_a_chunk_ends(server: Server) -> None:
    fill(server)
    server.client().set("text", "value")
    content = b"".join(writer.write(Scan(endpoint(server), [0]), {}))
    for size in (1, 7, 1000):
        chunks = [content[start : start + size] for start in range(0, len(content), size)]
        kinds = [one.type for batch in Reader(iter(chunks), values=False).batches() for one in batch]
        tally = Tally()
        assert b"".join(Census(iter(chunks), tally).chunks()) == content
        assert Counter(kinds) == Counter(tally.by_db[0]) == {"vectorset": len(VECTOR_SETS), "string": 1}
