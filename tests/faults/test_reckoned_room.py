"""What a backup is reckoned to need, and what is little in a file and much in memory."""

import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.room import SMALL, limit, own, texts
from tests.support.backups import bring_back, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import Mode, PreviewArguments
from worker.errors import RefusedError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.preview.preview import preview
from worker.storage.local import Folder

# What is reckoned


@pytest.mark.slow
def test_compressed_texts_count_as_what_they_are(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    found = preview(settings_for(target, tmp_path), PreviewArguments(name="latest"), silent)["memory"]
    assert found["needed_bytes"] <= needed <= found["most_bytes"]
    assert found["most_bytes"] < 1.6 * needed


@pytest.mark.slow
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_mixed_data_are_reckoned_within_bounds(data_format: str, backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("mixed", data_format)
    found = preview(settings_for(target, tmp_path), PreviewArguments(name="latest"), silent)["memory"]
    assert found["needed_bytes"] <= needed <= found["most_bytes"]
    assert found["most_bytes"] < 2.5 * needed


def test_what_is_there_already_needs_no_room(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest, *SMALL)
    texts(server.client())
    take(server, tmp_path)
    limit(server, "allkeys-lru", 2 << 20)
    for mode in ("skip", "overwrite"):
        report = bring_back(server, tmp_path, mode=mode)
        assert (report["evicted"], server.client().dbsize()) == (0, 3000)


def test_where_the_bound_leaves_a_doubt_some_keys_are_tried(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest, *SMALL), start_server(newest, *SMALL)
    pipe = source.client().pipeline(transaction=False)
    for number in range(300):
        pipe.zadd(f"zset:{number}", {str(one): one for one in range(300)})
    pipe.execute()
    take(source, tmp_path)
    settings = settings_for(target, tmp_path)
    most = preview(settings, PreviewArguments(name="latest"), silent)["memory"]["most_bytes"]
    limit(target, "allkeys-lru", most * 0.85)
    found = preview(settings, PreviewArguments(name="latest"), silent)
    assert found["refusal"] is None
    assert any("unless some of its keys, tried there, show that all fit" in words for words in found["warnings"])
    report = bring_back(target, tmp_path)
    assert (report["restored"], report["evicted"]) == (300, 0)
    assert target.client().keys("redis_backup:*") == []


def test_a_part_is_reckoned_as_a_part(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    limit(target, "allkeys-lru", needed / 2)
    assert bring_back(target, tmp_path, match="key:1??")["restored"] == 100
    with pytest.raises(RefusedError, match="too little memory"):
        bring_back(target, tmp_path, match="key:*")


# Little in a file, and much in memory


def refused(target: Server, folder: Path, mode: Mode) -> None:
    """In the same words beforehand and in earnest, and nothing is written."""
    found = preview(settings_for(target, folder), PreviewArguments(name="latest", mode=mode), silent)
    before, evicted = state(target), target.client().info("stats")["evicted_keys"]
    assert "The target has too little memory: maxmemory is " in found["refusal"]
    with pytest.raises(RefusedError, match="The target has too little memory: maxmemory is "):
        bring_back(target, folder, mode=mode)
    assert_same(target, before)
    assert target.client().info("stats")["evicted_keys"] == evicted


def test_lists_that_are_much_shorter_in_a_file_are_refused_beforehand(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("lists", "rdb")
    limit(target, "noeviction", needed / 2)
    refused(target, tmp_path, "skip")


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["skip", "mirror"])
@pytest.mark.parametrize("policy", ["noeviction", "allkeys-lru"])
@pytest.mark.parametrize("what", ["texts", "lists", "streams", "large"])
def test_what_is_much_shorter_in_a_file_is_refused_beforehand(
    what: str, policy: str, mode: Mode, backed_up: Any, tmp_path: Path
) -> None:
    target, needed = backed_up(what, "rdb")
    own(target, expiring=True)
    limit(target, policy, needed / 3)
    refused(target, tmp_path, mode)


@pytest.mark.slow
def test_lists_that_the_target_keeps_compressed_are_not_refused(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("lists", "rdb")
    target.client().config_set("list-compress-depth", 1)
    limit(target, "noeviction", needed * 0.8)
    report = bring_back(target, tmp_path)
    assert report["restored"] == 100
    assert any("may have too little memory" in words for words in report["warnings"])


@pytest.mark.slow
def test_a_mirror_of_a_document_is_not_measured_by_its_length(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("binary", "json")
    limit(target, "noeviction", needed * 1.1)
    raw = catalogue.get(Folder(tmp_path), "latest").bytes.raw
    assert raw > needed * 1.2
    assert bring_back(target, tmp_path, mode="mirror")["restored"] == 3000


def test_memory_that_is_still_being_freed_is_waited_for(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    client = target.client()
    client.mset({f"old:{number}": b"x" * 20 for number in range(300_000)})
    limit(target, "noeviction", needed / 4)
    client.execute_command("FLUSHALL", "ASYNC")
    assert bring_back(target, tmp_path)["restored"] == 3000


def test_a_forced_mirror_that_does_not_fit_says_by_how_much(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    limit(target, "noeviction", needed / 3)
    report = bring_back(target, tmp_path, mode="mirror", force=True)
    assert (report["way"], report["restored"]) == ("replication", 3000)
    (words,) = report["warnings"]
    (excess,) = re.findall(r"holds ([\d,]+) bytes more than its maxmemory, and takes no more writes", words)
    assert needed / 2 < int(excess.replace(",", "")) < needed
