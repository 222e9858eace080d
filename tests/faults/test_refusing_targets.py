"""A target that takes nothing more, from some moment on: the restore ends there, and does not fail key by key to its end.

| fault | moment | outcome |
|---|---|---|
| it becomes a replica | in the middle of a restore | ends with exact counts, no key counts as failed, completed by the next |
| it wants replicas that it has not | the same | the same |
| it could not save itself | the same | the same |
| its memory is full | the same | the same |
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.moments import Asked
from tests.support.backups import asking, bring_back, settings_for
from tests.support.given import stored, string
from tests.support.processes import eventually
from tests.support.servers import Binary, Server, free_port
from worker.arguments.restore import RestoreArguments
from worker.errors import TargetError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.restore.restore import restore

KEYS = 5000


def _becomes_a_replica(target: Server) -> Callable[[], object]:
    asking(target).execute_command("REPLICAOF", "127.0.0.1", free_port())
    return lambda: asking(target).execute_command("REPLICAOF", "NO", "ONE")


def _wants_replicas(target: Server) -> Callable[[], object]:
    name = "min-replicas-to-write"
    target.client().config_set(name, 1)
    return lambda: target.client().config_set(name, 0)


def _cannot_save(target: Server) -> Callable[[], object]:
    in_the_way = target.folder / "dump.rdb"
    in_the_way.mkdir()
    target.client().config_set("save", "3600 1")
    target.client().bgsave()
    eventually(lambda: target.client().info("persistence")["rdb_last_bgsave_status"] == "err", "the save to fail")
    return lambda: target.client().config_set("stop-writes-on-bgsave-error", "no")


def _is_full(target: Server) -> Callable[[], object]:
    target.client().config_set("maxmemory", 1)
    return lambda: target.client().config_set("maxmemory", 0)


REFUSALS = {"READONLY": _becomes_a_replica, "NOREPLICAS": _wants_replicas, "MISCONF": _cannot_save, "OOM": _is_full}


@pytest.mark.parametrize("word", REFUSALS)
def test_what_every_further_key_would_meet_ends_a_restore(
    word: str, newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> None:
    target = start_server(newest)
    given = [Entry(0, b"key:%d" % number, None, "string", string(b"x")) for number in range(KEYS)]
    stored(tmp_path, given)
    line = wire_to(target)
    mended: list[Callable[[], object]] = []
    # The first RESTORE is a question: whether it would be taken.
    fault = line.call(Asked(b"RESTORE", nth=KEYS // 2), lambda: mended.append(REFUSALS[word](target)))
    settings = settings_for(target, tmp_path, redis_url=line.url, backup_undo_days=0, backup_pace="full")
    with pytest.raises(TargetError, match=word) as caught:
        restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert fault.happened
    report = caught.value.report
    assert report is not None
    assert (report["failed"], report["cut_short"]) == (0, True)
    assert 0 < report["restored"] < KEYS
    mended[0]()
    assert bring_back(target, tmp_path, mode="overwrite")["restored"] == target.client().dbsize() == KEYS
