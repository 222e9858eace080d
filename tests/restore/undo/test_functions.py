"""Function libraries: an undo takes back what a restore brought or replaced, and nothing that others have changed since."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.restore.undo.undoing import take_back
from tests.support.backups import asking, bring_back, take
from tests.support.servers import Binary, Server

MODES = ("skip", "overwrite", "mirror")


def library(name: str, answer: int) -> str:
    return f"#!lua name={name}\nredis.register_function('{name}_f', function() return {answer} end)"


def loaded(server: Server) -> dict[bytes, int]:
    """Each library by what its function answers."""
    client: Any = asking(server)
    names = [entry[entry.index(b"library_name") + 1] for entry in client.execute_command("FUNCTION", "LIST")]
    return {name: client.execute_command("FCALL", name + b"_f", 0) for name in names}


@pytest.fixture
def server(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """Of three libraries that were backed up one has gone since, one is another, and a fourth is new."""
    server = start_server(newest)
    client = server.client()
    for name in ("kept", "changed", "deleted"):
        client.function_load(library(name, 1))
    client.set("key", "value")
    take(server, tmp_path)
    client.function_delete("deleted")
    client.function_load(library("changed", 2), replace=True)
    client.function_load(library("new", 2))
    client.set("key", "changed")
    return server


SINCE = {b"kept": 1, b"changed": 2, b"new": 2}


@pytest.mark.parametrize("mode", MODES)
def test_what_a_restore_brought_goes_and_what_it_replaced_comes_back(mode: str, server: Server, tmp_path: Path) -> None:
    bring_back(server, tmp_path, mode=mode)
    there = loaded(server)
    assert (there != SINCE, there[b"kept"]) == (mode != "skip" or b"deleted" in there, 1)
    report = take_back(server, tmp_path)
    assert loaded(server) == SINCE
    assert report["functions"] == sum(there.get(name) != SINCE.get(name) for name in {*there, *SINCE})
    assert report["warnings"] == []


def test_what_others_have_changed_since_is_left_alone_and_told(server: Server, tmp_path: Path) -> None:
    bring_back(server, tmp_path, mode="overwrite")
    server.client().function_load(library("changed", 7), replace=True)
    report = take_back(server, tmp_path)
    assert loaded(server) == SINCE | {b"changed": 7}
    assert report["warnings"] == ["The function library changed was changed by others since, and is left alone."]
    assert report["functions"] == 1


def test_with_force_it_is_put_back_as_well(server: Server, tmp_path: Path) -> None:
    bring_back(server, tmp_path, mode="overwrite")
    server.client().function_load(library("changed", 7), replace=True)
    assert take_back(server, tmp_path, force=True)["warnings"] == []
    assert loaded(server) == SINCE


def test_a_restore_of_some_kinds_of_keys_has_brought_none(server: Server, tmp_path: Path) -> None:
    bring_back(server, tmp_path, mode="overwrite", kinds=["differs"])
    assert loaded(server) == SINCE
    server.client().function_load(library("deleted", 1))
    assert take_back(server, tmp_path)["functions"] == 0
    assert loaded(server) == SINCE | {b"deleted": 1}
    assert server.client().get("key") == b"changed"
