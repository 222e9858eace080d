"""Backups, a copy of one, and a restore that can be undone: what a verb of the shell is killed at, or failed, in the middle of."""

import hashlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.age_keys import Pair, age_pair
from tests.support.backups import files
from tests.support.processes import PYTHON, Ended, environment, run
from tests.support.servers import Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import BackupArguments, CopyArguments, VerifyArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup
from worker.backups.copies.copy import copy
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import INDEX_SUFFIX, MANIFEST_SUFFIX
from worker.repository.notes import NOTES_SUFFIX
from worker.restore.restore import restore
from worker.storage.local import Folder

NO_BROKER = "redis://127.0.0.1:1/0"
KEYS, VALUE_BYTES = 40, 30_000
ENCRYPTED = b"age-encryption.org/"


@dataclass
class Yard:
    """A folder of its own with all of it; what lies there is encrypted."""

    folder: Path
    server: Server
    keys: Pair
    before: dict[str, str] = field(default_factory=dict)
    """The sha256 of each file of a backup that is there from the beginning."""
    found: State | None = None
    """What the server held before anything was restored."""
    kept: str = ""
    """The undo of the restore."""

    @property
    def storage(self) -> Path:
        return self.folder / "storage"

    @property
    def copies(self) -> Path:
        return self.folder / "copies"

    @property
    def scraps(self) -> Path:
        """TMPDIR."""
        return self.folder / "scraps"

    @property
    def settings(self) -> Settings:
        return Settings(
            redis_url=self.server.url,
            celery_broker_url=NO_BROKER,
            backup_storage=str(self.storage),
            backup_copies=(str(self.copies),),
            backup_pace="full",
            **self.keys.settings,
        )

    @property
    def env(self) -> dict[str, str]:
        return environment(
            REDIS_URL=self.server.url,
            CELERY_BROKER_URL=NO_BROKER,
            BACKUP_STORAGE=str(self.storage),
            BACKUP_COPIES=str(self.copies),
            BACKUP_PACE="full",
            BACKUP_TRASH_DAYS="7",
            BACKUP_AGE_RECIPIENTS=self.keys.recipient,
            BACKUP_AGE_IDENTITY_FILE=str(self.keys.file),
            TMPDIR=str(self.scraps),
            PYTHONDONTWRITEBYTECODE="1",
        )

    def do(self, *words: str, under: tuple[str, ...] = ()) -> Ended:
        """A verb of the shell, under a command such as strace."""
        return run(*under, *PYTHON, *words, env=self.env, cwd=self.folder)

    def names(self, folder: Path) -> list[str]:
        """What is listed there; nothing there is damaged, and a file that was still to get its manifest is said to be no backup."""
        found = catalogue.read(Folder(folder))
        assert [problem for problem in found.problems if "has no manifest" not in problem] == []
        return sorted(one.name for one in (*found.backups, *found.undos))

    def holds(self) -> None:
        """What is true whenever a verb has ended, in whichever way: I1, I3 and I9 of docs/reliability.md."""
        for folder in (self.storage, self.copies):
            for name in self.names(folder):
                at_home = self.settings.model_copy(update={"backup_storage": str(folder), "backup_copies": ()})
                verify(at_home, VerifyArguments(name=name), silent)
            for name in files(folder):
                path = folder / name
                if str(path) in self.before:
                    assert sha256(path) == self.before[str(path)], f"{path} has changed"
                if ".age" in name and not name.endswith((MANIFEST_SUFFIX, NOTES_SUFFIX, INDEX_SUFFIX)):
                    said = path.read_bytes()
                    assert said.startswith(ENCRYPTED) or b"redis_backup_" in said or len(said) < len(ENCRYPTED), path
        assert [path for path in self.scraps.rglob("*") if path.is_file()] == []

    def is_tidy(self) -> None:
        """After a prune nothing lies there but what is listed, and beside it what belongs to it: I2."""
        assert self.do("prune").code == 0
        for folder in (self.storage, self.copies):
            assert catalogue.read(Folder(folder)).problems == []
            names = self.names(folder)
            owned = {name + end for name in names for end in ("", MANIFEST_SUFFIX, NOTES_SUFFIX, INDEX_SUFFIX)}
            assert set(files(folder)) - owned <= {".lock"}


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def original(number: int) -> bytes:
    """The value of a key when it was backed up; nothing makes it shorter."""
    return random.Random(number).randbytes(VALUE_BYTES)  # noqa: S311 - the same each time


def yard(folder: Path, server: Server) -> Yard:
    """Three backups at home, the oldest of two days ago and copied; the server's keys have changed since."""
    for name in ("storage", "copies", "scraps"):
        (folder / name).mkdir(parents=True, mode=0o700)
    made, client = Yard(folder, server, age_pair(folder)), server.client()
    client.flushall()
    client.mset({f"key:{number}": original(number) for number in range(KEYS)})
    for _ in range(3):
        backup(made.settings, BackupArguments(), silent)
    copy(made.settings, CopyArguments(name="latest"), silent)
    client.mset({f"key:{number}": "since" for number in range(0, KEYS, 2)})
    client.delete("key:1", "key:3")
    made.found = state(server)
    made.before = {str(path): sha256(path) for place in (made.storage, made.copies) for path in _lasting(place)}
    return made


def _lasting(place: Path) -> list[Path]:
    return [path for path in place.iterdir() if path.is_file() and path.name.endswith((".age", MANIFEST_SUFFIX))]


def restored(made: Yard) -> Yard:
    """The same once the newest was restored."""
    made.kept = restore(made.settings, RestoreArguments(name="latest", mode="overwrite"), silent)["undo"]["name"]
    made.before |= {str(path): sha256(path) for path in _lasting(made.storage)}
    return made


Prepare = Callable[[Yard], list[str]]
Check = Callable[[Yard, list[str]], None]


@dataclass(frozen=True)
class Verb:
    """What is done, and what is true once it was done again to its end."""

    name: str
    prepare: Prepare
    """Makes ready what it needs; its words."""
    complete: Check
    already: str = ""
    """What it says where it had come to its end before."""

    def is_done(self, said: str) -> bool:
        """Whether that is why it has failed."""
        return bool(self.already and self.already in said)

    def __str__(self) -> str:
        return self.name


def _oldest(made: Yard) -> str:
    return made.names(made.storage)[0]


def _is_deleted(made: Yard, words: list[str]) -> None:
    assert words[1] not in made.names(made.storage)


def _is_pruned(made: Yard, words: list[str]) -> None:
    assert len(made.names(made.storage)) == 1


def _is_copied(made: Yard, words: list[str]) -> None:
    assert words[1] in made.names(made.copies)
    assert (made.copies / words[1]).read_bytes() == (made.storage / words[1]).read_bytes()


def _is_backed_up(made: Yard, words: list[str]) -> None:
    assert len(made.names(made.storage)) >= 4


def _is_undone(made: Yard, words: list[str]) -> None:
    assert made.found is not None
    assert_same(made.found, state(made.server))


def _is_restored(made: Yard, words: list[str]) -> None:
    client: Any = made.server.client()
    assert [client.get(f"key:{number}") for number in range(KEYS)] == [original(number) for number in range(KEYS)]


VERBS = [
    Verb("backup", lambda _: ["backup"], _is_backed_up),
    Verb("prune", lambda _: ["prune", "--keep", "1", "--keep-manual", "1"], _is_pruned),
    Verb("delete", lambda made: ["delete", _oldest(made), "--now", "--yes"], _is_deleted, "no backup"),
    Verb("copy", lambda made: ["copy", _oldest(made)], _is_copied),
    Verb("undo", lambda made: ["undo", restored(made).kept, "--yes"], _is_undone, "was undone already"),
    Verb("restore", lambda _: ["restore", "latest", "--mode", "overwrite", "--yes"], _is_restored),
]
