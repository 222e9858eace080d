"""A moment of the source that is being made: whoever makes it is killed, and what it is made of has changed.

| fault | moment | operation | promise |
|---|---|---|---|
| kill -9 | the base is read, a server loads it, it is written | a moment is made | nothing half is seen, no server stays, and the next one who asks makes it |
| a byte is changed | in the base, or in the stream | the same | one sentence, and nothing is made |
"""

import os
import signal
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.processes import eventually
from tests.support.servers import Binary
from tests.support.streams import BACKLOG, Streamed
from worker.errors import ArtifactError
from worker.progress import silent
from worker.segments.playing.made import made

KEYS = 3_000


@pytest.fixture
def streamed(newest: Binary, start_server: StartServer, tmp_path: Path) -> Streamed:
    """A source that was written to since its backup."""
    streamed = Streamed(start_server(newest, *BACKLOG), tmp_path)
    streamed.source.client().set("in", "the base")
    streamed.take()
    streamed.visit()
    streamed.source.client().mset({f"since:{number}": "x" * 100 for number in range(KEYS)})
    streamed.visit()
    return streamed


def killed_at(fatal: str, streamed: Streamed) -> int:
    """The signal that ended a process of ours which was killed when it came to that phase."""
    recording = streamed.find()
    if child := os.fork():
        return os.WTERMSIG(os.waitpid(child, 0)[1])

    def kill(phase: str, current: int, total: int | None, unit: str) -> None:
        if phase == fatal:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        with made(streamed.settings, recording, kill):
            pass
    finally:
        os._exit(1)


def servers_in(folder: Path) -> list[str]:
    """The processes that were started with that folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(folder).encode() in process.read_bytes():
                found.append(process.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("phase", ["reading", "playing", "writing"])
def test_whoever_makes_a_moment_is_killed(streamed: Streamed, phase: str) -> None:
    assert killed_at(phase, streamed) == signal.SIGKILL
    cache = streamed.folder / "cache"
    assert [*cache.glob("moments/*/*.manifest.json")] == []
    eventually(lambda: servers_in(cache) == [], "the end of the server")
    with made(streamed.settings, streamed.find(), silent) as held:
        assert held.manifest.keys == KEYS + 1
    (folder,) = (cache / "moments").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        held.manifest.name,
        f"{held.manifest.name}.manifest.json",
    ]


@pytest.mark.parametrize("what", ["backups/*.rdb.zst", "stream/*/*.growing"])
def test_what_it_is_made_of_has_changed(streamed: Streamed, what: str) -> None:
    recording = streamed.find()
    (file,) = streamed.folder.glob(what)
    content = bytearray(file.read_bytes())
    content[-20] ^= 1
    file.write_bytes(content)
    with pytest.raises(ArtifactError), made(streamed.settings, recording, silent):
        pass
    assert [*(streamed.folder / "cache/moments").iterdir()] == []
