"""A mirror that the target could not hold is refused, one that fits in the place of what is there is not."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.room import OWN, POLICIES, SHARES, limit, own, owned, used
from tests.support.backups import bring_back, endpoint, settings_for
from worker.arguments.restore import PreviewArguments
from worker.errors import IncompleteError, RefusedError
from worker.progress import silent
from worker.repository import catalogue
from worker.restore.mirror import mirror
from worker.restore.preview.preview import preview
from worker.restore.restore import check_complete
from worker.server.info import read_facts
from worker.storage.local import Folder


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
    assert catalogue.read(Folder(tmp_path)).undos == [], "nothing was restored, so there is nothing to undo"
