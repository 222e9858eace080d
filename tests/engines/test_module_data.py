"""What a backup says of data that modules put beside the keys: a mirror by replication would bring it along."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import take
from tests.support.servers import Binary


@pytest.mark.parametrize(("engine", "form"), [("replication", "rdb"), ("scan", "rdb"), ("typed", "json")])
def test_a_server_without_modules_has_none(
    engine: str, form: str, newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    source = start_server(newest)
    source.client().set("key", "x")
    made = take(source, tmp_path, engine=engine, format=form)
    assert (made["engine"], made["module_data"]) == (engine, False)
