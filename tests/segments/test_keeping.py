"""What retention keeps of a stream: any moment of the window can still be made, and what no moment needs goes."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import files, manifest_of
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed
from worker.arguments.backups import PruneArguments
from worker.backups.prune import prune
from worker.config.settings import Settings
from worker.errors import NotFoundError, SealedError
from worker.formats.encryption import keys
from worker.progress import silent
from worker.repository.manifest import Manifest, Origin
from worker.segments.chain import Part, Stretch, stretches
from worker.segments.keeping import HOUR_MS, kept, seen
from worker.segments.sealing import seal
from worker.segments.segment import Segment
from worker.storage.local import Folder

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
SETTINGS = Settings()


def part(hour: int) -> Part:
    """The stream of an hour, so many hours ago: a hundred bytes of it."""
    began = int((NOW - timedelta(hours=hour)).timestamp() * 1000)
    segment = Segment(
        name=f"redis_stream_20261130_000000_{1000 - hour}.zst",
        address="here:1",
        server="redis",
        version="7.0.0",
        relative=False,
        after="",
        last="",
        histories=(),
        start=100 * (1000 - hour),
        end=100 * (1001 - hour),
        db=0,
        since=began,
        until=began + HOUR_MS,
        frames=1,
        commands={},
        deleted=0,
        stored=1,
        sha256="0" * 64,
        tool_version="0",
    )
    return Part(segment, None, Folder(Path("nowhere")), SETTINGS)


def base(hour: float) -> Manifest:
    at = NOW - timedelta(hours=hour)
    origin = Origin(address="here:1", replication_id="a", replication_offset=int(100 * (1000 - hour)))
    return manifest_of(f"redis_backup_{at:%Y%m%d_%H%M%S}.rdb.zst").model_copy(update={"source": origin})


def stretch(hours: range, *bases: float) -> Stretch:
    return Stretch(tuple(part(hour) for hour in hours), tuple(base(hour) for hour in bases))


def decided(*stretches: Stretch, hours: float = 10) -> tuple[set[str], list[int]]:
    """The backups that stay, and the hours whose stream goes."""
    decision = kept([*stretches], hours, int(NOW.timestamp() * 1000))
    return set(decision.bases), [1000 - segment.start // 100 for segment in decision.doomed]


def test_a_window_begins_with_the_backup_before_it() -> None:
    assert decided(stretch(range(30, 0, -1), 29, 20, 8)) == ({base(20).name}, list(range(30, 20, -1)))


def test_without_one_before_it_begins_with_the_first() -> None:
    assert decided(stretch(range(30, 0, -1), 6, 2)) == ({base(6).name}, list(range(30, 6, -1)))


def test_a_stretch_that_is_older_than_the_window_goes() -> None:
    old, new = stretch(range(40, 30, -1), 40), stretch(range(5, 0, -1), 5)
    assert decided(old, new) == ({base(5).name}, list(range(40, 30, -1)))


def test_a_stretch_without_a_backup_stays_only_where_one_may_still_come() -> None:
    assert decided(stretch(range(8, 6, -1)), stretch(range(5, 0, -1))) == (set(), [8, 7])


@pytest.mark.parametrize("ahead", [0, 24 * 365])
def test_a_clock_that_was_set_forward_makes_nothing_old(ahead: int) -> None:
    there = [stretch(range(30, 0, -1), 29)]
    now = int(NOW.timestamp() * 1000) + ahead * HOUR_MS
    assert seen(there, [], now) == int(NOW.timestamp() * 1000)


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source with three segments in storage, and a backup for each of them."""
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path)
    for number in range(3):
        streamed.take()
        streamed.visit()
        streamed.source.client().set("key", str(number))
        streamed.visit()
        assert len(streamed.end_the_hour()["sealed"]) == 1
    return streamed


def test_a_prune_keeps_the_backup_that_moments_are_made_from(streamed: Streamed) -> None:
    _, first, *_ = [streamed.find(offset=offset).base for offset in _ends(streamed)]
    report = prune(streamed.settings, PruneArguments(keep=1), silent)
    assert report["segments"] == []
    reasons = [entry["reason"] for entry in report["kept"]]
    assert "moments that can be gone back to are made from it" in reasons
    assert [streamed.find(offset=offset).offset for offset in _ends(streamed)] == _ends(streamed)
    assert first


def test_segments_that_no_moment_needs_go_with_their_documents(
    streamed: Streamed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, ends = files(streamed.storage), _ends(streamed)
    monkeypatch.setattr("worker.segments.keeping.HOUR_MS", 0)
    assert len(prune(streamed.settings, PruneArguments(dry_run=True), silent)["segments"]) == 2
    assert files(streamed.storage) == before
    gone = prune(streamed.settings, PruneArguments(), silent)["segments"]
    assert len(gone) == 2
    assert set(before) - set(files(streamed.storage)) >= {name + end for name in gone for end in ("", ".segment.json")}
    assert streamed.find(offset=ends[-1]).offset == ends[-1]
    with pytest.raises(NotFoundError, match="There is no moment at offset"):
        streamed.find(offset=ends[0])


def _ends(streamed: Streamed) -> list[int]:
    """The offsets where the parts of the stream end."""
    (there,), _ = stretches(streamed.settings)
    return [part.segment.end for part in there.parts]


def test_a_name_that_is_taken_is_no_obstacle(streamed: Streamed) -> None:
    shutil.rmtree(streamed.stream)
    streamed.visit()
    streamed.source.client().set("key", "again")
    streamed.visit()
    assert len(streamed.end_the_hour()["sealed"]) == 1


def test_copies_get_the_same_bytes_and_are_pruned_by_the_same_window(streamed: Streamed, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    settings = streamed.settings.model_copy(update={"backup_copies": (str(tmp_path / "elsewhere"),)})
    assert seal(settings, silent)["copied"] == 3
    assert seal(settings, silent)["copied"] == 0
    for path in streamed.storage.glob("redis_stream*"):
        assert (tmp_path / "elsewhere" / path.name).read_bytes() == path.read_bytes()


def test_an_encrypted_segment_needs_its_key(streamed: Streamed, start_server: StartServer, newest: Binary) -> None:
    made = keys.make(None)
    (streamed.folder / "identity").write_bytes(made.content)
    streamed.more = {
        "backup_age_recipients": (made.public,),
        "backup_age_identity_file": str(streamed.folder / "identity"),
    }
    streamed.source.client().set("secret", "canary")
    streamed.visit()
    (name,) = streamed.end_the_hour()["sealed"]
    assert name.endswith(".zst.age")
    assert b"canary" not in (streamed.storage / name).read_bytes()
    assert b"secret" not in (streamed.storage / name).read_bytes()
    assert b"secret" in b"".join(streamed.find().commands())
    streamed.more = {}
    with pytest.raises(SealedError):
        b"".join(streamed.find().commands())
