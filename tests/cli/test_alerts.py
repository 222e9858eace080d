"""`alerts` and `silence` from a shell: what is wrong, for people, for programs, and as an exit code."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.processes import Ended, Shell
from tests.support.servers import binaries
from worker.alerts import memory
from worker.alerts.memory import Alert, Change, Memory
from worker.config.settings import Settings


def ago(**span: float) -> datetime:
    """A moment before now, which is another one in each test."""
    return datetime.now(UTC) - timedelta(**span)


@pytest.fixture
def broker(start_server: StartServer) -> str:
    return start_server(binaries()[-1]).url


@pytest.fixture
def shell(broker: str, tmp_path: Path) -> Shell:
    return Shell("redis://127.0.0.1:1/0", tmp_path / "backups", tmp_path, nowhere=broker)


def alert(key: str, level: str = "bad", **more: Any) -> Alert:
    words: dict[str, Any] = dict.fromkeys(("event", "advice", "over"), "Mend it.")
    times = {"since": ago(hours=2), "opened_at": ago()}
    return Alert.model_validate(
        words | times | {"key": key, "level": level, "path": "/", "headline": "Wrong", "sentence": "It is so."} | more
    )


def known(broker: str, *alerts: Alert, ended: tuple[Alert, ...] = (), **more: Any) -> None:
    usual: dict[str, Any] = {"since": ago(), "seen_at": ago()}
    remembered = Memory(alerts={one.key: one for one in alerts}, **(usual | more))
    memory.change(Settings(celery_broker_url=broker), lambda _: Change(remembered, [*ended]))


@pytest.mark.parametrize(("levels", "code"), [((), 0), (("warning",), 4), (("bad",), 5), (("warning", "bad"), 5)])
def test_the_exit_code_says_how_bad_it_is(broker: str, shell: Shell, levels: tuple[str, ...], code: int) -> None:
    known(broker, *(alert(f"key.{level}", level) for level in levels))
    ended = shell("alerts")
    assert (ended.code, ended.err) == (code, "")
    assert ended.out.count("Wrong, since 2 hours ago") == len(levels)
    assert ("Nothing is wrong." in ended.out) == (not levels)
    data = shell("alerts", "--json")
    assert data.code == code
    assert [one["level"] for one in data.data["alerts"]] == sorted(levels)


def test_where_nobody_looks_that_is_bad(broker: str, shell: Shell) -> None:
    nobody(shell("alerts"), "so far")
    known(broker, seen_at=ago(hours=1))
    nobody(shell("alerts"), "since")


def nobody(ended: Ended, when: str) -> None:
    assert ended.code == 5
    assert f"Nobody has looked {when}" in ended.err
    assert "Nothing is wrong" not in ended.out


def test_without_the_broker_it_fails(shell: Shell) -> None:
    ended = shell("alerts", CELERY_BROKER_URL="redis://127.0.0.1:1/0")
    assert ended.code == 1
    assert "The broker does not answer" in ended.err


def test_the_history_says_for_how_long(broker: str, shell: Shell) -> None:
    assert "Nothing was wrong so far." in shell("alerts", "--history").out
    known(broker, ended=(alert("backup.failed", ended_at=ago(minutes=59)),))
    ended = shell("alerts", "--history")
    assert ended.code == 0
    assert "for 1 hour: Wrong (backup.failed)" in ended.out


def test_what_is_silenced_counts_for_nothing_until_that_ends(broker: str, shell: Shell) -> None:
    known(broker, alert("backup.failed"))
    silenced = shell("silence", "backup.failed", "--hours", "2")
    assert (silenced.code, silenced.err) == (0, "")
    assert "backup.failed is silent until" in silenced.out
    ended = shell("alerts")
    assert (ended.code, "silent until" in ended.out) == (0, True)
    assert shell("silence", "backup.failed", "--hours", "0").code == 0
    assert shell("alerts").code == 5
    assert "There is no alert 'nothing' open" in shell("silence", "nothing", "--hours", "2").err
