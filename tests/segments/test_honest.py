"""No moment is offered that the source never was at: not between two visits, not behind a gap, not by what somebody else wrote."""

import random
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import eventually
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed
from worker.errors import NotFoundError, SourceError, UsageError
from worker.segments.frame import frames_of, opening_of


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source without data, of which there is a backup, and which was visited once."""
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    return streamed


def test_a_moment_between_two_visits_is_the_first_of_them_however_much_the_second_brings(streamed: Streamed) -> None:
    streamed.source.client().set("before", "1")
    before = streamed.visit()["to"]
    at = datetime.now(UTC)
    time.sleep(0.05)
    for number in range(40):
        streamed.source.client().set(f"later:{number}", b"x" * 100_000)
    streamed.visit()
    assert streamed.find(at=at + timedelta(milliseconds=20)).offset == before


def test_a_source_that_cannot_be_followed_any_more_has_no_moments(streamed: Streamed) -> None:
    streamed.source.client().set("before", "1")
    streamed.visit()
    streamed.source.stop()
    streamed.source.start()
    streamed.source.client().set("after", "1")
    assert streamed.visit()["gap"]
    at = datetime.now(UTC)
    time.sleep(0.02)
    assert streamed.visit()["follows"] is False
    with pytest.raises(NotFoundError, match="the last before it"):
        streamed.find(at=at)


def test_what_others_publish_as_a_time_is_no_mark(streamed: Streamed) -> None:
    for said in ("99999999999999999999", "1", "9999999999999", "x", "-1"):
        streamed.source.client().publish("backup:time", said)
    end = streamed.visit()["to"]
    assert streamed.find().offset == end
    with next(streamed.stream.glob("*.growing")).open("rb") as file:
        opening_of(file)
        assert [frame.marks for frame, _ in frames_of(file)] == [()]


def test_a_transaction_full_of_marks_leaves_a_line_that_can_be_read(streamed: Streamed) -> None:
    pipe = streamed.source.client().pipeline(transaction=True)
    now = int(time.time() * 1000)
    for _ in range(30_000):
        pipe.publish("backup:time", now)
    pipe.execute()
    end = streamed.visit()["to"]
    streamed.source.client().set("after", "1")
    assert streamed.visit()["from"] == end
    assert streamed.visit()["gap"] is None


def test_a_segment_that_was_exchanged_is_not_played(streamed: Streamed) -> None:
    """Its frames may fit: who changes them changes what they say of themselves, and only the document is signed."""
    streamed.source.client().set("key", "good")
    streamed.visit()
    (name,) = streamed.end_the_hour()["sealed"]
    assert b"good" in b"".join(streamed.find().commands())
    path = streamed.storage / name
    content = path.read_bytes()
    place = content.index(b'"until":') + len(b'"until":')
    path.write_bytes(content[:place] + b"2" + content[place + 1 :])
    with pytest.raises(NotFoundError, match="has changed since it was written"):
        streamed.find()


@pytest.mark.slow
def test_a_source_that_loads_its_data_has_not_lost_its_history(
    newest: Binary, start_server: StartServer, tmp_path: Path
) -> None:
    chance = random.Random(1)  # noqa: S311 - the same each time
    slowly = ("--key-load-delay", "10000", "--loading-process-events-interval-bytes", "1024")
    streamed = Streamed(start_server(newest, *BACKLOG, *slowly), tmp_path)
    streamed.take()
    streamed.source.client().mset({f"key:{number}": chance.randbytes(2000) for number in range(1000)})
    before = streamed.visit()["to"]
    streamed.source.client().shutdown(save=True)
    streamed.source.process.wait()
    streamed.source.start()
    assert streamed.source.client().info("persistence")["loading"] == 1
    with pytest.raises(SourceError):
        streamed.visit()
    streamed.source.client().config_set("key-load-delay", 0)
    assert eventually(lambda: streamed.source.client().info("persistence")["loading"] == 0)
    after = streamed.visit()
    assert (after["gap"], after["from"]) == (None, before)


def test_the_same_offset_of_two_histories_is_asked_about(streamed: Streamed) -> None:
    streamed.source.client().set("first", "1")
    offset = streamed.visit()["to"]
    first = streamed.find(offset=offset)
    streamed.source.stop()
    streamed.source.start()
    streamed.visit()
    streamed.take()
    for _ in range(9):
        streamed.source.client().set("second", "2")
    streamed.visit()
    with pytest.raises(UsageError, match=f"@offset:{offset}:{first.history[:8]}"):
        streamed.find(offset=offset)
    assert streamed.find(offset=offset, history=first.history[:8]).base == first.base
    with pytest.raises(NotFoundError):
        streamed.find(offset=offset, history="no")
