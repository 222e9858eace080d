"""How many keys of a backup are meant."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.backups import settings_for, take
from tests.support.servers import Binary
from worker.arguments.questions import CountArguments
from worker.progress import silent
from worker.restore.selection.count import count


@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_keys_are_counted_that_a_restore_would_mean(
    newest: Binary, start_server: StartServer, tmp_path: Path, data_format: str
) -> None:
    source = start_server(newest)
    source.client().mset({f"user:{number}": "x" for number in range(30)} | {"bot": "x", r"odd\x": "x"})
    source.client(3).hset("user:1", "name", "Ann")
    take(source, tmp_path / "backups", format=data_format)
    for selection, fit in (
        ({}, 33),
        ({"keys": ["user:1", "bot", "nothing", r"odd\\x"]}, 4),
        ({"keys": ["user:1"], "databases": [3]}, 1),
        ({"match": "user:1*"}, 12),
        ({"match": "user:1*", "keys": ["bot"], "exclude": "*9"}, 12),
        ({"keys": ["user:1"], "types": ["hash"]}, 1),
    ):
        arguments: dict[str, Any] = {"name": "latest", **selection}
        counted = count(settings_for(source, tmp_path / "backups"), CountArguments(**arguments), silent)
        assert (counted["keys"], counted["of"]) == (fit, 33), selection
