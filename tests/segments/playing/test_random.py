"""Each visit is a moment, and what is made of it is what the source was: commands of many kinds, at random."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.segments.test_visits import write_at_random
from tests.support.backups import fill_all
from tests.support.servers import Binary
from tests.support.states import state
from tests.support.streams import BACKLOG, Streamed, assert_played
from worker.arguments.restore import RestoreArguments
from worker.progress import silent
from worker.restore.restore import restore


@pytest.mark.slow
@pytest.mark.every_server
def test_each_visit_of_random_writes_comes_back(binary: Binary, start_server: StartServer, tmp_path: Path) -> None:
    source, target = start_server(binary, *BACKLOG), start_server(binary)
    streamed = Streamed(source, tmp_path, {"redis_targets": {"other": target.url}})
    fill_all(source)
    streamed.take()
    streamed.visit()
    moments = []
    for seed in range(4):
        write_at_random(source, seed)
        moments.append((streamed.visit()["to"], state(source, times=False)))
    for offset, then in moments:
        request = RestoreArguments(name=f"@offset:{offset}", mode="mirror", target="other")
        assert restore(streamed.settings, request, silent)["failed"] == 0
        assert_played(then, target)
