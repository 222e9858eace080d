"""`browse` and `fits` in a shell: what the pages of a backup show, and values for whoever asks for them alone."""

import json
from pathlib import Path

import pytest

from tests.search.test_browse import GIVEN
from tests.support.given import stored
from tests.support.processes import Shell

NAME = "redis_backup_20231205_143022.rdb.zst"


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """One with a storage that has one backup of GIVEN, and no server at all."""
    stored(tmp_path / "backups", GIVEN)
    return Shell("redis://127.0.0.1:1/0", tmp_path / "backups", tmp_path)


def test_the_tree_is_told_without_a_value(shell: Shell) -> None:
    looked = shell("browse", NAME, "user:", "--db", "0")
    assert looked.code == 0, looked.err
    lines = [line.split() for line in looked.out.splitlines()]
    assert lines[0][:4] == ["14", "keys,", "145", "B:"]
    assert [line[:2] for line in lines if line[0] == "user:7:"] == [["user:7:", "2"]]
    assert "yyyy" not in looked.out
    told = shell("browse", NAME, "user:", "--db", "0", "--json").data
    assert (told["keys"], told["ending"], [one["prefix"] for one in told["branches"]]) == (14, 12, ["user:7:"])


def test_values_are_for_whoever_asks_for_them_as_a_document_alone_on_standard_output(shell: Shell) -> None:
    shown = shell("browse", NAME, "user:7:", "--show", "prefix")
    entries = json.loads(shown.out)["keys"]
    assert {entry["key"]: entry["value"] for entry in entries} == {"user:7:mail": "y" * 50, "user:7:name": "z"}
    one = json.loads(shell("browse", NAME, "user:7:name", "--show", "key").out)["keys"]
    assert [entry["key"] for entry in one] == ["user:7:name"]
    missing = shell("browse", NAME, "nothing", "--show", "key")
    assert (missing.code, missing.out, "has no such key" in missing.err) == (1, "", True)


def test_a_page_that_is_full_says_how_the_next_is_had(shell: Shell) -> None:
    following = shell("browse", NAME, "user:", "--after", "user:7", "--db", "0", "--json").data
    assert [row["key"] for row in following["listed"]] == ["user:8", "user:9"]


def test_the_keys_that_are_meant_are_counted(shell: Shell) -> None:
    assert shell("fits", NAME, "--match", "user:*", "--exclude", "user:7:*").out == "13 of 18 keys fit\n"
    assert shell("fits", NAME, "--key", "page/home", "--key", "nothing", "--json").data["keys"] == 1
    assert shell("fits", NAME, "--db", "3").out == "1 of 18 keys fit\n"
    assert shell("fits", "redis_backup_20200101_000000.rdb").code == 1
