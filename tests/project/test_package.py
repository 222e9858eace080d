"""`pip install .` brings the verbs as `redis-backup`, and all that the dashboard needs beside them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that it was installed into, without the packages that it needs, which are here."""
    folder = tmp_path_factory.mktemp("package")
    tree = folder / "tree"
    tree.mkdir()
    for name in ("worker", "web"):
        shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("celeryconfig.py", "pyproject.toml", "README.md", "requirements.txt", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip = (sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-deps")
    subprocess.run([*pip, "--target", folder / "site", tree], check=True, timeout=240)
    return folder / "site"


def said(installed: Path, *words: str, cwd: Path) -> str:
    env = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([*words], check=False, cwd=cwd, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_verbs_are_there_by_a_name_of_their_own(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "bin/redis-backup")
    assert said(installed, sys.executable, program, "--version", cwd=tmp_path).startswith("redis-backup, version ")
    help_text = said(installed, sys.executable, program, "restore", "--help", cwd=tmp_path)
    assert "redis-backup restore latest --mode mirror" in help_text
    assert "_REDIS_BACKUP_COMPLETE" in said(installed, sys.executable, program, "completion", "bash", cwd=tmp_path)


def test_what_the_dashboard_shows_is_all_there(installed: Path, tmp_path: Path) -> None:
    for folder in ("templates", "static"):
        here = {path.relative_to(ROOT / "web") for path in (ROOT / "web" / folder).rglob("*") if path.is_file()}
        there = {path.relative_to(installed / "web") for path in (installed / "web" / folder).rglob("*")}
        assert here <= there
    code = "import celeryconfig, worker.tasks, web; print(web.__file__, celeryconfig.__file__)"
    assert said(installed, sys.executable, "-c", code, cwd=tmp_path).count(str(installed)) == 2
