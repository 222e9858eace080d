"""A target that is too small for what comes: it is refused beforehand, or stops in time, and keeps every key of its own."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.moments import Asked
from tests.support.backups import bring_back, endpoint, settings_for, take
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.restore import Mode, PreviewArguments, RestoreArguments, UndoArguments
from worker.errors import BackupSystemError, IncompleteError, RefusedError, TargetError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.mirror import mirror
from worker.restore.preview.preview import preview
from worker.restore.restore import check_complete, restore
from worker.restore.undo.undo import undo
from worker.server.info import read_facts
from worker.storage.local import Folder

slow = pytest.mark.slow


OWN = 2000
POLICIES = ["allkeys-lru", "allkeys-random", "volatile-lru", "noeviction"]
SHARES = [40, 50, 60, 70, 90]
SMALL = ("--repl-backlog-size", "16kb")

Fill = Callable[[Any], object]


def texts(client: Any) -> None:
    """Six megabytes that a file holds in a hundred kilobytes."""
    client.mset({f"key:{number}": b"%04d" % number * 500 for number in range(3000)})


def mixed(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(700):
        pipe.set(f"string:{number}", os.urandom(300).hex())
        pipe.rpush(f"list:{number}", *(os.urandom(20).hex() for _ in range(30)))
        pipe.hset(f"hash:{number}", mapping={f"field{one}": "value" * 10 for one in range(40)})
        pipe.sadd(f"set:{number}", *range(1_000_000 + number, 1_000_100 + number))
        pipe.zadd(f"zset:{number}", {f"member:{one}": one / 3 for one in range(20)})
    for number in range(30):
        pipe.sadd(f"big:{number}", *(f"{number}:{one}" for one in range(2000)))
    pipe.execute()


def lists(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(100):
        pipe.rpush(f"list:{number}", *["the same once more"] * 3000)
    pipe.execute()


def streams(client: Any) -> None:
    pipe = client.pipeline(transaction=False)
    for number in range(40):
        for entry in range(500):
            pipe.xadd(f"stream:{number}", {"text": "more " * 40}, id=f"{entry + 1}-1")
    pipe.execute()


def large(client: Any) -> None:
    client.mset({f"large:{number}": b"%d" % number * 2_000_000 for number in range(3)})


def binary_texts(client: Any) -> None:
    client.mset({f"key:{number}": bytes([200 + number % 50]) * 2000 for number in range(3000)})


FILLS: dict[str, Fill] = {
    "texts": texts,
    "mixed": mixed,
    "lists": lists,
    "streams": streams,
    "large": large,
    "binary": binary_texts,
}


def own(server: Server, *, expiring: bool) -> None:
    pipe = server.client().pipeline(transaction=False)
    for number in range(OWN):
        pipe.set(f"own:{number}", "mine" * 50, ex=100_000 if expiring else None)
    pipe.execute()


def owned(server: Server) -> int:
    return int(server.client().exists(*(f"own:{number}" for number in range(OWN))))


def used(server: Server) -> int:
    client = server.client()
    try:
        return int(client.info("memory")["used_memory"])
    finally:
        client.close()


@pytest.fixture
def backed_up(newest: Binary, start_server: StartServer, tmp_path: Path) -> Callable[[str, str], tuple[Server, int]]:
    """A target with keys of its own, and how many bytes it really needs for the backup besides."""

    def make(what: str, data_format: str) -> tuple[Server, int]:
        source = start_server(newest, *SMALL)
        before = used(source)
        FILLS[what](source.client())
        needed = used(source) - before
        take(source, tmp_path, format=data_format)
        source.stop()
        return start_server(newest, *SMALL), needed

    return make


def limit(server: Server, policy: str, room: float) -> None:
    client = server.client()
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", round(used(server) + room))


@slow
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("mode", ["skip", "overwrite", "mirror by keys"])
@pytest.mark.parametrize(("what", "data_format"), [("texts", "rdb"), ("mixed", "rdb"), ("mixed", "json")])
def test_not_one_key_of_its_own_is_lost(
    what: str, data_format: str, mode: str, policy: str, share: int, backed_up: Any, tmp_path: Path
) -> None:
    target, needed = backed_up(what, data_format)
    own(target, expiring=True)
    limit(target, policy, needed * share / 100)
    part = {"match": "*"} if mode == "mirror by keys" else {}
    with pytest.raises(BackupSystemError, match=r"memory|maxmemory") as caught:
        bring_back(target, tmp_path, mode=mode.partition(" ")[0], **part)
    assert owned(target) == OWN
    assert target.client().info("stats")["evicted_keys"] == 0
    there = target.client().dbsize() - OWN
    if policy != "noeviction":
        assert isinstance(caught.value, RefusedError)
        assert re.search(rf"throw keys out \({policy}\), its own too", str(caught.value))
    if isinstance(caught.value, RefusedError):
        assert there == 0
    else:
        assert f"Until then: {there:,} restored" in str(caught.value)


@slow
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("what", "data_format"), [("texts", "rdb"), ("mixed", "rdb"), ("mixed", "json")])
def test_what_surely_fits_is_restored(what: str, data_format: str, policy: str, backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up(what, data_format)
    own(target, expiring=True)
    limit(target, policy, needed * 1.5 + (1 << 20))
    report = bring_back(target, tmp_path)
    check_complete(report)
    assert (report["evicted"], owned(target)) == (0, OWN)
    assert target.client().dbsize() == OWN + report["restored"]
    assert (report["keys_before"], report["keys_after"]) == (OWN, OWN + report["restored"])


@slow
@pytest.mark.parametrize("policy", POLICIES)
def test_with_force_it_stops_at_the_first_that_is_thrown_out(policy: str, backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    own(target, expiring=True)
    limit(target, policy, needed / 2)
    words = "OOM" if policy == "noeviction" else "has begun to throw keys out"
    with pytest.raises(TargetError, match=rf"{words}.* Until then: .* Run the same again") as caught:
        bring_back(target, tmp_path, force=True)
    report, there = caught.value.report, target.client().dbsize()
    assert report is not None
    assert report["restored"] > 700
    # It is full: that it is looked at may cost it a key more.
    assert 0 <= report["keys_after"] - there <= 5
    assert report["keys_after"] == OWN + report["restored"] - report["evicted"]
    assert (0 < report["evicted"] < 400) == (policy != "noeviction")


# What nobody reckoned with: the room goes while it is written


@slow
@pytest.mark.parametrize("policy", POLICIES[:3])
def test_a_restore_stops_before_the_first_key_is_thrown_out(
    policy: str, backed_up: Any, wire_to: WireTo, tmp_path: Path
) -> None:
    target, needed = backed_up("texts", "rdb")
    own(target, expiring=True)
    limit(target, policy, needed * 2)
    line = wire_to(target)
    # Others write as much as would be left.
    client = target.client()
    fault = line.call(Asked(b"RESTORE", nth=500), lambda: client.setrange("theirs", round(needed * 1.4), b"x"))
    settings = settings_for(target, tmp_path, redis_url=line.url)
    with pytest.raises(
        TargetError, match=r"would throw keys out next .*, so this was stopped: raise maxmemory, or"
    ) as caught:
        restore(settings, RestoreArguments(name="latest"), silent)
    assert fault.happened
    assert (owned(target), client.info("stats")["evicted_keys"]) == (OWN, 0)
    assert f"Until then: {client.dbsize() - OWN - 1:,} restored, 0 skipped" in str(caught.value)


def test_a_restore_stops_once_the_target_has_thrown_a_key_out(backed_up: Any, wire_to: WireTo, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    limit(target, "allkeys-random", needed * 3)
    line, client = wire_to(target), target.client()

    def evict() -> None:
        limit = client.config_get("maxmemory")["maxmemory"]
        client.config_set("maxmemory", used(target) - 20_000)
        client.ping()
        client.config_set("maxmemory", limit)

    fault = line.call(Asked(b"RESTORE", nth=1000), evict)
    settings = settings_for(target, tmp_path, redis_url=line.url)
    with pytest.raises(TargetError, match="has begun to throw keys out") as caught:
        restore(settings, RestoreArguments(name="latest"), silent)
    assert fault.happened
    report = caught.value.report
    assert report is not None
    assert report["evicted"] == client.info("stats")["evicted_keys"] > 0
    assert report["restored"] - report["evicted"] == client.dbsize() == report["keys_after"]


@slow
def test_an_undo_throws_nothing_out_either(backed_up: Any, tmp_path: Path) -> None:
    target, _ = backed_up("texts", "rdb")
    client = target.client()
    own(target, expiring=False)
    client.mset({f"key:{number}": os.urandom(4000) for number in range(3000)})
    before = state(target)
    kept = bring_back(target, tmp_path, mode="overwrite")["undo"]["name"]
    limit(target, "allkeys-random", 3 << 20)
    settings = settings_for(target, tmp_path)
    with pytest.raises(
        TargetError, match=r"would throw keys out next .* raise maxmemory\. Until then: [\d,]+ put back"
    ):
        undo(settings, UndoArguments(run=kept), silent)
    assert (owned(target), client.info("stats")["evicted_keys"]) == (OWN, 0)
    client.config_set("maxmemory", 0)
    undo(settings, UndoArguments(run=kept), silent)
    assert_same(target, before)


# Mirrors


@slow
@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("policy", POLICIES)
def test_a_mirror_that_the_target_could_not_hold_is_refused(
    policy: str, share: int, backed_up: Any, tmp_path: Path
) -> None:
    target, needed = backed_up("texts", "rdb")
    bare = used(target)
    own(target, expiring=True)
    client = target.client()
    client.config_set("maxmemory-policy", policy)
    client.config_set("maxmemory", bare + needed * share // 100)
    with pytest.raises(RefusedError, match="too little memory"):
        bring_back(target, tmp_path, mode="mirror")
    assert (owned(target), client.dbsize(), client.info("stats")["evicted_keys"]) == (OWN, OWN, 0)


@slow
def test_a_mirror_that_perhaps_fits_says_so_and_what_came_of_it(backed_up: Any, tmp_path: Path) -> None:
    target, _ = backed_up("texts", "rdb")
    own(target, expiring=True)
    client, asked = target.client(), PreviewArguments(name="latest", mode="mirror")
    found = preview(settings_for(target, tmp_path), asked, silent)["memory"]
    bare = read_facts(endpoint(target)).bare_memory
    client.config_set("maxmemory", bare + (found["needed_bytes"] + found["most_bytes"]) // 2)
    told = preview(settings_for(target, tmp_path), asked, silent)
    report = bring_back(target, tmp_path, mode="mirror")
    assert told["refusal"] is None
    for warnings in (told["warnings"], report["warnings"]):
        assert any("would fill it, and it would take no more writes" in words for words in warnings)
    assert (report["way"], report["evicted"], client.dbsize()) == ("replication", 0, 3000)


@slow
def test_a_mirror_into_a_full_target_that_fits_in_the_place_of_what_is_there_is_not_refused(
    backed_up: Any, tmp_path: Path
) -> None:
    target, _ = backed_up("texts", "rdb")
    client = target.client()
    client.mset({f"old:{number}": bytes(2000) for number in range(6000)})
    client.config_set("maxmemory", used(target) - 100_000)
    with pytest.raises(RefusedError, match="takes no writes"):
        bring_back(target, tmp_path, mode="overwrite")
    with pytest.raises(RefusedError, match="has too little memory"):
        bring_back(target, tmp_path, mode="mirror", match="*")
    assert client.dbsize() == 6000
    report = bring_back(target, tmp_path, mode="mirror")
    assert (report["way"], report["deleted"], report["warnings"], client.dbsize()) == ("replication", 6000, [], 3000)


def test_a_mirror_that_fits_needs_no_room_beside_what_is_there(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    client = target.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.mset({f"old:{number}": bytes(2000) for number in range(3000)})
    client.config_set("maxmemory", round(needed * 1.4) + (2 << 20))
    report = bring_back(target, tmp_path, mode="mirror")
    assert (report["way"], report["evicted"], report["deleted"], client.dbsize()) == ("replication", 0, 3000, 3000)


@slow
def test_a_forced_mirror_counts_what_is_thrown_out_when_the_target_is_a_primary_again(
    backed_up: Any, tmp_path: Path
) -> None:
    target, needed = backed_up("texts", "rdb")
    client = target.client()
    client.config_set("maxmemory-policy", "allkeys-lru")
    client.config_set("maxmemory", used(target) + needed // 2)
    report = bring_back(target, tmp_path, mode="mirror", force=True)
    assert report["way"] == "replication"
    assert report["restored"] == 3000
    assert report["evicted"] == 3000 - report["keys_after"] > 0
    with pytest.raises(IncompleteError, match="evicted"):
        check_complete(report)


@slow
def test_a_mirror_that_must_go_key_by_key_after_all_is_refused_before_it_writes(
    backed_up: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, needed = backed_up("texts", "rdb")
    own(target, expiring=True)
    limit(target, "allkeys-lru", needed / 2)
    target.client().mset({f"old:{number}": bytes(1000) for number in range(1000)})
    target.client().config_set("maxmemory", used(target) + needed // 2)
    monkeypatch.setattr(mirror, "replicate", lambda *_: "nobody came")
    with pytest.raises(RefusedError, match="too little memory"):
        bring_back(target, tmp_path, mode="mirror")
    assert (owned(target), target.client().dbsize()) == (OWN, OWN + 1000)


# What is reckoned


@slow
def test_compressed_texts_count_as_what_they_are(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    found = preview(settings_for(target, tmp_path), PreviewArguments(name="latest"), silent)["memory"]
    assert found["needed_bytes"] <= needed <= found["most_bytes"]
    assert found["most_bytes"] < 1.6 * needed


@slow
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_mixed_data_are_reckoned_within_bounds(data_format: str, backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("mixed", data_format)
    found = preview(settings_for(target, tmp_path), PreviewArguments(name="latest"), silent)["memory"]
    assert found["needed_bytes"] <= needed <= found["most_bytes"]
    assert found["most_bytes"] < 2.5 * needed


@slow
def test_what_is_there_already_needs_no_room(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(newest, *SMALL)
    texts(server.client())
    take(server, tmp_path)
    limit(server, "allkeys-lru", 2 << 20)
    for mode in ("skip", "overwrite"):
        report = bring_back(server, tmp_path, mode=mode)
        assert (report["evicted"], server.client().dbsize()) == (0, 3000)


@slow
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


@slow
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


@slow
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


@slow
def test_lists_that_the_target_keeps_compressed_are_not_refused(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("lists", "rdb")
    target.client().config_set("list-compress-depth", 1)
    limit(target, "noeviction", needed * 0.8)
    report = bring_back(target, tmp_path)
    assert report["restored"] == 100
    assert any("may have too little memory" in words for words in report["warnings"])


@slow
def test_a_mirror_of_a_document_is_not_measured_by_its_length(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("binary", "json")
    limit(target, "noeviction", needed * 1.1)
    raw = catalogue.get(Folder(tmp_path), "latest").bytes.raw
    assert raw > needed * 1.2
    assert bring_back(target, tmp_path, mode="mirror")["restored"] == 3000


@slow
def test_memory_that_is_still_being_freed_is_waited_for(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    client = target.client()
    client.mset({f"old:{number}": b"x" * 20 for number in range(300_000)})
    limit(target, "noeviction", needed / 4)
    client.execute_command("FLUSHALL", "ASYNC")
    assert bring_back(target, tmp_path)["restored"] == 3000


@slow
def test_a_forced_mirror_that_does_not_fit_says_by_how_much(backed_up: Any, tmp_path: Path) -> None:
    target, needed = backed_up("texts", "rdb")
    limit(target, "noeviction", needed / 3)
    report = bring_back(target, tmp_path, mode="mirror", force=True)
    assert (report["way"], report["restored"]) == ("replication", 3000)
    (words,) = report["warnings"]
    (excess,) = re.findall(r"holds ([\d,]+) bytes more than its maxmemory, and takes no more writes", words)
    assert needed / 2 < int(excess.replace(",", "")) < needed
