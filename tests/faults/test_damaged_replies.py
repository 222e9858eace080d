"""Bytes of a source's answers are changed on their way: nothing damaged is taken for good, and one damage costs nothing.

| fault | moment | operation | promise |
|---|---|---|---|
| a flipped bit | in a payload, of each type, small and large | scan to rdb and json, undo, preview, search | asked for again |
| the same, each time | | | an error that names the key; nothing is listed, nothing written |
| a flipped bit | in what a scan names | scan, typed | noticed by numbers; no key is missed in silence |
| a flipped bit | in a number of INFO | replication, scan, typed | an error in words; nothing is listed |
| a flipped, dropped or doubled byte | anywhere | scan, typed | a good backup, or an error in words |
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.faults.answers import KEYS, SAMPLED, assert_good, listed, place_of
from tests.faults.fixtures import WireTo
from tests.faults.line import Line
from tests.faults.moments import After, Reply
from tests.faults.scenes import by_way_of, taken
from tests.faults.sweeps import sweep
from tests.support.backups import asking, take
from tests.support.servers import Server
from tests.support.states import state
from worker.arguments.questions import SearchArguments
from worker.arguments.restore import PreviewArguments, RestoreArguments, UndoArguments
from worker.errors import BackupSystemError, SourceUnavailableError, TargetUnavailableError
from worker.progress import silent
from worker.restore.preview.preview import preview
from worker.restore.restore import restore
from worker.restore.undo.undo import undo
from worker.search.search import search

Fault = Callable[[Line, Reply], Any]

PLACES = {"type": 0, "value": 4, "end-of-value": -11, "version": -10, "checksum": -1}
"""Of a payload."""

SCANS = ["rdb", "json"]


@pytest.fixture
def full(server: Server) -> Server:
    """Has a key of each kind, and some more."""
    for name, make in KEYS.items():
        make(server.client(), name)
    server.client().mset({f"key:{one}": f"value {one}" for one in range(100)})
    return server


@pytest.mark.sweep
@sweep("place", PLACES)
@pytest.mark.parametrize("data_format", SCANS)
@pytest.mark.parametrize("key", KEYS)
def test_a_scan_asks_again_for_a_payload_that_came_damaged(
    key: str, data_format: str, place: str, full: Server, line: Line, storage: Path
) -> None:
    flipped = line.flip(Reply(b"DUMP", of=key.encode(), at=PLACES[place]), bit=3)
    made = taken(line, storage, engine="scan", format=data_format)
    assert flipped.happened
    assert_good(full, storage, made["name"])


@pytest.mark.parametrize("data_format", SCANS)
@pytest.mark.parametrize("key", KEYS)
def test_a_scan_names_the_key_that_comes_damaged_each_time_and_lists_nothing(
    key: str, data_format: str, full: Server, line: Line, storage: Path
) -> None:
    line.flip(Reply(b"DUMP", of=key.encode(), at=4, always=True))
    with pytest.raises(
        SourceUnavailableError, match=rf"The key '{key}' of database 0 came damaged from the source, twice"
    ):
        taken(line, storage, engine="scan", format=data_format)
    assert listed(storage) == []


def test_a_key_of_any_bytes_is_named_in_few_and_harmless_ones(full: Server, line: Line, storage: Path) -> None:
    key = b"\x1b[31m\xff<img src=x>" + b"x" * 1000
    full.client().set(key, "x" * 100)
    line.flip(Reply(b"DUMP", of=key, at=4, always=True))
    with pytest.raises(SourceUnavailableError) as told:
        taken(line, storage, engine="scan")
    assert "The key '\\x1b[31m\\\\xff<img src=x>xxx" in str(told.value)
    assert len(str(told.value)) < 400


def test_function_libraries_that_came_damaged_are_asked_for_again(full: Server, line: Line, storage: Path) -> None:
    if full.binary.version < (7, 0):
        pytest.skip(f"{full.binary} has no functions")
    code = "#!lua name=lib\nredis.register_function('f', function() return 1 end)"
    full.client().function_load(code)
    flipped = line.flip(Reply(b"FUNCTION", of=b"DUMP", at=20))
    made = taken(line, storage, engine="scan")
    assert flipped.happened
    assert_good(full, storage, made["name"])
    line.flip(Reply(b"FUNCTION", of=b"DUMP", at=20, always=True))
    with pytest.raises(SourceUnavailableError, match="The function libraries came damaged from the source, twice"):
        taken(line, storage, engine="scan")


@pytest.mark.sweep
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("mode", ["overwrite", "mirror"])
def test_what_is_kept_for_an_undo_is_what_was_there(
    mode: str, key: str, full: Server, line: Line, storage: Path
) -> None:
    client = full.client()
    made = take(full, storage, engine="scan")
    client.flushall()
    for name, make in KEYS.items():
        make(client, name)
        client.set("another", "x")
    before = state(full)
    flipped = line.flip(Reply(b"DUMP", of=key.encode(), at=5))
    settings = by_way_of(line, storage)
    done = restore(settings, RestoreArguments.model_validate({"name": made["name"], "mode": mode}), silent)
    assert flipped.happened
    line.heal()
    undo(settings, UndoArguments(run=done["undo"]["name"]), silent)
    assert state(full) == before


@pytest.mark.sweep
@pytest.mark.parametrize("key", KEYS)
def test_nothing_is_written_where_what_is_there_cannot_be_kept(
    key: str, full: Server, line: Line, storage: Path
) -> None:
    made = take(full, storage, engine="scan")
    full.client().set("key:1", "newer")
    before = state(full)
    line.flip(Reply(b"DUMP", of=key.encode(), at=5, always=True))
    settings = by_way_of(line, storage)
    with pytest.raises(
        TargetUnavailableError, match=rf"The key '{key}' of database 0 came damaged from the target, twice"
    ):
        restore(settings, RestoreArguments(name=made["name"], mode="overwrite"), silent)
    line.heal()
    assert state(full) == before
    assert listed(storage) == [made["name"]]


@pytest.mark.sweep
@pytest.mark.parametrize("data_format", SCANS)
@pytest.mark.parametrize("key", KEYS)
def test_a_preview_finds_no_difference_in_what_came_damaged(
    key: str, data_format: str, full: Server, line: Line, storage: Path
) -> None:
    made = take(full, storage, engine="scan", format=data_format)
    settings = by_way_of(line, storage)
    flipped = line.flip(Reply(b"DUMP", of=key.encode(), at=5))
    counts = preview(settings, PreviewArguments(name=made["name"], mode="overwrite"), silent)["counts"]
    assert flipped.happened
    assert (counts["identical"], counts["differs"]) == (made["keys"], 0)
    line.flip(Reply(b"DUMP", of=key.encode(), at=5, always=True))
    with pytest.raises(TargetUnavailableError, match=f"The key '{key}'"):
        preview(settings, PreviewArguments(name=made["name"], mode="overwrite"), silent)


@pytest.mark.parametrize("key", KEYS)
def test_a_search_finds_no_difference_in_what_came_damaged(key: str, full: Server, line: Line, storage: Path) -> None:
    take(full, storage, engine="scan")
    settings = by_way_of(line, storage)
    flipped = line.flip(Reply(b"DUMP", of=key.encode(), at=5))
    found = search(settings, SearchArguments(key=key), silent)
    assert flipped.happened
    (database,) = found["found"]
    assert [one["change"] for one in database["versions"]] == ["identical", "first"]


@pytest.mark.parametrize("engine", ["scan", "typed"])
@pytest.mark.parametrize("bit", range(8))
def test_a_name_that_is_damaged_in_a_scan_is_noticed_by_numbers(
    bit: int, engine: str, full: Server, line: Line, storage: Path
) -> None:
    full.client().flushall()
    full.client().mset({f"key:{one:04}": "x" for one in range(0, 3000, 10)})
    at = place_of(full, b"key:", b"SCAN", b"0", b"COUNT", b"16") + len("key:00")
    flipped = line.flip(Reply(b"SCAN", at=at), bit=bit)
    try:
        made = taken(line, storage, engine=engine, format="json")
    except SourceUnavailableError:
        assert listed(storage) == []
    else:
        assert (made["kind"], made["keys"]) == ("partial", 299)
    assert flipped.happened


@pytest.mark.parametrize("engine", ["replication", "scan", "typed"])
def test_a_number_of_info_that_came_damaged_is_an_error_in_words(
    engine: str, full: Server, line: Line, storage: Path
) -> None:
    told, before = bytes(asking(full).execute_command("INFO")), b"db0:keys="
    # From its end on, for what comes before changes its length all the time.
    line.flip(Reply(b"INFO", at=told.index(before) + len(before) - len(told)), bit=6)
    with pytest.raises(SourceUnavailableError, match="its answer to INFO is damaged"):
        taken(line, storage, engine=engine, format="json" if engine == "typed" else "rdb")
    assert listed(storage) == []


FAULTS: dict[str, Callable[[Line, Any], Any]] = {
    "flip": lambda line, moment: line.flip(moment, bit=2),
    "drop": lambda line, moment: line.drop(moment),
    "double": lambda line, moment: line.double(moment),
}


@pytest.mark.sweep
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("data_format", SCANS)
@pytest.mark.parametrize("at", [0, 1, 9, -1])
@sweep("nth", [40, 1, 100])
def test_a_byte_that_is_changed_in_a_payload_costs_nothing_or_is_an_error_in_words(
    nth: int, at: int, data_format: str, fault: str, full: Server, line: Line, storage: Path
) -> None:
    happened = FAULTS[fault](line, Reply(b"DUMP", nth=nth, at=at))
    try:
        made = taken(line, storage, engine="scan", format=data_format)
    except BackupSystemError:
        assert listed(storage) == []
    else:
        assert_good(full, storage, made["name"])
    assert happened.happened


PLACES_IN_ALL = [*range(0, 30_000, 997)]
"""Of what is answered on one connection, that many bytes at the least."""


@pytest.fixture
def small(server: Server) -> Server:
    """Keys of all types, none of which expires: nothing seals the time at which a key does."""
    for name in SAMPLED:
        KEYS[name](server.client(), name)
    server.client().mset({f"key:{one:05}": f"value {one}" for one in range(0, 10_000, 10)})
    return server


@pytest.mark.slow
@pytest.mark.parametrize("bit", [0, 3, 6])
@pytest.mark.parametrize("place", PLACES_IN_ALL)
def test_no_flipped_bit_of_a_scan_gives_a_good_backup_of_other_data(
    place: int, bit: int, small: Server, wire_to: WireTo, storage: Path
) -> None:
    line = wire_to(small)
    flipped = line.flip(After(place), bit=bit)
    try:
        made = taken(line, storage, engine="scan")
    except BackupSystemError:
        assert listed(storage) == []
    else:
        if made["kind"] == "backup":
            assert_good(small, storage, made["name"])
    assert flipped.happened


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["flip", "double"])
@pytest.mark.parametrize("place", PLACES_IN_ALL)
def test_whatever_is_changed_in_a_typed_backup_it_ends_in_words(
    place: int, fault: str, small: Server, wire_to: WireTo, storage: Path
) -> None:
    line = wire_to(small)
    happened = FAULTS[fault](line, After(place))
    try:
        made = taken(line, storage, engine="typed", format="json")
    except BackupSystemError:
        assert listed(storage) == []
    else:
        assert listed(storage) == [made["name"]]
    assert happened.happened
