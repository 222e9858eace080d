"""Whatever ends the writing: each key that was taken has an outcome, or is one that may be there."""

from typing import Any

import pytest
from redis.exceptions import TimeoutError as RedisTimeoutError

from tests.conftest import StartServer
from tests.support.backups import Given, endpoint
from tests.support.servers import Binary
from worker.formats.entries import Entry
from worker.restore.target.report import Report
from worker.restore.target.writer import AHEAD, BATCH_KEYS, Writing
from worker.server import throttle
from worker.server.throttle import Pace
from worker.server.wire import Wire


class Silent(Wire):
    """A wire to a server that falls silent after so many batches."""

    answered = 0

    def gather(self, expected: int, into: list[Any]) -> None:
        if not self.answered:
            raise RedisTimeoutError("nothing came")
        self.answered -= 1
        super().gather(expected, into)


@pytest.mark.parametrize("answered", [0, 1, 3])
def test_of_a_server_that_falls_silent_all_that_was_sent_may_be_there(
    answered: int, newest: Binary, start_server: StartServer
) -> None:
    source = endpoint(start_server(newest), hurried=True)
    batches = [
        [Entry(0, b"k:%d:%d" % (batch, place), None, "string", b"\x00\x01v") for place in range(BATCH_KEYS)]
        for batch in range(2 * AHEAD)
    ]
    report = Report()
    with Silent(source) as wire:
        writing = Writing(wire, "overwrite", report, (7, 0), Pace(source))
        wire.answered = answered
        with pytest.raises(RedisTimeoutError):
            list(writing.run(Given([entry for batch in batches for entry in batch], rdb_version=9)))
    assert (report.restored > 0) == (answered > 0)
    assert 0 < report.unconfirmed < len(batches) * BATCH_KEYS
    assert report.restored + report.unconfirmed == report.taken


def test_what_we_ask_ourselves_is_no_traffic_of_others(
    newest: Binary, start_server: StartServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that is built takes many commands, and whatever is on its way at a look would count as theirs."""
    monkeypatch.setattr(throttle, "FIRST_LOOK_SECONDS", 0)
    monkeypatch.setattr(throttle, "LOOK_SECONDS", 0)
    monkeypatch.setattr(throttle, "JUDGED_SECONDS", 0)
    source, rates = endpoint(start_server(newest)), list[float]()
    fields: list[tuple[bytes, bytes, int | None]] = [(b"field", b"value", None)]
    entries = [Entry(0, b"k:%d" % number, None, "hash", None, fields) for number in range(20 * BATCH_KEYS)]
    pace, report = Pace(source), Report()
    monkeypatch.setattr(pace, "_judge", rates.append)
    pace.gentle = False
    with Wire(source) as wire:
        list(Writing(wire, "overwrite", report, (7, 0), pace).run(Given(entries)))
    assert report.restored == len(entries)
    assert len(rates) > 10
    assert set(rates) == {0.0}
