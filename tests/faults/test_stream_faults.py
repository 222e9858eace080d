"""kill -9 and failing calls in a visit of the replication stream, and in what stores it; a source that is frozen, a clock that jumps.

| fault | moment | operation | promise |
|---|---|---|---|
| kill -9 | the nth fsync, link, rename, unlink, ftruncate or write, for every n | a visit that stores an hour as well | nothing of the stream is lost or twice, the next visit goes on, and each moment is what the source was |
| ENOSPC, EIO | the nth write, or from the nth fsync, link or rename on | the same | one sentence, and the same |
"""

import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.faults.programs import needs_faketime, shifted
from tests.faults.yard import NO_BROKER
from tests.support.processes import PYTHON, Ended, environment, run
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed, assert_played, played
from worker.errors import SourceUnavailableError
from worker.segments.chain import stretches
from worker.segments.visits.growing import alone

Strace = Callable[..., tuple[str, ...]]
CALLS = ["write", "fsync", "link", "rename", "unlink", "ftruncate"]


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source of whose stream an hour is over."""
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path / "yard", {"celery_broker_url": NO_BROKER})
    streamed.take()
    streamed.visit()
    streamed.source.client().set("first", "hour")
    streamed.visit()
    with alone(streamed.stream) as growing:
        growing.recover()
        growing.go_on()
    return streamed


def visit(streamed: Streamed, *under: str, **more: str) -> Ended:
    """The verb of the shell."""
    env = environment(
        REDIS_URL=streamed.source.url,
        CELERY_BROKER_URL=NO_BROKER,
        BACKUP_STORAGE=str(streamed.storage),
        BACKUP_STREAM_FOLDER=str(streamed.folder / "stream"),
        PYTHONDONTWRITEBYTECODE="1",
    )
    return run(*under, *PYTHON, "visit", env=env | more, cwd=streamed.folder)


def goes_wrong(streamed: Streamed, injected: str, strace: Strace, other: StartServer, nth: int) -> bool:
    """Whether it came to that; if so the next visit goes on, and nothing is lost or twice."""
    streamed.source.client().set(f"key:{nth}", "x" * 1000)
    streamed.source.client().incr("counter")
    with alone(streamed.stream) as growing:
        growing.recover()
        growing.go_on()
    ended = visit(streamed, *strace(injected))
    assert ended.code in (0, 1, -signal.SIGKILL), ended
    assert "Traceback" not in ended.err
    if ended.code == 1:
        assert re.search(r"^[A-Z][^\n]*[.?]$", ended.err, re.MULTILINE), ended.err
    again = visit(streamed)
    assert again.code == 0, again.err
    assert "gap" not in again.err
    (there,), faults = stretches(streamed.settings)
    assert not faults
    ends = [(frame.start, frame.end) for _, frame, _ in there.frames]
    assert [start for start, _ in ends[1:]] == [end for _, end in ends[:-1]]
    assert list(streamed.stream.glob("*.whole")) == []
    return bool(ended.code)


@pytest.mark.parametrize(("call", "nth"), [("fsync", 2)])
def test_a_visit_that_is_killed_loses_nothing(
    call: str, nth: int, strace: Strace, streamed: Streamed, start_server: StartServer
) -> None:
    assert goes_wrong(streamed, f"{call}:signal=SIGKILL:when={nth}", strace, start_server, nth)
    assert_played(streamed.source, played(streamed.find(), start_server(streamed.source.binary)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("call", CALLS)
def test_a_visit_can_be_killed_at_every_call(
    call: str, strace: Strace, streamed: Streamed, start_server: StartServer
) -> None:
    nth = 1
    while goes_wrong(streamed, f"{call}:signal=SIGKILL:when={nth}", strace, start_server, nth):
        nth += 1
    assert nth > 1 or call == "ftruncate"
    assert_played(streamed.source, played(streamed.find(), start_server(streamed.source.binary)))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("error", ["ENOSPC", "EIO"])
@pytest.mark.parametrize("call", ["write", "fsync", "link", "rename"])
def test_a_disk_that_fails_a_visit_loses_nothing(
    call: str, error: str, strace: Strace, streamed: Streamed, start_server: StartServer
) -> None:
    for nth in (1, 2, 3, 5):
        goes_wrong(
            streamed, f"{call}:error={error}:when={nth}{'' if call == 'write' else '+'}", strace, start_server, nth
        )
    assert_played(streamed.source, played(streamed.find(), start_server(streamed.source.binary)))


@contextmanager
def frozen(streamed: Streamed) -> Iterator[None]:
    """The source stands still."""
    streamed.source.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        streamed.source.process.send_signal(signal.SIGCONT)


@pytest.mark.slow
def test_a_source_that_is_frozen_is_left_and_asked_again(streamed: Streamed, start_server: StartServer) -> None:
    streamed.source.client().set("key", "value")
    with frozen(streamed), pytest.raises(SourceUnavailableError):
        streamed.visit()
    assert streamed.visit()["gap"] is None
    assert_played(streamed.source, played(streamed.find(), start_server(streamed.source.binary)))


@pytest.mark.slow
@pytest.mark.parametrize("offset", ["+9d", "-9d"])
def test_a_clock_of_ours_that_is_wrong_makes_no_wrong_moment(
    offset: str, streamed: Streamed, start_server: StartServer
) -> None:
    needs_faketime()
    streamed.source.client().set("key", "value")
    ended = visit(streamed, **shifted(offset))
    assert ended.code == 0, ended.err
    at = datetime.now(UTC)
    time.sleep(0.01)
    streamed.source.client().set("key", "later")
    streamed.visit()
    found = streamed.find(at=at)
    assert_played(streamed.source, played(streamed.find(), start_server(streamed.source.binary)))
    assert b"later" not in b"".join(found.commands())
    assert b"value" in b"".join(found.commands())
    assert abs((found.at - at).total_seconds()) < 60


def test_a_folder_that_is_gone_is_begun_anew_and_told_by_nothing_wrong(streamed: Streamed) -> None:
    shutil.rmtree(streamed.folder / "stream")
    outcome = streamed.visit()
    assert outcome["follows"]
