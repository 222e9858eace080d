"""What is signed is on disk before anybody relies on it, as the kernel is asked: after a power cut no record is torn or lost."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path

import pytest

from tests.repository.test_chain import store
from worker.config.settings import load
from worker.repository.signing import journal
from worker.storage.local import Folder

NAME, OTHER = "redis_backup_20231205_143022.rdb", "redis_backup_20231205_143023.rdb"
STORING = f"""
import sys
from pathlib import Path
from worker.storage.local import Folder
from tests.repository.test_chain import store
store(Folder(Path(sys.argv[1])), {NAME!r})
"""


def calls(trace: str, state: Path) -> list[str]:
    """What was asked of the disk within the folder where it is kept what was signed, in that order, and no number of a thread."""
    found = re.findall(r"(fsync|rename|link|flock)\((?:\d+<)?\"?([^\">,]+)(?:[^\n]*?(LOCK_EX|LOCK_UN))?", trace)
    within = [(call, path) for call, path, _ in found if path.startswith(str(state))]
    place = str(journal.of_place(os.path.realpath(state.parent / "backups")))
    words = [f"{call} {os.path.relpath(path, state).replace(place, 'journal')}" for call, path in within]
    return [re.sub(r"\.\d+$", "", word) for word in words]


def test_a_record_is_on_disk_before_it_takes_its_place_and_its_place_before_the_backup_is_there(
    strace: Callable[..., tuple[str, ...]], machine: Path, tmp_path: Path
) -> None:
    strace()
    traced = tmp_path / "trace"
    watching = ["strace", "-f", "-qq", "-y", "-s", "300", "-o", str(traced), "-e", "trace=fsync,rename,link,flock"]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run(
        [*watching, sys.executable, "-c", STORING, str(tmp_path / "backups")], env=environment, check=True, timeout=120
    )
    key, record = (
        ["fsync .signing-key.pem", "link .signing-key.pem", "fsync ."],
        ["fsync .journal.json", "flock journal.lock", "rename .journal.json", "fsync ."],
    )
    text = traced.read_text()
    assert calls(text, machine) == [*key, *record, *record]
    # The first record stands before the manifest does.
    on_record = [found.start() for found in re.finditer(rf"fsync\(\d+<{re.escape(str(machine))}>\)", text)]
    assert on_record[1] < text.index(f'link("{tmp_path}/backups/.{NAME}.manifest.json.partial"')


def test_who_stands_still_at_a_slow_disk_keeps_nobody_from_their_records_and_goes_on_from_theirs(
    machine: Path, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = get_context("fork")
    at_the_disk, goes_on = context.Event(), context.Event()

    def slow() -> None:
        real = os.fsync

        def fsync(descriptor: int) -> None:
            if not at_the_disk.is_set() and ".json." in os.readlink(f"/proc/self/fd/{descriptor}"):
                at_the_disk.set()
                assert goes_on.wait(60)
            real(descriptor)

        monkeypatch.setattr(os, "fsync", fsync)
        store(folder, OTHER)

    store(folder, "redis_backup_20231205_143021.rdb")
    child = context.Process(target=slow)
    child.start()
    assert at_the_disk.wait(60)
    store(folder, NAME)
    goes_on.set()
    child.join(60)
    kept = journal.known(load(), folder)
    assert kept is not None
    assert (child.exitcode, [entry.name for entry in kept.live.values()][1:], kept.head) == (0, [NAME, OTHER], 3)
