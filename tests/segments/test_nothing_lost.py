"""What a visit has brought home is stored, found and told of, also where the same commands come again and where files are damaged or gone."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed, assert_played, played
from worker.errors import ArtifactError, NotFoundError
from worker.progress import silent
from worker.segments.chain import stretches
from worker.segments.sealing import seal
from worker.segments.visits.growing import alone


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source without data, of which there is a backup, and which was visited once."""
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path)
    streamed.take()
    streamed.visit()
    return streamed


def test_hours_that_end_with_the_same_commands_are_different_hours(
    streamed: Streamed, newest: Binary, start_server: StartServer
) -> None:
    for _ in range(4):
        streamed.source.client().incr("number")
        streamed.visit()
        assert len(streamed.end_the_hour()["sealed"]) == 1
    streamed.source.client().incr("number")
    streamed.visit()
    (there,), _ = stretches(streamed.settings)
    assert len(there.parts) == 5
    assert_played(streamed.source, played(streamed.find(), start_server(newest)))


def test_a_file_that_is_damaged_keeps_none_of_the_others_from_storage(streamed: Streamed) -> None:
    for number in range(3):
        streamed.source.client().set("key", str(number))
        streamed.visit()
        with alone(streamed.stream) as growing:
            growing.recover()
            growing.go_on()
    _, second, _ = sorted(streamed.stream.glob("*.whole"), key=lambda path: int(path.stem.rpartition("_")[2]))
    content = bytearray(second.read_bytes())
    content[-5] ^= 1
    second.write_bytes(content)
    report = seal(streamed.settings, silent)
    assert len(report["sealed"]) == 2
    assert [second.name in warning for warning in report["warnings"]] == [True]
    with pytest.raises(ArtifactError, match="is damaged"):
        b"".join(streamed.find().commands())


def test_a_file_whose_start_is_damaged_is_said_and_hides_no_moment_of_the_others(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    end = streamed.visit()["to"]
    (streamed.stream / "redis_stream_20260101_000000_7.whole").write_bytes(b"nothing")
    assert streamed.find().offset == end
    assert "BACKUP_STREAM_FOLDER" in stretches(streamed.settings)[1][0]


def test_files_that_are_gone_are_a_gap_that_is_told(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    streamed.visit()
    for path in streamed.stream.glob("*.growing"):
        path.unlink()
    assert "are gone" in streamed.visit()["gap"]
    assert streamed.visit()["gap"] is None


def test_a_folder_that_is_gone_is_told_by_what_the_broker_knows(
    streamed: Streamed, newest: Binary, start_server: StartServer
) -> None:
    streamed.more = {"celery_broker_url": start_server(newest).url}
    streamed.visit()
    shutil.rmtree(streamed.stream)
    assert "are gone" in streamed.visit()["gap"]


def test_whoever_was_killed_between_two_hours_left_the_place_to_go_on_from(streamed: Streamed) -> None:
    streamed.source.client().set("key", "value")
    streamed.visit()
    before = next(streamed.stream.glob("*.growing"))
    with alone(streamed.stream) as growing:
        growing.recover()
        growing.go_on()
    before.with_suffix(".whole").rename(before)
    streamed.source.client().set("key", "later")
    assert streamed.visit()["gap"] is None
    assert before.with_suffix(".whole").exists()
    (there,), _ = stretches(streamed.settings)
    assert len(there.parts) == 2


@pytest.mark.parametrize("how", ["gone", "changed"])
def test_a_segment_that_cannot_be_read_is_a_gap_and_takes_no_other_moment_with_it(how: str, streamed: Streamed) -> None:
    names, ends = [], []
    for number in range(3):
        streamed.source.client().set("key", str(number))
        ends.append(streamed.visit()["to"])
        names += streamed.end_the_hour()["sealed"]
        streamed.take()
        streamed.visit()
    path = streamed.storage / names[1]
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[::-1])
    assert [streamed.find(offset=ends[place]).offset for place in (0, 2)] == [ends[0], ends[2]]
    with pytest.raises(NotFoundError, match=f"There is no moment at offset .*{names[1]}"):
        streamed.find(offset=ends[1] - 1)


def test_the_last_moment_is_not_an_earlier_one_where_the_last_cannot_be_read(streamed: Streamed) -> None:
    for number in range(2):
        streamed.source.client().set("key", str(number))
        streamed.visit()
        (name,) = streamed.end_the_hour()["sealed"]
    path = streamed.storage / name
    path.write_bytes(path.read_bytes()[::-1])
    with pytest.raises(ArtifactError, match=f"{name} has changed"):
        streamed.find()
