"""One restore, described: what is read of its backup, as often as somebody wants to know."""

from dataclasses import FrozenInstanceError
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from tests.support.backups import endpoint, settings_for, take
from tests.support.servers import Server
from worker.arguments.restore import Request
from worker.formats.entries import Entry
from worker.progress import silent
from worker.restore.selection.plan import Plan, opened


def entries(plan: Plan) -> list[Entry]:
    return [entry for batch in plan.stream().batches() for entry in batch]


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_plan_is_read_from_its_start_each_time(source: Server, tmp_path: Path, data_format: Any) -> None:
    names = {b"key:%d" % number for number in range(2000)}
    source.client().mset({name.decode(): "value" for name in names})
    take(source, tmp_path, format=data_format)
    with opened(settings_for(source, tmp_path), Request(name="latest"), endpoint(source), silent) as plan:
        whole = plan.stream()
        assert len(list(islice(plan.stream().batches(), 1))) == 1, "a reading that breaks off leaves the file somewhere"
        assert {entry.key for batch in whole.batches() for entry in batch} == names
        assert {entry.key for entry in entries(plan)} == names
        assert b"".join(plan.chunks()) == b"".join(plan.chunks()) != b""


def test_a_plan_of_another_moment_is_another_plan(source: Server, tmp_path: Path) -> None:
    source.client().set("key", "value", px=3_600_000)
    take(source, tmp_path)
    request = Request(name="latest", expiry="floor:7200")
    with opened(settings_for(source, tmp_path), request, endpoint(source), silent) as plan:
        later = plan.as_of(plan.at + 1000)
        assert later.at == plan.at + 1000
        assert [entry.expires_at for entry in entries(plan)] == [plan.at + 7_200_000]
        assert [entry.expires_at for entry in entries(later)] == [plan.at + 7_201_000]
        with pytest.raises(FrozenInstanceError):
            plan.at = 0  # type: ignore[misc]


def test_a_plan_begins_by_the_targets_clock(source: Server, tmp_path: Path) -> None:
    take(source, tmp_path)
    with opened(settings_for(source, tmp_path), Request(name="latest"), endpoint(source), silent) as plan:
        before, at, after = source.client().time(), plan.as_of_now().at, source.client().time()
    assert before[0] * 1000 + before[1] // 1000 <= at <= after[0] * 1000 + after[1] // 1000
