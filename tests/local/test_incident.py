"""`make demo`: what it damages, what it leaves alone, and that a restore puts it right."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from local import demo, incident
from tests.conftest import StartServer
from tests.support.backups import bring_back, take
from tests.support.processes import ROOT, environment, run
from tests.support.servers import Binary, Server
from tests.support.states import assert_same, state
from worker.config import settings
from worker.config.settings import Settings
from worker.errors import BackupSystemError, UsageError


@pytest.fixture
def source(newest: Binary, start_server: StartServer, monkeypatch: pytest.MonkeyPatch) -> Server:
    """A Redis with the demo data, which the settings name."""
    server = start_server(newest)
    demo.fill(server.port, int(time.time()))
    given = Settings(redis_url=server.url)
    monkeypatch.setattr(settings, "load", lambda: given)
    monkeypatch.setenv("REDIS_URL", server.url)
    return server


@pytest.fixture
def known(source: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The same as the demo Redis of this tree."""
    client: Any = source.client()
    monkeypatch.setattr(incident, "FOLDER", Path(client.config_get("dir")["dir"]))
    return source


def test_what_it_damages_is_what_it_says_and_a_restore_puts_it_right(known: Server, tmp_path: Path) -> None:
    client: Any = known.client()
    before = state(known)
    take(known, tmp_path)
    said = incident.damage(client)
    assert said == {"users": 300, "chats": 160}
    assert client.hget("user:1", "language") is None
    assert client.exists("chat:1:title") == 0
    with pytest.raises(json.JSONDecodeError):
        json.loads(client.get("settings:bot"))
    bring_back(known, tmp_path, mode="overwrite")
    assert_same(known, before)


def test_it_is_played_after_a_backup_and_says_what_to_do(
    known: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BACKUP_STORAGE", str(tmp_path / "backups"))
    said = incident.play(None)
    assert "300 of the users" in said
    assert "Something is wrong with my" in said
    assert [*(tmp_path / "backups").glob("*.manifest.json")]


def test_without_a_backup_nothing_is_damaged(known: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = state(known)
    monkeypatch.setenv("BACKUP_ENGINE", "none of these")
    with pytest.raises(BackupSystemError, match="nothing is damaged"):
        incident.play(None)
    assert_same(known, before)


def test_a_server_that_is_away_comes_back_by_itself(known: Server) -> None:
    assert "for 1 seconds" in incident.play(1)
    begun = time.monotonic()
    assert known.client().ping()
    assert time.monotonic() > begun


def test_any_other_redis_is_left_alone(source: Server) -> None:
    before = state(source)
    with pytest.raises(UsageError, match="nothing was touched"):
        incident.play(None)
    assert_same(source, before)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        ((), 2, "No demo Redis answers: start `make run` in another terminal first"),
        (("--away", "0"), 2, "between 1 and 600 seconds"),
    ],
)
def test_what_cannot_be_played_is_one_sentence(words: tuple[str, ...], code: int, sentence: str) -> None:
    env = environment(REDIS_URL="redis://127.0.0.1:1/0")
    told = run(sys.executable, "-m", "local.incident", *words, env=env, cwd=ROOT, forked=False)
    assert (told.code, sentence in told.err) == (code, True)
    assert "Traceback" not in told.err
