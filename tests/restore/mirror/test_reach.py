"""A mirror deletes only what the request reaches."""

from pathlib import Path
from typing import Any

import pytest

from tests.restore.mirror.mirrors import mirror
from tests.support.backups import asking, take
from tests.support.servers import Server

ALL = {b"user:2", b"user:3:x", b"job:2", b"us*er", b"\xff\x00", b"user:list", b"hash"}
USERS = {b"user:2", b"user:3:x", b"user:list"}


def everywhere(keys: set[bytes]) -> dict[int, set[bytes]]:
    return {0: keys, 3: keys, 5: keys}


REACH: dict[str, tuple[dict[str, Any], dict[int, set[bytes]]]] = {
    "all": ({}, everywhere(ALL)),
    "a pattern": ({"match": "user:*"}, everywhere(USERS)),
    "a pattern and an exception": (
        {"match": "user:*", "exclude": "*:x"},
        everywhere({b"user:2", b"user:list"}),
    ),
    "a star that is none": ({"match": "us\\*er"}, everywhere({b"us*er"})),
    "a type": ({"types": {"list"}}, everywhere({b"user:list"})),
    "named keys": ({"keys": {"job:2", "\\xff\\x00", "nothing"}}, everywhere({b"job:2", b"\xff\x00"})),
    "a database": ({"databases": {3}}, {3: ALL}),
    "a database that the backup has not": ({"databases": {3, 5}}, {3: ALL, 5: ALL}),
    "a database and a type": ({"databases": {0}, "types": {"hash"}}, {0: {b"hash"}}),
    "into another database": ({"map_databases": {0: 5}, "databases": {0}}, {5: ALL}),
    "all into others": ({"map_databases": {0: 5, 3: 6}}, {5: ALL}),
    "under a prefix": ({"prefix": "user:"}, everywhere(USERS)),
    "under a prefix, a pattern": ({"prefix": "user:", "match": "2"}, everywhere({b"user:2"})),
    "less a prefix": ({"strip_prefix": "user:", "match": "user:*"}, everywhere(ALL)),
    "less a prefix, a pattern": ({"strip_prefix": "user:", "match": "user:j*"}, everywhere({b"job:2"})),
}


def keys_by_db(server: Server) -> dict[int, set[bytes]]:
    return {db: set(asking(server, db).execute_command("KEYS", "*")) for db in (0, 3, 5, 6)}


@pytest.mark.parametrize(("arguments", "deleted"), REACH.values(), ids=REACH)
def test_it_deletes_only_what_the_request_reaches(
    arguments: dict[str, Any], deleted: dict[int, set[bytes]], varied: Server, tmp_path: Path
) -> None:
    before = keys_by_db(varied)
    renamed: set[bytes] = {b"user:1", b"job:1", b"queue"} if {"prefix", "strip_prefix"} & arguments.keys() else set()
    report = mirror(varied, tmp_path, "keys", **arguments)
    after = keys_by_db(varied)
    for db, keys in before.items():
        assert keys - after[db] - renamed == deleted.get(db, set()), db
    assert report["deleted"] == sum(len(keys - after[db]) for db, keys in before.items())


def test_a_backup_of_one_database_says_nothing_of_the_others(varied: Server, tmp_path: Path) -> None:
    name = take(varied, tmp_path, databases={0})["name"]
    before = keys_by_db(varied)
    for databases in (None, {0, 3}):
        varied.client().set("other", "x")
        assert mirror(varied, tmp_path, name=name, databases=databases)["deleted"] == 1
        assert keys_by_db(varied) == before


def test_a_pattern_that_fits_nothing_in_the_backup_still_deletes_what_it_fits(varied: Server, tmp_path: Path) -> None:
    report = mirror(varied, tmp_path, match="job:2")
    assert (report["restored"], report["deleted"]) == (0, 3)
    assert "No key of the backup fits: nothing was restored." in report["warnings"]


def test_what_was_deleted_and_overwritten_can_be_undone(varied: Server, tmp_path: Path) -> None:
    report = mirror(varied, tmp_path)
    assert report["undo"]["keys"] == 27
