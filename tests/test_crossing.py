"""From each server into each other one, by rdb and by json: all that the target can hold is there, the rest is named."""

from itertools import permutations
from pathlib import Path

import pytest

from tests.backups import bring_back, fill_all, take
from tests.conftest import StartServer
from tests.servers import Binary, binaries
from tests.states import assert_same

CROSSINGS = [pytest.param(one, other, id=f"{one}-to-{other}") for one, other in permutations(binaries(), 2)]


@pytest.mark.parametrize("data_format", ["rdb", "json"])
@pytest.mark.parametrize(("origin", "destination"), CROSSINGS)
def test_what_one_server_held_is_in_another(
    origin: Binary, destination: Binary, data_format: str, start_server: StartServer, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(origin)), start_server(destination)
    made = take(source, tmp_path, format=data_format)
    report = bring_back(target, tmp_path)
    assert (report["restored"], report["failed"]) == (made["keys"], 0)
    assert_same(source, target, times=False)
    told = " ".join(report["warnings"])
    assert ("no functions" in told) == (destination.version < (7, 0) <= origin.version)
    assert ("lose the expiry of single fields" in told) == (origin.fields_expire and not destination.fields_expire)
