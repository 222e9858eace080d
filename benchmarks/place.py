"""One run's folder, broker and environment; the product's verbs as whole processes, as a user starts them."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.results import Round
from benchmarks.servers import Server, running, tool
from benchmarks.timing import timed
from worker.config.settings import WebSettings

ROOT = Path(__file__).resolve().parent.parent
PYTHON = (sys.executable, "-m", "worker")
Told = Callable[[str], None]


class Place:
    """Where one run takes place."""

    def __init__(self, folder: Path, broker: Server, told: Told) -> None:
        self.folder, self.broker, self.told = folder, broker, told
        self._numbers = count(1)

    def new_folder(self, name: str) -> Path:
        """A folder of its own."""
        folder = self.folder / f"{name}-{next(self._numbers)}"
        folder.mkdir()
        return folder

    def server(self, rdb: Path | None = None) -> AbstractContextManager[Server]:
        """A server for a while, with that file or empty."""
        return running(self.folder / f"redis-{next(self._numbers)}", rdb)

    def environment(self, source: Server, storage: Path | str, **settings: str) -> dict[str, str]:
        """This machine's environment with these settings of ours and no others; Python keeps what it has compiled."""
        ours = {name.upper() for name in WebSettings.model_fields} | {"PYTHONDONTWRITEBYTECODE"}
        kept = {name: value for name, value in os.environ.items() if name.removesuffix("_FILE") not in ours}
        path = f"{Path(sys.executable).parent}:{kept.get('PATH', os.defpath)}"
        given = {
            "REDIS_URL": source.url,
            "BACKUP_STORAGE": str(storage),
            "CELERY_BROKER_URL": self.broker.url,
            "CELERY_RESULT_BACKEND": self.broker.url.removesuffix("0") + "1",
        }
        return kept | given | settings | {"PATH": path, "PYTHONPATH": str(ROOT)}

    def ours(self, *words: str, source: Server, storage: Path | str, **settings: str) -> tuple[Round, Any]:
        """Run a verb of the shell: what it took, and its data. FailedError."""
        output = self.folder / f"output-{next(self._numbers)}"
        env = self.environment(source, storage, **settings)
        took = timed([*PYTHON, *words, "--json"], self.folder, env=env, output=output)
        data = json.loads(output.read_text())
        output.unlink()
        return took, data

    def theirs(self, script: str, *, output: Path | None = None, given: Path | None = None) -> Round:
        """Run other programs, in a shell where there are several; PORT and the like are written into the script."""
        plain = not set(script) & set("|>;")
        return timed(script.split() if plain else [bash(), "-c", script], self.folder, output=output, given=given)


def bash() -> str:
    """The shell in which a pipe is as good as its worst part."""
    return tool("bash") or "/bin/sh"


@contextmanager
def opened(told: Told, parent: Path | None = None) -> Iterator[Place]:
    """A folder and a broker for one run; both are gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="benchmarks-", dir=parent))
    try:
        with running(folder / "broker") as broker:
            yield Place(folder, broker, told)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
