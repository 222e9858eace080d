"""`make install` and `make run`: which Python they take, when and what they install, what they say."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from tests.support.programs import program

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "make").mkdir()
    for name in ("Makefile", "requirements-local.lock", "requirements-dev.lock"):
        shutil.copy(ROOT / name, tmp_path / "make")
    return tmp_path / "make"


def make(target: str, folder: Path, *pythons: Path, path: str | None = None) -> "subprocess.CompletedProcess[str]":
    command = ["make", target, f"PYTHONS={' '.join(map(str, pythons))}"]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "REDIS_", "CELERY_"))}
    env |= {"PATH": path} if path else {}
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)


def suiting(tmp_path: Path) -> Path:
    """Stands for a Python that suits: makes a venv whose own python notes what it is asked for."""
    noting = program(tmp_path / "noting", 'echo "$@" >> asked')
    making = f"mkdir -p .venv/bin; cp {noting} .venv/bin/python"
    return program(tmp_path / "good", f'case "$*" in "-m venv"*) {making};; --version) echo Python 3.12.1;; esac')


def test_make_passes_over_a_python_that_does_not_run(folder: Path, tmp_path: Path) -> None:
    shim, good = program(tmp_path / "shim", "echo 'python3.12: command not found' >&2; exit 127"), suiting(tmp_path)
    made = make("install", folder, shim, good)
    assert made.returncode == 0, made.stderr
    assert "command not found" not in made.stderr
    assert (folder / "asked").read_text().count("-m pip install") == 1
    assert make("install", folder, shim, good).returncode == 0
    assert (folder / "asked").read_text().count("-m pip install") == 1
    later = time.time() + 10
    os.utime(folder / "requirements-dev.lock", (later, later))
    make("install", folder, shim, good)
    assert (folder / "asked").read_text().count("-m pip install") == 2


def test_make_says_what_is_missing(folder: Path, tmp_path: Path) -> None:
    bare = program(tmp_path / "python3.12", 'case "$*" in *ensurepip*) exit 1;; esac')
    made = make("install", folder, bare)
    assert made.returncode != 0
    assert f"{bare} cannot make virtual environments: install its venv package" in made.stderr
    made = make("install", folder, program(tmp_path / "python3.9", "exit 1"))
    assert "Python 3.11, 3.12, 3.13 or 3.14 is needed" in made.stderr
    assert not (folder / ".venv").exists()


def test_a_run_waits_for_nothing_that_only_tests_need(folder: Path, tmp_path: Path) -> None:
    good = suiting(tmp_path)
    asked = [
        make("run", folder, good),
        make("run", folder, good),
        make("install", folder, good),
        make("run", folder, good),
    ]
    assert [one.returncode for one in asked] == [0, 0, 0, 0]
    words = [line.split()[-1] for line in (folder / "asked").read_text().splitlines()]
    assert words == ["requirements-local.lock", "local", "local", "requirements-dev.lock", "local"]


def test_what_fails_to_install_ends_the_run_and_what_takes_long_shows_that_it_lives(
    folder: Path, tmp_path: Path
) -> None:
    failing = program(tmp_path / "failing", 'case "$*" in *pip*) sleep 1.5; echo no such host >&2; exit 7;; esac')
    making = f"mkdir -p .venv/bin; cp {failing} .venv/bin/python"
    made = make("run", folder, program(tmp_path / "python", f'case "$*" in "-m venv"*) {making};; esac'))
    assert made.returncode != 0
    assert "no such host" in made.stderr
    assert "\n.." in made.stdout
    assert not (folder / ".venv/running").exists()


@pytest.mark.parametrize("has_server", [True, False])
def test_a_machine_without_a_wheel_is_asked_for_a_server_before_anything_is_installed(
    folder: Path, tmp_path: Path, has_server: bool
) -> None:
    tools = tmp_path / "tools"
    tools.mkdir()
    program(tools / "uname", "echo riscv64")
    for name in ("sh", "make", "mkdir", "cp", "touch", "sleep", *(["redis-server"] if has_server else [])):
        (tools / name).symlink_to(shutil.which(name) or "/bin/true")
    made = make("run", folder, suiting(tmp_path), path=str(tools))
    assert (made.returncode == 0) is has_server, made.stderr
    assert ("install one first" in made.stderr) is not has_server
    assert (folder / "asked").exists() is has_server
