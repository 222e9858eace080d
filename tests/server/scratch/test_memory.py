"""What a server of ours may take is what the tightest limit leaves."""

from pathlib import Path

import pytest

from worker.server.scratch.memory import SHARE, spare

MB = 1 << 20


def machine(root: Path, available_mb: int, own: str = "") -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(f"MemTotal: 9999999 kB\nMemAvailable:  {available_mb * 1024} kB\n")
    (root / "proc/self/cgroup").write_text(f"0::{own}\n" if own else "")


def cgroup(folder: Path, limit: str, current: int, cache: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "memory.max").write_text(f"{limit}\n")
    (folder / "memory.current").write_text(f"{current}\n")
    (folder / "memory.stat").write_text(f"anon 1\ninactive_file {cache}\n")


def test_the_machines(tmp_path: Path) -> None:
    machine(tmp_path, 100)
    assert spare(tmp_path) == int(100 * MB * SHARE)


@pytest.mark.parametrize("own", ["", "/a/b"])
def test_the_containers_where_that_is_less(tmp_path: Path, own: str) -> None:
    machine(tmp_path, 100, own)
    cgroup(tmp_path / "sys/fs/cgroup", str(50 * MB), 30 * MB, 10 * MB)
    cgroup(tmp_path / "sys/fs/cgroup/a/b", "max", 5)
    assert spare(tmp_path) == int(30 * MB * SHARE)


def test_one_that_is_above_ours_counts(tmp_path: Path) -> None:
    machine(tmp_path, 100, "/a/b")
    cgroup(tmp_path / "sys/fs/cgroup/a", str(20 * MB), 30 * MB)
    assert spare(tmp_path) == 0


def test_an_old_cgroup(tmp_path: Path) -> None:
    machine(tmp_path, 100)
    folder = tmp_path / "sys/fs/cgroup/memory"
    folder.mkdir(parents=True)
    (folder / "memory.limit_in_bytes").write_text(f"{10 * MB}\n")
    (folder / "memory.usage_in_bytes").write_text(f"{4 * MB}\n")
    assert spare(tmp_path) == int(6 * MB * SHARE)


def test_where_nobody_says_it(tmp_path: Path) -> None:
    assert spare(tmp_path) is None
