"""Visits as tasks of a real worker: on their queue, with a base that is made by itself, and stored when their hour is over."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import CANARY, eventually
from tests.support.works import Works

pytestmark = pytest.mark.slow


def test_the_first_visits_get_a_base_made_and_then_bring_what_comes(works: Works) -> None:
    first = works.do("visit")
    assert first["wants_base"] is True
    eventually(lambda: len(works.manifests) == 1, lambda: works.worker.said)
    works.source.client().set("key", "value")

    def brought() -> bool:
        outcome: dict[str, Any] = works.do("visit")
        return bool(outcome["base"]) and outcome["gap"] is None

    eventually(brought, lambda: works.worker.said)
    assert works.secrets_told() == []


def test_what_is_whole_of_the_stream_is_stored_and_read_by_thirty_lines(works: Works, tmp_path: Path) -> None:
    works.source.client().set("seen", "by anybody")
    works.do("visit")
    growing = next((works.folder / "var/stream").glob("*/*.growing"))
    growing.rename(growing.with_suffix(".whole"))
    sealed = works.do("seal")["sealed"]
    assert [(works.storage / name).exists() for name in sealed] == [True]
    assert (works.storage / f"{sealed[0]}.segment.json").exists()
    guide = (Path(__file__).parents[2] / "docs/format.md").read_text()
    program = guide.rpartition("```python\n")[2].partition("```")[0]
    (tmp_path / "read.py").write_text(program)
    said = subprocess.run(
        [sys.executable, str(tmp_path / "read.py"), str(works.storage / sealed[0])],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "[b'SET', b'seen', b'by anybody']" in said.stdout
    assert works.do("seal") == {"sealed": [], "copied": 0, "warnings": []}


def test_a_moment_is_previewed_and_then_restored_as_it_was_seen(works: Works) -> None:
    eventually(lambda: works.do("visit")["base"], lambda: works.worker.said)
    client = works.source.client()
    client.set("a moment ago", "was written")
    works.do("visit")
    number = client.dbsize()
    client.flushall()
    works.do("visit")
    seen = works.send("preview", name="@before:FLUSHALL", mode="mirror")
    told = seen.result()
    assert told["counts"]["new"] == number
    restored = works.send("restore", name="@before:FLUSHALL", mode="mirror", preview=seen.id)
    assert restored.result()["name"] == told["name"]
    assert (client.dbsize(), client.get("a moment ago")) == (number, b"was written")
    works.do("visit")
    assert works.do("preview", name=f"@before:{restored.id}", mode="mirror")["counts"]["deleted"] == number
    assert "There is no moment at offset" in works.failure("restore", name="@offset:999999999999")
    assert works.secrets_told() == []


def test_what_happened_and_each_write_are_asked_of_a_worker_which_keeps_values_apart(works: Works) -> None:
    eventually(lambda: works.do("visit")["base"], lambda: works.worker.said)
    works.source.client().set("seen once", CANARY)
    works.source.client().flushall()
    works.do("visit")
    told = works.do("happened", since="-1h")
    assert told["totals"]["commands"]["FLUSHALL"] >= 1
    written = works.do("writes", key="seen once", show=True)["writes"][:2]
    assert [(row["command"], row["did"]) for row in written] == [("FLUSHALL", "emptied"), ("SET", "written")]
    assert [row["rows"] for row in written] == [None, None]
    assert works.secrets_told() == []
