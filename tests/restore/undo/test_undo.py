"""Undo: after a restore of any kind the target becomes what it was, and what others did since stays theirs."""

import os
import re
import resource
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.conftest import StartServer
from tests.server.test_rights import let_in
from tests.support.backups import (
    aged,
    bring_back,
    eventually,
    files,
    fill_all,
    kill_myself,
    killed,
    manifest_of,
    rewrite,
    settings_for,
    take,
)
from tests.support.dashboard import Web
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.arguments.backups import DeleteArguments, PruneArguments
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.backups.prune import delete, prune
from worker.errors import ArtifactError, NotFoundError, RefusedError, StorageError, TargetError
from worker.progress import Progress, silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.restore.restore import restore
from worker.restore.target import values
from worker.restore.undo.current import Present
from worker.restore.undo.undo import check_complete, undo
from worker.runs.store import open_runs
from worker.storage import open_storage
from worker.storage.local import Folder

FUNCTION = "#!lua name=lib0\nredis.register_function('f0', function() return 2 end)"
LATER_MS = 3000
COUNTS = ("put_back", "deleted", "left_alone", "as_before", "failed", "evicted")


def kept_in(storage: Path) -> list[Manifest]:
    return catalogue.read(Folder(storage)).undos


def take_back(server: Server, storage: Path, run: str = "", *, force: bool = False) -> dict[str, Any]:
    """Undo a restore, the newest unless another is named; the report."""
    arguments = UndoArguments(run=run or kept_in(storage)[0].name, force=force)
    report = undo(settings_for(server, storage), arguments, silent)
    check_complete(report)
    return report


def counts(report: dict[str, Any]) -> dict[str, int]:
    return {name: report[name] for name in COUNTS if report[name]}


def changed(report: dict[str, Any]) -> list[tuple[int, str]]:
    return [(one["db"], one["key"]) for one in report["changed"]]


def drift(server: Server) -> None:
    """What becomes of data after its backup: changed, deleted, made, given another expiry or type."""
    for db in (0, 3):
        client = server.client(db)
        client.set("text", "since", ex=1000)
        client.delete("empty", "list:big")
        client.rpush("list:small", "one more")
        client.persist("ttl:ms")
        client.expire("zset:big", 5000)
        client.delete("set:big")
        client.set("set:big", "another type")
        client.set("only here", "x", px=3_600_123)
    if server.binary.version >= (7, 0):
        server.client().function_load(FUNCTION, replace=True)
        server.client().function_delete("lib3")


def few(client: Any) -> None:
    """Of what `drift` changes a little, and names that collide with others' when they are redirected."""
    client.mset({"text": "x", "empty": "", "ttl:ms": "x", "int:1": 1, "int:big": "taken", "restored:text": "taken"})
    client.rpush("list:small", "a", "b")
    client.rpush("list:big", *range(2000))
    client.sadd("set:big", *range(2000))
    client.zadd("zset:big", {str(number): number for number in range(2000)})
    client.expire("ttl:ms", 3600)
    client.function_load("#!lua name=lib3\nredis.register_function('f3', function() return 1 end)", replace=True)


@pytest.fixture
def source(newest: Binary, start_server: StartServer) -> Server:
    """Of one kind: what differs from server to server is in `drifted`."""
    return start_server(newest)


@pytest.fixture
def target(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


@pytest.fixture
def drifted(binary: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with data of every type that was backed up in both formats, and has lived on since."""
    source = fill_all(start_server(binary))
    take(source, tmp_path, format="json")
    take(source, tmp_path)
    drift(source)
    return source


@pytest.mark.parametrize(
    ("mode", "data_format"),
    [("skip", "rdb"), ("overwrite", "rdb"), ("mirror", "rdb"), ("overwrite", "json"), ("mirror", "json")],
)
def test_after_an_undo_all_is_as_before_the_restore(
    mode: str, data_format: str, drifted: Server, tmp_path: Path
) -> None:
    before = state(drifted)
    name = next(one.name for one in catalogue.read(Folder(tmp_path)).backups if one.data_format == data_format)
    report = bring_back(drifted, tmp_path, name, mode=mode)
    assert report["failed"] == 0
    assert state(drifted) != before
    told = report["undo"]
    assert (told["name"], told["days"]) == (kept_in(tmp_path)[0].name, 7)
    assert take_back(drifted, tmp_path)["left_alone"] == 0
    assert_same(before, state(drifted))


def test_a_mirror_key_by_key_is_undone_as_well(drifted: Server, tmp_path: Path) -> None:
    before = state(drifted)
    report = bring_back(drifted, tmp_path, mode="mirror", databases=[0])
    assert report["way"] == "keys"
    assert drifted.client().exists("only here") == 0
    assert drifted.client(3).exists("only here") == 1
    take_back(drifted, tmp_path)
    assert_same(before, state(drifted))


NARROWED: list[dict[str, Any]] = [
    {"match": "*:small"},
    {"types": {"string", "set"}, "databases": {3}},
    {"keys": {"text", "empty", "set:big"}},
    {"kinds": {"new"}},
    {"kinds": {"differs"}},
    {"kinds": {"expiry"}},
    {"prefix": "restored:"},
    {"map_databases": {0: 5, 3: 0}},
    {"prefix": "int:", "strip_prefix": "list:"},
    {"expiry": "persist"},
    {"expiry": "shift"},
    {"expiry": "floor:90000"},
]


@pytest.mark.parametrize("arguments", NARROWED, ids="-".join)
def test_a_restore_that_was_narrowed_or_redirected_is_undone_as_far_as_it_went(
    arguments: dict[str, Any], newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(newest)
    for db in (0, 3):
        few(server.client(db))
    take(server, tmp_path)
    drift(server)
    before = state(server)
    restored = bring_back(server, tmp_path, mode="overwrite", **arguments)["restored"]
    assert restored
    assert state(server) != before
    report = take_back(server, tmp_path)
    assert report["put_back"] + report["deleted"] + report["as_before"] == restored
    assert_same(before, state(server))


def small(server: Server, storage: Path) -> Any:
    """A server whose four keys were backed up; since then one has gone, one is another, one expires."""
    client = server.client()
    client.mset({"stays": "old", "gone": "old", "changed": "old", "timed": "old"})
    take(server, storage)
    client.delete("gone")
    client.set("changed", "new")
    client.expire("timed", 1000)
    return client


def test_what_others_have_changed_since_is_left_alone_and_named(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    client.append("gone", ", and theirs")
    client.delete("changed")
    client.set("theirs", "x")
    report = take_back(source, tmp_path)
    assert counts(report) == {"put_back": 1, "left_alone": 2, "as_before": 1}
    assert sorted(changed(report)) == [(0, "changed"), (0, "gone")]
    assert client.get("gone") == b"old, and theirs"
    assert client.exists("changed") == 0
    assert 0 < client.ttl("timed") <= 1000


def test_with_force_it_all_becomes_what_it_was(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    before = state(source)
    bring_back(source, tmp_path, mode="overwrite")
    client.append("gone", ", and theirs")
    client.delete("changed")
    client.expire("stays", 1000)
    assert counts(take_back(source, tmp_path, force=True)) == {"put_back": 3, "deleted": 1}
    assert_same(source, before)
    assert client.ttl("stays") == -1


def test_keys_that_skip_left_alone_are_never_touched(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    bring_back(source, tmp_path)
    client.set("changed", "newer still")
    client.persist("timed")
    before = {key: client.dump(key) for key in ("stays", "changed", "timed")}
    assert counts(take_back(source, tmp_path, force=True)) == {"deleted": 1}
    assert {key: client.dump(key) for key in before} == before
    assert client.ttl("timed") == -1
    assert client.dbsize() == 3


def test_keys_that_others_made_after_a_mirror_are_theirs(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    client.set("only here", "x")
    bring_back(source, tmp_path, mode="mirror")
    assert client.exists("only here") == 0
    source.client(2).set("made since", "y")
    report = take_back(source, tmp_path)
    assert counts(report) == {"put_back": 3, "deleted": 1, "left_alone": 1, "as_before": 1}
    assert changed(report) == [(2, "made since")]
    assert source.client(2).get("made since") == b"y"
    assert counts(take_back(source, tmp_path, force=True)) == {"deleted": 1, "as_before": 5}
    assert source.client(2).dbsize() == 0


def test_what_has_expired_since_does_not_come_back(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    servers = {mode: start_server(newest) for mode in ("overwrite", "mirror")}
    over = [_restored_and_short(server, tmp_path / mode, mode) for mode, server in servers.items()]
    time.sleep(max(0.0, max(over) - time.monotonic()))
    for mode, server in servers.items():
        client = server.client()
        assert client.exists("short in the backup") == 0
        assert take_back(server, tmp_path / mode)["left_alone"] == 0
        assert {key: client.get(key) for key in client.scan_iter()} == {
            b"was forever": b"old",
            b"short in the backup": b"live",
            b"over before": b"live",
        }
        assert [client.ttl(key) for key in client.scan_iter()] == [-1, -1, -1]


def _restored_and_short(server: Server, storage: Path, mode: str) -> float:
    """A restore in that mode, with keys that are about to expire before and in the backup; when they all have."""
    client = server.client()
    client.mset({"was forever": "old", "was short": "old"})
    client.set("short in the backup", "old", px=LATER_MS)
    client.set("over before", "old", px=30)
    take(server, storage)
    assert eventually(lambda: client.exists("over before") == 0)
    client.set("over before", "live")
    client.set("short in the backup", "live")
    client.set("was short", "live", px=LATER_MS)
    over = time.monotonic() + LATER_MS / 1000 + 0.1
    bring_back(server, storage, mode=mode)
    assert client.get("short in the backup") == b"old"
    assert client.ttl("was short") == -1
    assert client.get("over before") == (b"live" if mode == "overwrite" else None)
    return over


def test_an_undo_can_be_used_once_and_says_so(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    take_back(source, tmp_path)
    client.set("stays", "newer")
    before = state(source)
    with pytest.raises(RefusedError, match=r"undone already, on 20\d\d-.* nothing was changed now: --force"):
        take_back(source, tmp_path)
    assert_same(source, before)
    assert kept_in(tmp_path)[0].undone_at is not None


def test_what_is_kept_is_a_verified_backup_that_names_the_restore(source: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    backup = catalogue.read(Folder(tmp_path)).backups[0]
    bring_back(source, tmp_path, mode="overwrite", match="*a*")
    (kept,) = kept_in(tmp_path)
    assert (kept.kind, kept.restored, kept.keys, kept.source.address) == (
        "undo",
        backup.name,
        2,
        f"127.0.0.1:{source.port}",
    )
    assert kept.restore_arguments == {"name": backup.name, "mode": "overwrite", "match": ["*a*"]}
    assert kept.verified_at is not None
    assert catalogue.get(Folder(tmp_path), "latest").name == backup.name
    assert catalogue.read(Folder(tmp_path)).backups == [backup]


def test_where_nothing_is_touched_nothing_is_kept(source: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    before = files(tmp_path)
    assert bring_back(source, tmp_path, mode="overwrite", match="nothing")["undo"] is None
    settings = settings_for(source, tmp_path, backup_undo_days=0)
    report = restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert (report["restored"], report["undo"]) == (4, None)
    assert files(tmp_path) == before


def test_an_empty_target_is_not_asked_for_millions_of_keys(source: Server, target: Server, tmp_path: Path) -> None:
    fill_all(source)
    take(source, tmp_path)
    report = bring_back(target, tmp_path)
    assert report["undo"]["keys"] == 0
    assert "cmdstat_dump" not in target.client().info("commandstats")
    assert take_back(target, tmp_path)["deleted"] == report["restored"]
    assert (target.client().dbsize(), target.client(3).dbsize()) == (0, 0)


def test_a_mirror_into_an_empty_target_is_undone_though_nothing_was_read_for_it(
    source: Server, target: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill_all(source)
    take(source, tmp_path)
    monkeypatch.setattr(Present, "_there", None)
    report = bring_back(target, tmp_path, mode="mirror")
    assert report["undo"]["keys"] == 0
    assert_same(target, source)
    assert take_back(target, tmp_path)["deleted"] == report["restored"]
    assert (target.client().dbsize(), target.client(3).dbsize()) == (0, 0)


def test_before_keys_that_exist_are_left_alone_only_their_names_are_kept(
    source: Server, target: Server, tmp_path: Path
) -> None:
    fill_all(source)
    take(source, tmp_path)
    target.client().mset({"text": os.urandom(1 << 20), "other": "x"})
    target.client(3).set("list:big", "another type")
    before = state(target)
    told = bring_back(target, tmp_path)["undo"]
    assert told["keys"] == 2
    # Those two, after all was written: to tell whether they differ.
    assert target.client().info("commandstats")["cmdstat_dump"]["calls"] == 2
    (kept,) = kept_in(tmp_path)
    assert kept.bytes.raw < 1000
    with pytest.raises(RefusedError, match=f"holds the names .* no values.*worker undo {kept.name}"):
        bring_back(target, tmp_path, kept.name, mode="overwrite")
    assert take_back(target, tmp_path)["left_alone"] == 0
    assert_same(target, before)
    backup = kept.restored or ""
    delete(settings_for(target, tmp_path), DeleteArguments(name=backup))
    with pytest.raises(NotFoundError, match="which keys that created: delete those by hand"):
        undo(settings_for(target, tmp_path), UndoArguments(run=kept.name, force=True), silent)


def test_a_value_that_is_still_being_built_is_nobody_elses_key(
    newest: Binary, start_server: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(values, "LARGEST_PAYLOAD", 0)
    server = start_server(newest)
    for number in range(20):
        server.client().rpush(f"list:{number}", "before")
    before = state(server)
    take(server, tmp_path)
    for number in range(20):
        server.client().rpush(f"list:{number}", "since")
    since = state(server)
    bring_back(server, tmp_path, mode="mirror", expiry="persist")
    assert_same(server, before)
    assert counts(take_back(server, tmp_path, force=True)) == {"put_back": 20}
    assert_same(server, since)


def test_another_server_than_the_one_restored_into_is_refused(source: Server, target: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    target.client().set("stays", "old")
    with pytest.raises(RefusedError, match=f"wrote to 127.0.0.1:{source.port}, .* set REDIS_URL as it was"):
        take_back(target, tmp_path)
    assert target.client().dbsize() == 1


def test_a_named_target_is_found_again(newest: Binary, start_server: StartServer, tmp_path: Path) -> None:
    source, staging = start_server(newest), start_server(newest)
    small(source, tmp_path)
    settings = settings_for(source, tmp_path, redis_targets={"staging": staging.url})
    before = state(source)
    report = restore(settings, RestoreArguments(name="latest", target="staging"), silent)
    assert undo(settings, UndoArguments(run=report["undo"]["name"]), silent)["deleted"] == 4
    assert staging.client().dbsize() == 0
    assert_same(source, before)
    with pytest.raises(NotFoundError, match="Nothing is kept that could undo 'some-run'"):
        undo(settings, UndoArguments(run="some-run"), silent)


def test_damage_that_a_manifest_vouches_for_is_found_before_the_first_key(source: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    before = state(source)
    (kept,) = kept_in(tmp_path)
    for name in (kept.name, kept.restored or ""):
        content = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(ArtifactError, match="has changed since it was written"):
            take_back(source, tmp_path, kept.name)
        (tmp_path / name).write_bytes(content)
    lying = kept.model_copy(update={"restore_arguments": {"name": kept.restored, "match": ["stays"]}})
    rewrite(Folder(tmp_path), lying)
    with pytest.raises(ArtifactError, match="does not fit the backup that was restored, so nothing was changed"):
        take_back(source, tmp_path, kept.name)
    assert_same(source, before)


def test_without_the_backup_that_was_restored_nothing_is_guessed(source: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    (kept,) = kept_in(tmp_path)
    delete(settings_for(source, tmp_path), DeleteArguments(name=kept.restored or ""))
    before = state(source)
    with pytest.raises(NotFoundError, match=f"is gone.* restore {kept.name} with the mode overwrite instead"):
        take_back(source, tmp_path)
    assert_same(source, before)


def test_pruning_keeps_an_undo_for_its_days_and_the_backup_that_it_needs(source: Server, tmp_path: Path) -> None:
    small(source, tmp_path)
    bring_back(source, tmp_path, mode="overwrite")
    backup, (kept,) = catalogue.read(Folder(tmp_path)).backups[0], kept_in(tmp_path)
    for _ in range(2):
        take(source, tmp_path)
    pruned = prune(settings_for(source, tmp_path, backup_keep=1), PruneArguments(), silent)
    reasons = {one["name"]: one["reason"] for one in pruned["kept"]}
    assert reasons[backup.name] == f"needed by {kept.name}, which can undo its restore"
    assert pruned["undos_kept"] == [{"name": kept.name, "reason": "a restore can be undone for 7 days"}]
    assert (len(pruned["kept"]), len(pruned["deleted"])) == (2, 1)
    old = aged(tmp_path, kept, days=7)
    # Only what has been backed up twice since its days were over is surely past.
    take(source, tmp_path)
    pruned = prune(settings_for(source, tmp_path, backup_keep=1), PruneArguments(), silent)
    assert {one["name"] for one in pruned["deleted"]} > {backup.name, old}
    assert kept_in(tmp_path) == []


def test_a_full_disk_refuses_the_restore_before_it_writes(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    server, storage, said = start_server(newest), tmp_path / "backups", tmp_path / "said"
    client = server.client()
    client.set("key", "old")
    take(server, storage)
    client.set("key", os.urandom(4 << 20))
    before, there = state(server), files(storage)

    def work() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        try:
            bring_back(server, storage, mode="overwrite")
        except StorageError as error:
            said.write_text(str(error))

    assert not killed(work)
    assert re.search("is full .*Nothing was restored, .*BACKUP_UNDO_DAYS=0", said.read_text())
    assert_same(server, before)
    assert files(storage) == there


@pytest.fixture
def many(newest: Binary, start_server: StartServer, tmp_path: Path) -> Server:
    """A server with 3,000 keys that were backed up, and have all changed since; some are new."""
    server = start_server(newest)
    server.client().mset({f"key:{number}": b"old" + os.urandom(200) for number in range(3000)})
    take(server, tmp_path)
    server.client().mset({f"key:{number}": b"new" + os.urandom(200) for number in range(500, 3500)})
    server.client().delete(*(f"key:{number}" for number in range(500)))
    return server


Work = Callable[[], object]


def dying(when: str, moment: int) -> Progress:
    """A progress that kills its process when it hears of a phase for that many times."""
    heard: list[int] = []

    def tell(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == when:
            heard.append(current)
        if len(heard) == moment:
            kill_myself()

    return tell


def while_in(phase: str, moment: int, server: Server, storage: Path, **arguments: Any) -> Work:
    """A restore that is killed then."""
    told = dying(phase, moment)
    return lambda: restore(settings_for(server, storage), RestoreArguments(name="latest", **arguments), told)


@pytest.mark.parametrize(
    ("phase", "mode"),
    [("keeping what is there", "skip"), ("keeping what is there", "mirror"), ("walking", "overwrite")],
)
def test_killed_before_all_is_kept_the_target_is_untouched(phase: str, mode: str, many: Server, tmp_path: Path) -> None:
    before = state(many)
    assert killed(while_in(phase, 1, many, tmp_path, mode=mode))
    assert_same(many, before)
    assert len(kept_in(tmp_path)) == (phase != "keeping what is there")
    assert [manifest.keys for manifest in kept_in(tmp_path)] in ([], [2500], [3000])
    prune(settings_for(many, tmp_path), PruneArguments(), silent)
    assert [name for name in files(tmp_path) if name.startswith(".")] == []


@pytest.mark.parametrize(("mode", "moment"), [("skip", 3), ("overwrite", 1)])
def test_a_restore_that_was_killed_is_undone(mode: str, moment: int, many: Server, tmp_path: Path) -> None:
    before = state(many)
    assert killed(while_in("restoring", moment, many, tmp_path, mode=mode))
    assert state(many) != before
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


@pytest.mark.parametrize("moment", [1, 3, 5])
def test_an_undo_that_was_killed_is_completed_by_the_next(moment: int, many: Server, tmp_path: Path) -> None:
    before = state(many)
    bring_back(many, tmp_path, mode="overwrite")
    restored = state(many)

    arguments = UndoArguments(run=kept_in(tmp_path)[0].name)
    assert killed(lambda: undo(settings_for(many, tmp_path), arguments, dying("undoing", moment)))
    assert state(many) not in (before, restored)
    assert kept_in(tmp_path)[0].undone_at is None
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


def test_a_target_that_fills_up_meanwhile_is_said_and_the_undo_goes_on_later(many: Server, tmp_path: Path) -> None:
    client = many.client()
    client.set("key:1", os.urandom(2 << 20))
    before = state(many)
    bring_back(many, tmp_path, mode="overwrite")
    client.config_set("maxmemory", client.info("memory")["used_memory"] + (1 << 20))
    with pytest.raises(TargetError, match=r"OOM .*Until then: [\d,]+ put back, [\d,]+ deleted") as caught:
        take_back(many, tmp_path)
    assert "Run the same again" in str(caught.value)
    assert kept_in(tmp_path)[0].undone_at is None
    client.config_set("maxmemory", 0)
    assert take_back(many, tmp_path)["left_alone"] == 0
    assert_same(many, before)


def test_two_restores_are_undone_one_after_the_other_newest_first(source: Server, tmp_path: Path) -> None:
    client = small(source, tmp_path)
    states = [state(source)]
    first = bring_back(source, tmp_path, mode="overwrite", match="*a*")["undo"]["name"]
    states.append(state(source))
    client.set("stays", "between")
    states.append(state(source))
    second = bring_back(source, tmp_path, mode="mirror")["undo"]["name"]
    take_back(source, tmp_path, second)
    assert_same(source, states[2])
    assert changed(take_back(source, tmp_path, first)) == [(0, "stays")]
    client.set("stays", "old")
    assert_same(source, states[0])


def test_from_a_shell_a_restore_says_how_to_undo_it_and_that_works(source: Server, tmp_path: Path) -> None:
    shell = Shell(source.url, tmp_path / "backups", tmp_path)
    client = small(source, shell.storage)
    before = state(source)
    done = shell("restore", "latest", "--mode", "overwrite", "--yes")
    (kept,) = kept_in(shell.storage)
    assert done.out.splitlines()[1] == f"It can be undone for 7 days: python -m worker undo {kept.name}"
    listed = shell("list")
    assert [line.split()[0] for line in listed.out.splitlines() if line.startswith("redis_backup")] == [
        kept.restored,
        kept.name,
    ]
    assert [one["name"] for one in shell("list", "--json").data["undos"]] == [kept.name]
    assert shell("stats", "--json").data["undos"] == {"count": 1, "bytes": kept.bytes.stored}
    assert shell("stats", "--json").data["count"] == 1
    client.set("stays", "theirs")
    asked = shell("undo", kept.undoes or "", answer="n\n")
    assert (asked.code, "Nothing was changed" in asked.err) == (1, True)
    assert f"Put 3 keys of 127.0.0.1:{source.port} back" in asked.err
    undone = shell("undo", kept.undoes or "", "--yes")
    assert undone.code == 0
    assert "2 put back, 1 deleted, 0 were as before, 1 left alone" in undone.out
    assert "left alone, for others have changed it since: database 0, stays" in undone.out
    assert f"python -m worker undo {kept.name} --force" in undone.err
    assert shell("undo", kept.name, "--yes").code == 1
    forced = shell("undo", kept.name, "--yes", "--force", "--json").data
    assert counts(forced) == {"put_back": 1, "as_before": 3}
    assert_same(source, before)


def test_a_user_who_may_not_read_the_target_restores_nothing_unless_told_that_nothing_is_kept(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = start_server(newest), start_server(newest)
    small(source, tmp_path / "backups")
    rights = "~* +info +select +time +restore +function|load"
    shell = Shell(let_in(target, rights), tmp_path / "backups", tmp_path)
    refused = shell("restore", "latest")
    assert refused.code == 1
    assert re.search(r"NOPERM.*Nothing was restored, .*BACKUP_UNDO_DAYS=0 a restore keeps nothing\.", refused.err)
    assert target.client().dbsize() == 0
    assert shell("restore", "latest", BACKUP_UNDO_DAYS="0").code == 0
    assert target.client().dbsize() == 4


def test_a_call_undoes_a_restore_that_is_known(web_app: Web) -> None:
    script = web_app.with_token("restore")
    unknown = script.post("/api/backup/undo", json={"run": "some-run"})
    assert (unknown.status_code, "could undo 'some-run'" in unknown.get_data(as_text=True)) == (404, True)
    assert web_app.with_token("backup").post("/api/backup/undo", json={"run": "some-run"}).status_code == 403
    storage = open_storage(str(web_app.storage))
    storage.put("redis_backup_20231205_143022.rdb", b"content")
    manifest = manifest_of("redis_backup_20231205_143022.rdb", b"content")
    catalogue.add(storage, manifest.model_copy(update={"kind": "undo", "undoes": "some-run"}))
    answer = script.post("/api/backup/undo", json={"run": "some-run"})
    assert answer.status_code == 202
    with open_runs(web_app.settings) as runs:
        run = runs.get(answer.get_json()["result_id"])
    assert run is not None
    assert (run.operation, run.arguments) == ("undo", {"run": "some-run"})


@pytest.mark.parametrize("told", [{}, {"run": ""}, {"run": "x", "force": 1}, {"run": "x", "mode": "skip"}])
def test_wrong_arguments_are_refused(told: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        UndoArguments.model_validate(told)
