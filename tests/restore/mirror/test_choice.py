"""What keeps a mirror from being loaded as one file: a server that meets in it what it cannot load has dropped its data by then."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import bring_back, rewrite, take
from tests.support.servers import Server
from worker.repository import catalogue
from worker.storage.local import Folder

REASONS: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({}, {"module_data": True}, "the backup holds data of modules"),
    ({}, {"keys_by_db": {0: {"string": 1, "module": 1}}}, "the backup holds data of modules"),
    ({"databases": [0]}, {}, "the backup is of some databases only"),
    ({}, {"kind": "partial"}, "the backup is partial"),
    ({}, {"kind": "adopted"}, "the backup was adopted, so nobody knows whether a server wrote it"),
    ({"server": "another"}, {}, "the backup is of a server of another make"),
    ({"version": "99.0.0"}, {}, "the backup is of a newer server"),
]


def mirrored(server: Server, storage: Path, name: str, **told: Any) -> tuple[str, str]:
    """The way that it went, and why."""
    report = bring_back(server, storage, name, mode="mirror", force=True, **told)
    assert (report["failed"], server.client().keys()) == (0, [b"k"])
    return report["way"], report["reason"]


@pytest.mark.parametrize(("origin", "changes", "reason"), REASONS, ids=lambda value: str(value)[:50])
def test_what_a_server_may_not_be_able_to_load_goes_key_by_key(
    origin: dict[str, Any], changes: dict[str, Any], reason: str, server: Server, tmp_path: Path
) -> None:
    server.client().set("k", "v")
    name = take(server, tmp_path)["name"]
    assert mirrored(server, tmp_path, name) == ("replication", "the target allows it"), "else this shows nothing"
    made = catalogue.get(Folder(tmp_path), name)
    of = made.source.model_copy(update=origin)
    rewrite(Folder(tmp_path), made.model_copy(update={"source": of, **changes}))
    way, why = mirrored(server, tmp_path, name)
    assert (way, why[: len(reason)]) == ("keys", reason)


def test_what_is_no_rdb_file_goes_key_by_key(server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    name = take(server, tmp_path, format="json")["name"]
    assert mirrored(server, tmp_path, name) == ("keys", "the backup is no RDB file")


@pytest.mark.parametrize("told", [{"match": ["k*"]}, {"exclude": ["a*"]}, {"databases": "0"}], ids=str)
def test_a_part_of_a_backup_goes_key_by_key(told: dict[str, Any], server: Server, tmp_path: Path) -> None:
    server.client().set("k", "v")
    name = take(server, tmp_path)["name"]
    assert mirrored(server, tmp_path, name, **told) == ("keys", "only a part of the backup is meant")
