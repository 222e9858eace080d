"""Backups of each format in which a bit flips, or of which an end is missing.

| fault | moment | operation | promise |
|---|---|---|---|
| a bit is turned around, at 500 places | before | verify, restore in each mode | refused with its name, nothing is written |
| the file ends early, at 500 places and at all of the last | before | the same | the same |
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.soak.traffic import digest
from tests.support.age_keys import age_pair
from tests.support.backups import settings_for
from tests.support.data import fill
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments, VerifyArguments
from worker.arguments.restore import RestoreArguments
from worker.backups.backup import backup
from worker.backups.verify import verify
from worker.config.settings import Settings
from worker.errors import ArtifactError
from worker.progress import silent
from worker.restore.restore import restore

PLACES, LAST = 500, 20
FORMATS = [(form, compression) for form in ("rdb", "json") for compression in ("zstd", "gzip", "none")]
MODES = ("skip", "overwrite", "mirror")


@dataclass
class Stored:
    """A backup whose file can be damaged, and a target that nothing may touch."""

    settings: Settings
    name: str
    path: Path
    whole: bytes
    target: Server
    digest: bytes

    def is_refused(self, damaged: bytes, mode: Any) -> None:
        """By verify and by a restore, and the target is as it was."""
        self.path.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=self.name):
            verify(self.settings, VerifyArguments(name=self.name), silent)
        with pytest.raises(ArtifactError, match=self.name):
            restore(self.settings, RestoreArguments(name=self.name, mode=mode), silent)
        assert digest(self.target) == self.digest


@pytest.fixture
def stored(request: Any, newest: Binary, start_server: StartServer, tmp_path: Path) -> Stored:
    form, compression, encrypted = request.param
    server = start_server(newest)
    fill(server.client(), server.binary)
    more = age_pair(tmp_path).settings if encrypted else {}
    settings = settings_for(server, tmp_path / "storage", **more)
    name = backup(settings, BackupArguments(format=form, compression=compression), silent)["name"]
    server.client().flushall()
    server.client().set("mine", "x")
    path = tmp_path / "storage" / name
    return Stored(settings, name, path, path.read_bytes(), server, digest(server))


def flips(whole: bytes, seed: str) -> Iterator[bytes]:
    """With one bit turned around: in the first and the last byte, and anywhere."""
    chance = random.Random(seed)  # noqa: S311 - the same places each time
    for place in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(PLACES - 2))):
        yield whole[:place] + bytes([whole[place] ^ 1 << chance.randrange(8)]) + whole[place + 1 :]


def ends(whole: bytes) -> Iterator[bytes]:
    """Without its end: at so many places over all of it, and at each of the last."""
    step = max(1, len(whole) // PLACES)
    yield from (whole[:end] for end in (*range(0, len(whole) - LAST, step), *range(len(whole) - LAST, len(whole))))


@pytest.mark.parametrize("stored", [("rdb", "zstd", True)], indirect=True, ids=["rdb-zstd-age"])
def test_a_backup_of_which_a_bit_flipped_or_an_end_is_missing_is_refused(stored: Stored) -> None:
    flipped, cut = list(flips(stored.whole, stored.name)), list(ends(stored.whole))
    for damaged in (flipped[0], flipped[7], cut[0], cut[-1]):
        stored.is_refused(damaged, "overwrite")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    "stored",
    [(*one, encrypted) for one in FORMATS for encrypted in (False, True)],
    indirect=True,
    ids=lambda one: "-".join([*one[:2], *["age"] * one[2]]),
)
def test_of_each_format_flips_everywhere_are_refused(stored: Stored, mode: str) -> None:
    at = MODES.index(mode)
    # Each mode has its part of the places: together they have all of them.
    for number, damaged in enumerate((*flips(stored.whole, "flips"), *ends(stored.whole))):
        if number % len(MODES) == at:
            stored.is_refused(damaged, mode)
    stored.path.write_bytes(stored.whole)
    verify(stored.settings, VerifyArguments(name=stored.name), silent)
