"""FLUSHALL on Friday is repaired on Monday, with BACKUP_KEEP=1 and a backup every hour."""

from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import aged, bring_back, settings_for
from tests.support.servers import Binary, Server
from worker.arguments.backups import AcceptArguments, BackupArguments, PruneArguments
from worker.backups.backup import backup
from worker.backups.prune import prune
from worker.backups.suspicion.accept import accept
from worker.config.settings import Settings
from worker.progress import silent
from worker.repository import catalogue
from worker.repository.manifest import Manifest
from worker.storage.local import Folder

KEYS = {f"user:{number}": f"value {number}" for number in range(40)}
MONDAY = 64.0
"""Hours that have passed since Friday, 17:00."""


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    started = start_server(newest)
    started.client().mset(KEYS)
    return started


@pytest.fixture
def settings(server: Server, tmp_path: Path) -> Settings:
    return settings_for(server, tmp_path / "backups", backup_keep=1)


def made_at(settings: Settings, hour: float) -> str:
    """A backup of that hour since Friday, 17:00, and the prune that follows it; how it is called on Monday."""
    folder = Path(settings.backup_storage)
    made = Manifest.model_validate(backup(settings, BackupArguments(), silent))
    name = aged(folder, made, days=(MONDAY - hour) / 24)
    if made.suspicious:
        catalogue.note(Folder(folder), name, suspicious=made.suspicious)
    prune(settings, PruneArguments(keep=1, keep_manual=1), silent)
    return name


def listed(settings: Settings) -> list[str]:
    return [one.name for one in catalogue.read(Folder(Path(settings.backup_storage))).listed]


@pytest.mark.parametrize(
    "every", [8.0, pytest.param(1.0, marks=pytest.mark.slow)], ids=["every eight hours", "every hour"]
)
@pytest.mark.parametrize("goes_on", [False, True], ids=["empty", "the application goes on"])
def test_a_flushall_on_friday_is_repaired_on_monday(
    every: float, goes_on: bool, server: Server, settings: Settings
) -> None:
    client = server.client()
    made_at(settings, -every)
    good = made_at(settings, 0)
    assert listed(settings) == [good]
    client.flushall()
    if goes_on:
        client.mset({f"session:{number}": "new" for number in range(5)})
    hour = every
    while hour < MONDAY:
        made_at(settings, hour)
        assert good in listed(settings), hour
        hour += every
    # Once others agreed they go again: what is left is the newest, the first that fell, and what was there before.
    assert len(listed(settings)) == 3
    client.flushall()
    bring_back(server, Path(settings.backup_storage), good)
    assert {key: client.get(key) for key in KEYS} == {key: value.encode() for key, value in KEYS.items()}


def test_while_the_newest_is_suspicious_nothing_goes_until_somebody_accepts_it(
    server: Server, settings: Settings
) -> None:
    good = made_at(settings, 0)
    server.client().flushall()
    fallen = [made_at(settings, hour) for hour in (1.0, 2.0)]
    assert listed(settings) == [*fallen[::-1], good]
    told = prune(settings, PruneArguments(keep=1, keep_manual=1), silent)
    assert told["deleted"] == []
    assert told["kept"][1]["reason"].startswith(f"{fallen[1]} is suspicious: until somebody accepts it")
    assert f"python -m worker accept {fallen[1]}" in told["warnings"][0]
    dry = prune(settings, PruneArguments(keep=1, keep_manual=1, keep_bytes=1, dry_run=True), silent)
    assert dry["deleted"] == []
    said = accept(settings, AcceptArguments(name=fallen[1]))
    assert (said["was_suspicious"], said["also"]) == (True, [fallen[0]])
    assert said["why"][0] == "It is empty, and the good one before it held 40 keys."
    # What holds keys is never given up for what does not.
    assert [entry["name"] for entry in prune(settings, PruneArguments(keep=1), silent)["deleted"]] == [fallen[0]]
    assert accept(settings, AcceptArguments(name=good))["was_suspicious"] is False
