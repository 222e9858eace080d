"""The file that visits append to: what a crash leaves of the last one is cut off, and nothing else."""

from pathlib import Path

import pytest

from worker.errors import ArtifactError, StorageError
from worker.segments.frame import Frame, Opening, commands_of, frames_of, opening_of, packed
from worker.segments.visits.growing import Growing, alone
from worker.server.wire import pack

OPENING = Opening.model_validate(
    {"address": "here:1", "server": "redis", "version": "7.0.0", "history": "a" * 40, "start": 100, "db": None}
    | {"since": 1000, "first": 100, "first_ms": 1000}
)


def frame(growing: Growing, key: bytes) -> tuple[Frame, bytes]:
    """The next frame, with one command."""
    position = growing.position
    assert position
    commands = pack(b"SET", key, b"value")
    content, sha256 = packed([commands])
    made = Frame(
        after=position.after,
        history=position.history,
        start=position.offset,
        end=position.offset + len(commands),
        db=0,
        db_after=0,
        since=position.until,
        until=position.until + 1000,
        stored=len(content),
        sha256=sha256,
        commands={"SET": 1},
    )
    return made, content


def begun(folder: Path, *keys: bytes) -> Growing:
    growing = Growing(folder)
    growing.begin(OPENING)
    for key in keys:
        growing.append([frame(growing, key)])
    return growing


def content(folder: Path) -> list[bytes]:
    """The commands of the file, in order."""
    with next(folder.glob("*.growing")).open("rb") as file:
        opening_of(file)
        return [commands_of(file, made, place) for made, place in list(frames_of(file))]


def again(folder: Path) -> Growing:
    """As the next visit finds it."""
    growing = Growing(folder)
    growing.recover()
    return growing


def test_what_was_appended_is_found_again(tmp_path: Path) -> None:
    before = begun(tmp_path, b"one", b"two")
    assert again(tmp_path).position == before.position
    assert content(tmp_path) == [pack(b"SET", b"one", b"value"), pack(b"SET", b"two", b"value")]


def test_whatever_a_killed_visit_left_is_cut_off(tmp_path: Path) -> None:
    before = begun(tmp_path, b"one", b"two")
    path = next(tmp_path.glob("*.growing"))
    whole = path.read_bytes()
    before.append([frame(before, b"three")])
    torn = path.read_bytes()
    for cut in range(len(whole), len(torn)):
        for rest in (b"", bytes(len(torn) - cut)):
            path.write_bytes(torn[:cut] + rest)
            growing = again(tmp_path)
            assert path.read_bytes() == whole
            growing.append([frame(growing, b"four")])
            assert len(content(tmp_path)) == 3


def test_a_frame_in_the_midst_that_is_damaged_takes_none_with_it(tmp_path: Path) -> None:
    before = begun(tmp_path, b"one", b"two", b"three")
    path = next(tmp_path.glob("*.growing"))
    with path.open("rb") as file:
        opening_of(file)
        (_, place), *_ = list(frames_of(file))
    damaged = bytearray(path.read_bytes())
    damaged[place + 3] ^= 1
    path.write_bytes(damaged)
    assert again(tmp_path).position == before.position
    assert path.read_bytes() == bytes(damaged)
    with path.open("rb") as file:
        opening_of(file)
        made, place = next(frames_of(file))
        with pytest.raises(ArtifactError, match="offset 100 to"):
            commands_of(file, made, place)


def test_a_file_without_its_start_is_an_error(tmp_path: Path) -> None:
    begun(tmp_path, b"one")
    path = next(tmp_path.glob("*.growing"))
    path.write_bytes(b"something else" + path.read_bytes())
    with pytest.raises(ArtifactError):
        again(tmp_path)


def test_the_next_file_goes_on_where_the_last_one_ended(tmp_path: Path) -> None:
    growing = begun(tmp_path, b"one")
    ended = growing.position
    growing.go_on()
    assert growing.position == ended
    assert [path.suffix for path in sorted(tmp_path.iterdir())].count(".whole") == 1
    growing.append([frame(growing, b"two")])
    assert again(tmp_path).position == growing.position


def test_a_file_without_a_frame_is_not_kept(tmp_path: Path) -> None:
    growing = begun(tmp_path)
    growing.end()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_appended_where_there_is_no_file(tmp_path: Path) -> None:
    with alone(tmp_path) as growing, pytest.raises(StorageError, match="no file"):
        growing.append([])
