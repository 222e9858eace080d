"""Backups to a bucket and to a server of files and back, next to what they are made of, and to what a user would type."""

import os
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks.contest import Contestant, Outcome, contest
from benchmarks.loaded import Loaded, size_of
from benchmarks.made import Backup, checked, file_compared
from benchmarks.results import Round, Row
from benchmarks.servers import tool
from benchmarks.sites import BUCKET, S3, Site, served_s3, served_sftp, sshd

FOLDER, UPLOAD, FETCH, BACK = (
    "backup to a folder",
    "rclone copyto S3",
    "rclone copyto a folder",
    "restore from a folder",
)
PLAIN, CLOSED, FROM_S3 = "backup to S3", "backup to S3, encrypted", "restore from S3"
SLOWER, BOTH = "the slower of folder and upload", "fetch, then restore from a folder"
RCAT, AGE_RCAT = "redis-cli --rdb - | zstd | rclone rcat", "redis-cli --rdb - | zstd | age | rclone rcat"
AWS_CP = "redis-cli --rdb - | zstd | aws s3 cp -"
UPLOAD_SFTP, PLAIN_SFTP, CLOSED_SFTP = "rclone copyto SFTP", "backup to SFTP", "backup to SFTP, encrypted"
RCAT_SFTP, AGE_RCAT_SFTP = f"{RCAT} to SFTP", f"{AGE_RCAT} to SFTP"
SLOWER_SFTP = "the slower of folder and upload by SFTP"
_AWS_SETTINGS = (
    f"AWS_EC2_METADATA_DISABLED=true AWS_CONFIG_FILE={os.devnull} AWS_SHARED_CREDENTIALS_FILE={os.devnull} "
    "AWS_REQUEST_CHECKSUM_CALCULATION=when_required"
)


class _Pair(NamedTuple):
    """Keys of age."""

    public: str
    identity: Path
    """The file of the secret one."""


def run(loaded: Loaded, backup: Backup, rounds: int) -> list[Row]:
    """Compete; what they are made of is measured in the same rounds, and added up behind them."""
    told = loaded.place.told
    if tool("rclone") is None:
        ours = (PLAIN, CLOSED, FROM_S3, PLAIN_SFTP, CLOSED_SFTP)
        return contest("offsite", loaded.shape, [_needs(name, "rclone") for name in ours], 1, told)
    with ExitStack() as stack:
        s3 = stack.enter_context(served_s3(loaded))
        pair = _pair(loaded, s3)
        contestants = [
            Contestant(FOLDER, "floor", partial(checked, loaded)),
            *_to(loaded, s3, backup, (UPLOAD, PLAIN, CLOSED, RCAT, AGE_RCAT), pair),
            _by_aws(loaded, s3),
        ]
        if sshd() is None:
            contestants += [_needs(name, "sshd") for name in (PLAIN_SFTP, CLOSED_SFTP)]
        else:
            sftp = stack.enter_context(served_sftp(loaded))
            names = (UPLOAD_SFTP, PLAIN_SFTP, CLOSED_SFTP, RCAT_SFTP, AGE_RCAT_SFTP)
            contestants += _to(loaded, sftp, backup, names, pair)
        contestants += [
            Contestant(FETCH, "floor", partial(_copied, loaded, s3.of_rclone("uploaded"), str(s3.folder / "fetched"))),
            Contestant(BACK, "floor", partial(_restored, loaded, str(backup.storage), backup.manifest.name)),
            Contestant(FROM_S3, "ours", _from_s3(loaded, s3)),
        ]
        rows = contest("offsite", loaded.shape, contestants, rounds, told)
    made = [_made_of(rows, SLOWER, max, FOLDER, UPLOAD), _made_of(rows, BOTH, sum, FETCH, BACK)]
    by_sftp = [_made_of(rows, SLOWER_SFTP, max, FOLDER, UPLOAD_SFTP)] if sshd() else []
    return [*rows, *made, *by_sftp]


def _needs(name: str, program: str) -> Contestant:
    return Contestant(name, "ours", lambda: Outcome(Round(seconds=0)), (program,))


def _to(
    loaded: Loaded, site: Site, backup: Backup, names: tuple[str, str, str, str, str], pair: _Pair
) -> list[Contestant]:
    """An upload of the file that is there, our backups, and what a user types, each plain and closed."""
    upload, plain, closed, rcat, age_rcat = names
    return [
        Contestant(upload, "floor", partial(_copied, loaded, str(backup.file), site.of_rclone("uploaded"))),
        Contestant(plain, "ours", partial(_ours, loaded, site)),
        Contestant(closed, "ours", partial(_ours, loaded, site, pair.identity, BACKUP_AGE_RECIPIENTS=pair.public)),
        _piped(loaded, site, rcat),
        _piped(loaded, site, age_rcat, pair),
    ]


def _made_of(rows: list[Row], name: str, made: Callable[[list[float]], float], *parts: str) -> Row:
    """A row whose time is made of the times of others, round by round."""
    found = [row for row in rows if row.name in parts]
    together = zip(*(row.rounds for row in found), strict=False)
    rounds = [Round(seconds=made([one.seconds for one in of_a_round])) for of_a_round in together]
    missing = next((row.missing for row in found if row.missing), None)
    return found[0].model_copy(
        update={"name": name, "kind": "floor", "rounds": rounds, "stored": None, "fault": None, "missing": missing}
    )


def _pair(loaded: Loaded, s3: Site) -> _Pair:
    """One that is made for this."""
    file = s3.folder / "identity"
    _, made = loaded.place.ours("keygen", "--out", str(file), source=loaded.server, storage=s3.folder)
    return _Pair(str(made["public_key"]), file)


def _copied(loaded: Loaded, of: str, to: str) -> Outcome:
    return Outcome(loaded.place.theirs(f"{_rclone()} copyto {of} {to} > /dev/null"))


def _rclone() -> str:
    return f"{tool('rclone')} --config {os.devnull}"


def _ours(loaded: Loaded, site: Site, identity: Path | None = None, **settings: str) -> Outcome:
    """A backup under an address of its own, made, timed and compared."""
    took, prefix, name = _made(loaded, site, **settings)
    path = site.object(f"{prefix}/{name}")
    return Outcome(took, _compared(loaded, path, identity), size_of(path))


def _made(loaded: Loaded, site: Site, **settings: str) -> tuple[Round, str, str]:
    """What it took, where it lies, and its name."""
    storage, prefix = site.new()
    took, made = loaded.place.ours("backup", source=loaded.server, storage=storage, **site.settings, **settings)
    return took, prefix, str(made["name"])


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


def _piped(loaded: Loaded, site: Site, name: str, pair: _Pair | None = None) -> Contestant:
    """What a user types."""
    needs = ("redis-cli", "zstd", "rclone", *(("age",) if pair else ()))
    closing = f"{tool('age')} -r {pair.public} | " if pair else ""
    last = f"{closing}{_rclone()} rcat {site.of_rclone('piped')}"
    return Contestant(name, "peer", lambda: _typed(loaded, site, last, pair.identity if pair else None), needs)


def _by_aws(loaded: Loaded, s3: S3) -> Contestant:
    """The same, where somebody has Amazon's own program."""
    keys = " ".join(f"{name}={value}" for name, value in s3.keys.items())
    last = f"{_AWS_SETTINGS} {keys} {tool('aws')} s3 cp --quiet --endpoint-url {s3.endpoint} - s3://{BUCKET}/piped"
    return Contestant(AWS_CP, "peer", lambda: _typed(loaded, s3, last, None), ("redis-cli", "zstd", "aws"))


def _typed(loaded: Loaded, site: Site, last: str, identity: Path | None) -> Outcome:
    snapshot = f"{tool('redis-cli')} -p {loaded.server.port} --rdb -"
    took = loaded.place.theirs(f"set -o pipefail; {snapshot} | zstd -q -3 | {last}")
    return Outcome(took, _compared(loaded, site.object("piped"), identity), size_of(site.object("piped")))


def _restored(loaded: Loaded, storage: str, name: str, **settings: str) -> Outcome:
    with loaded.place.server() as target:
        words = ("restore", name, "--mode", "overwrite", "--yes")
        took = loaded.place.ours(*words, source=target, storage=storage, **settings)[0]
        return Outcome(took, loaded.compared(target))


def _from_s3(loaded: Loaded, s3: S3) -> Callable[[], Outcome]:
    """Each round with an empty cache, of a backup that nobody has timed."""
    made: list[tuple[str, str]] = []

    def run() -> Outcome:
        if not made:
            made.append(_made(loaded, s3)[1:])
        shutil.rmtree(s3.folder / "cache", ignore_errors=True)
        ((prefix, name),) = made
        return _restored(loaded, s3.address(prefix), name, **s3.settings)

    return run
