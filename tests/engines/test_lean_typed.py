"""A backup by the ordinary commands, by a user who lacks one of them: nothing is left out in silence."""

import time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import asking, files, settings_for, take
from tests.support.processes import command
from tests.support.servers import Binary, Server
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.errors import SourceError
from worker.progress import silent


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    if not newest.fields_expire:
        pytest.skip(f"{newest} has no expiry of fields")
    return start_server(newest)


def test_a_user_without_hpexpiretime_makes_no_backup_that_has_lost_the_expiry_of_fields(
    server: Server, storage: Path
) -> None:
    client = asking(server)
    client.execute_command("HSET", "hash", "stays", "1", "goes", "1")
    client.execute_command("HPEXPIREAT", "hash", int(time.time() * 1000) + 3_600_000, "FIELDS", 1, "goes")
    command(server, "ACL", "SETUSER", "lean", "reset", "on", ">secret", "~*", "+@all", "-hpexpiretime")
    settings = settings_for(server, storage, redis_url=server.url.replace("//", "//lean:secret@"))
    with pytest.raises(SourceError, match=r"does not allow .*hpexpiretime"):
        backup(settings, BackupArguments(engine="typed", format="json"), silent)
    assert files(storage) == []
    assert take(server, storage, engine="typed", format="json")["keys"] == 1
