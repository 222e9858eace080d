"""A peer that says nothing more, and does not hang up: as behind a firewall that has forgotten the connection.

| fault | moment | outcome |
|---|---|---|
| the source falls silent | in the middle of a snapshot, of a DUMP, of a value | ends, says so, and nothing is listed |
| the target falls silent | in the middle of its answers to RESTORE | ends with counts, completed by the next |
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.faults.fixtures import WireTo
from tests.faults.moments import Moment, Reply
from tests.support.backups import bring_back, files, settings_for, take
from tests.support.given import stored, string
from tests.support.servers import Binary
from worker.arguments.backups import BackupArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup
from worker.errors import SourceUnavailableError, TargetUnavailableError
from worker.formats.entries import Entry
from worker.progress import silent
from worker.restore.restore import restore

KEYS = 3000
# Longer than what passes at once, so that an answer of one command is cut as well.
LONG = 1 << 20
SILENT = "did not answer in time while"
# The test would wait for ever, were it not ended.
pytestmark = [pytest.mark.usefixtures("impatient"), pytest.mark.timeout(120)]


@pytest.mark.parametrize(
    ("engine", "moment"),
    [
        ("replication", Reply(b"PSYNC", at=100_000)),
        ("scan", Reply(b"DUMP", at=LONG // 2, of=b"long")),
        ("typed", Reply(b"GET", at=LONG // 2, of=b"long")),
    ],
    ids=str,
)
def test_a_source_that_falls_silent_in_the_middle_is_left(
    engine: Any, moment: Moment, newest: Binary, start_server: StartServer, wire_to: WireTo, storage: Path
) -> None:
    source = start_server(newest)
    source.client().mset({f"key:{number}": f"value {number}" * 10 for number in range(KEYS)})
    source.client().set("long", os.urandom(LONG))
    line = wire_to(source)
    fault = line.pause(moment)
    arguments = BackupArguments(engine=engine, format="json" if engine == "typed" else "rdb", compression="none")
    with pytest.raises(SourceUnavailableError, match=SILENT):
        backup(settings_for(source, storage, redis_url=line.url), arguments, silent)
    assert fault.happened
    assert files(storage) == []
    line.heal()
    assert take(source, storage, engine=engine, format=arguments.format)["keys"] == KEYS + 1


def test_a_target_that_falls_silent_in_the_middle_is_left_and_the_next_restore_completes_it(
    newest: Binary, start_server: StartServer, wire_to: WireTo, tmp_path: Path
) -> None:
    target = start_server(newest)
    stored(tmp_path, [Entry(0, b"key:%d" % number, None, "string", string(b"x")) for number in range(KEYS)])
    line = wire_to(target)
    fault = line.pause(Reply(b"RESTORE", nth=KEYS // 2))
    settings = settings_for(target, tmp_path, redis_url=line.url, backup_undo_days=0, backup_pace="full")
    with pytest.raises(TargetUnavailableError, match=SILENT) as caught:
        restore(settings, RestoreArguments(name="latest", mode="overwrite"), silent)
    assert fault.happened
    confirmed = re.search(r"Until then: ([\d,]+) restored", str(caught.value))
    assert confirmed is not None
    assert 0 < int(confirmed[1].replace(",", "")) <= target.client().dbsize()
    assert bring_back(target, tmp_path, mode="overwrite")["restored"] == target.client().dbsize() == KEYS
