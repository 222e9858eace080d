"""A target that is too small for what comes key by key: refused beforehand, or stopped in time, and it keeps every key of its own."""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.faults.fixtures import WireTo
from tests.faults.moments import Asked
from tests.faults.room import OWN, POLICIES, SHARES, limit, own, owned, used
from tests.support.backups import bring_back, settings_for
from tests.support.states import assert_same, state
from worker.arguments.restore import RestoreArguments, UndoArguments
from worker.errors import BackupSystemError, RefusedError, TargetError
from worker.progress import silent
from worker.restore.restore import check_complete, restore
from worker.restore.undo.undo import undo


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
