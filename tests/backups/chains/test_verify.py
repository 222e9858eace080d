"""A chain is verified by a server that plays it: it holds as many keys as the source was seen to hold."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.segments.playing import scenes
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed
from worker.arguments.backups import VerifyArguments
from worker.backups.verify import verify
from worker.errors import ArtifactError, NotFoundError, UsageError
from worker.progress import silent
from worker.segments.playing import noted


@pytest.fixture
def streamed(binary: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    streamed = Streamed(start_server(binary, *BACKLOG), tmp_path)
    scenes.before(streamed.source)
    streamed.take()
    return streamed


@pytest.mark.every_server
def test_a_chain_holds_as_many_keys_as_were_seen(streamed: Streamed) -> None:
    streamed.visit()
    scenes.after(streamed.source)
    end = streamed.visit()["to"]
    result = verify(streamed.settings, VerifyArguments(name=f"@offset:{end}"), silent)
    assert (result["keys"], result["contents"]) == (len(scenes.KEYS), True)
    assert result["name"].startswith(f"@offset:{end}:")
    assert "made from redis_backup" in result["warnings"][0]
    assert [*(streamed.folder / "cache/moments").iterdir()] == []


def test_one_that_does_not_is_said_to_be_none(streamed: Streamed, monkeypatch: pytest.MonkeyPatch) -> None:
    streamed.visit()
    scenes.after(streamed.source)
    end = streamed.visit()["to"]
    monkeypatch.setattr(
        "worker.backups.chains.verify.last_noted",
        lambda *arguments: (noted.last_noted(*arguments)[0], {0: 3, 5: 0}),
    )
    with pytest.raises(ArtifactError, match="keys in database 12, and the source had 3 keys in database 0"):
        verify(streamed.settings, VerifyArguments(name=f"@offset:{end}"), silent)


def test_it_is_verified_at_home_and_where_keys_were_counted(streamed: Streamed) -> None:
    streamed.visit()
    scenes.after(streamed.source)
    streamed.visit()
    with pytest.raises(UsageError, match="as it lies at home"):
        verify(streamed.settings, VerifyArguments(name="@before:SET", storage=str(streamed.storage)), silent)
    with pytest.raises(NotFoundError, match="no visit has noted yet"):
        verify(streamed.settings, VerifyArguments(name="@before:INCR"), silent)
