"""A connection that ends in the midst of a large value: that is told as such, with exact counts."""

import os
from pathlib import Path

import pytest

from tests.faults.line import Line
from tests.faults.moments import Asked
from tests.faults.scenes import by_way_of, taken
from tests.faults.sweeps import sweep
from tests.support.servers import Server
from worker.arguments.restore import RestoreArguments
from worker.errors import TargetUnavailableError
from worker.progress import silent
from worker.restore.restore import restore

KEYS, BYTES = 6, 6 << 20


@pytest.mark.slow
@sweep("how", ["closed", "reset"])
@pytest.mark.parametrize("data_format", ["rdb", "json"])
def test_a_restore_whose_connection_ends_in_a_large_value(
    data_format: str, how: str, server: Server, line: Line, storage: Path
) -> None:
    for number in range(KEYS):
        server.client().set(f"key:{number}", os.urandom(BYTES))
    taken(line, storage, format=data_format)
    server.client().flushall()
    command = b"RESTORE" if data_format == "rdb" else b"SET"
    fault = line.cut(Asked(command, of=b"key:3"), reset=how == "reset")
    with pytest.raises(TargetUnavailableError, match=r"(broke|closed) the connection .* Until then") as caught:
        restore(by_way_of(line, storage, backup_undo_days=0), RestoreArguments(name="latest"), silent)
    assert fault.happened
    report, there = caught.value.report, server.client().dbsize()
    assert report is not None
    assert report["restored"] <= there <= report["restored"] + report["unconfirmed"]
    assert there < KEYS
