"""Backups to a bucket and back next to what they are made of, and to what a user would type; of a server of S3 on this machine."""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded, size_of
from benchmarks.made import Backup, checked, file_compared
from benchmarks.results import Round, Row
from benchmarks.servers import free_port, tool
from benchmarks.timing import FailedError, end_group

FOLDER, UPLOAD, FETCH, BACK = (
    "backup to a folder",
    "rclone copyto S3",
    "rclone copyto a folder",
    "restore from a folder",
)
PLAIN, CLOSED, FROM_S3 = "backup to S3", "backup to S3, encrypted", "restore from S3"
SLOWER, BOTH = "the slower of folder and upload", "fetch, then restore from a folder"
RCAT, AGE_RCAT = "redis-cli --rdb - | zstd | rclone rcat", "redis-cli --rdb - | zstd | age | rclone rcat"
KEY, SECRET, BUCKET = "a-key", "a-secret-of-benchmarks", "bucket"
UP_SECONDS = 20


@dataclass(frozen=True)
class S3:
    """`rclone serve s3` of a folder: an object is a file there."""

    folder: Path
    port: int
    prefixes: Iterator[str] = field(default_factory=lambda: map(str, count(1)))
    """Addresses that nothing was written to: the server remembers what it saw in a folder."""

    @property
    def settings(self) -> dict[str, str]:
        """The product's."""
        keys = {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET, "AWS_REGION": "us-east-1"}
        return keys | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}", "BACKUP_CACHE": str(self.folder / "cache")}

    def of_rclone(self, name: str) -> str:
        """That object, as rclone calls it."""
        remote = (
            f"s3,provider=Rclone,endpoint='http://127.0.0.1:{self.port}',access_key_id={KEY},secret_access_key={SECRET}"
        )
        return f'":{remote}:{BUCKET}/{name}"'

    def object(self, name: str) -> Path:
        """Its file."""
        return self.folder / "served" / BUCKET / name


def run(loaded: Loaded, backup: Backup, rounds: int) -> list[Row]:
    """Compete; what they are made of is measured in the same rounds, and added up behind them."""
    if tool("rclone") is None:
        return contest(
            "offsite", loaded.shape, [_needs_rclone(name) for name in (PLAIN, CLOSED, FROM_S3)], 1, loaded.place.told
        )
    with _served(loaded) as s3:
        public, identity = _pair(loaded, s3)
        contestants = [
            Contestant(FOLDER, "floor", partial(checked, loaded)),
            Contestant(UPLOAD, "floor", partial(_copied, loaded, str(backup.file), s3.of_rclone("uploaded"))),
            Contestant(PLAIN, "ours", partial(_ours, loaded, s3)),
            Contestant(CLOSED, "ours", partial(_ours, loaded, s3, identity, BACKUP_AGE_RECIPIENTS=public)),
            _piped(loaded, s3, RCAT),
            _piped(loaded, s3, AGE_RCAT, public, identity),
            Contestant(FETCH, "floor", partial(_copied, loaded, s3.of_rclone("uploaded"), str(s3.folder / "fetched"))),
            Contestant(BACK, "floor", partial(_restored, loaded, str(backup.storage), backup.manifest.name)),
            Contestant(FROM_S3, "ours", _from_s3(loaded, s3)),
        ]
        rows = contest("offsite", loaded.shape, contestants, rounds, loaded.place.told)
    return [*rows, _made_of(rows, SLOWER, max, FOLDER, UPLOAD), _made_of(rows, BOTH, sum, FETCH, BACK)]


def _needs_rclone(name: str) -> Contestant:
    return Contestant(name, "ours", lambda: Outcome(Round(seconds=0)), ("rclone",))


def _made_of(rows: list[Row], name: str, made: Callable[[list[float]], float], *parts: str) -> Row:
    """A row whose time is made of the times of others, round by round."""
    found = [row for row in rows if row.name in parts]
    together = zip(*(row.rounds for row in found), strict=False)
    rounds = [Round(seconds=made([one.seconds for one in of_a_round])) for of_a_round in together]
    missing = next((row.missing for row in found if row.missing), None)
    return found[0].model_copy(
        update={"name": name, "kind": "floor", "rounds": rounds, "stored": None, "fault": None, "missing": missing}
    )


@contextmanager
def _served(loaded: Loaded) -> Iterator[S3]:
    s3 = S3(loaded.place.new_folder("s3"), free_port())
    s3.object("").mkdir(parents=True)
    command = [str(tool("rclone")), "serve", "s3", "--addr", f"127.0.0.1:{s3.port}", "--auth-key", f"{KEY},{SECRET}"]
    env = dict(os.environ) | {"RCLONE_CONFIG": os.devnull}
    with (s3.folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(s3.folder / "served")], env=env, stdout=log, stderr=log, start_new_session=True
        )
    try:
        _wait(s3.port)
        yield s3
    finally:
        end_group(process)


def _wait(port: int) -> None:
    deadline = time.monotonic() + UP_SECONDS
    while time.monotonic() < deadline:
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise FailedError("rclone serve s3 does not answer.")


def _pair(loaded: Loaded, s3: S3) -> tuple[str, Path]:
    """A public key, and the file of the secret one."""
    file = s3.folder / "identity"
    _, made = loaded.place.ours("keygen", "--out", str(file), source=loaded.server, storage=s3.folder)
    return str(made["public_key"]), file


def _copied(loaded: Loaded, of: str, to: str) -> Outcome:
    return Outcome(loaded.place.theirs(f"{_rclone()} copyto {of} {to} > /dev/null"))


def _rclone() -> str:
    return f"{tool('rclone')} --config {os.devnull}"


def _ours(loaded: Loaded, s3: S3, identity: Path | None = None, **settings: str) -> Outcome:
    """A backup under an address of its own, made, timed and compared."""
    took, name = _to_s3(loaded, s3, **settings)
    path = s3.object(name)
    return Outcome(took, _compared(loaded, path, identity), size_of(path))


def _to_s3(loaded: Loaded, s3: S3, **settings: str) -> tuple[Round, str]:
    """What it took, and the name of the object."""
    prefix = next(s3.prefixes)
    storage = f"s3://{BUCKET}/{prefix}"
    took, made = loaded.place.ours("backup", source=loaded.server, storage=storage, **s3.settings, **settings)
    return took, f"{prefix}/{made['name']}"


def _compared(loaded: Loaded, path: Path, identity: Path | None) -> str | None:
    """What it lacks; None where it is closed, and there is no `age` here that opens it."""
    if identity is None:
        return file_compared(loaded, path, "zstd")
    if (age := tool("age")) is None:
        return None
    opened = loaded.folder / "opened"
    loaded.place.theirs(f"{age} -d -i {identity} -o {opened} {path}")
    try:
        return file_compared(loaded, opened, "zstd")
    finally:
        opened.unlink()


def _piped(loaded: Loaded, s3: S3, name: str, public: str = "", identity: Path | None = None) -> Contestant:
    """What a user types."""
    needs = ("redis-cli", "zstd", "rclone", *(("age",) if public else ()))

    def run() -> Outcome:
        closed = f"| {tool('age')} -r {public} " if public else ""
        snapshot = f"{tool('redis-cli')} -p {loaded.server.port} --rdb -"
        took = loaded.place.theirs(
            f"set -o pipefail; {snapshot} | zstd -q -3 {closed}| {_rclone()} rcat {s3.of_rclone('piped')}"
        )
        return Outcome(took, _compared(loaded, s3.object("piped"), identity), size_of(s3.object("piped")))

    return Contestant(name, "peer", run, needs)


def _restored(loaded: Loaded, storage: str, name: str, **settings: str) -> Outcome:
    with loaded.place.server() as target:
        words = ("restore", name, "--mode", "overwrite", "--yes")
        took = loaded.place.ours(*words, source=target, storage=storage, **settings)[0]
        return Outcome(took, loaded.compared(target))


def _from_s3(loaded: Loaded, s3: S3) -> Callable[[], Outcome]:
    """Each round with an empty cache, of a backup that nobody has timed."""
    made: list[str] = []

    def run() -> Outcome:
        if not made:
            made.append(_to_s3(loaded, s3)[1])
        shutil.rmtree(s3.folder / "cache", ignore_errors=True)
        prefix, _, name = made[0].partition("/")
        return _restored(loaded, f"s3://{BUCKET}/{prefix}", name, **s3.settings)

    return run
