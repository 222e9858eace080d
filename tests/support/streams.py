"""A source that is visited, and what its stream makes of another server."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tests.support.backups import settings_for
from tests.support.reading import raw
from tests.support.servers import Server
from tests.support.states import State, assert_same, state
from worker.arguments.backups import BackupArguments
from worker.backups.backup import backup
from worker.config.settings import Settings
from worker.formats.commands.reading import parsed
from worker.progress import silent
from worker.segments.moments import Wanted, find
from worker.segments.recording import Recording
from worker.segments.sealing import seal
from worker.segments.visits.growing import alone
from worker.segments.visits.visit import visit

BACKLOG = ("--repl-backlog-size", "64mb")


@dataclass
class Streamed:
    """A source, and where its backups and its stream go."""

    source: Server
    folder: Path
    more: dict[str, Any] = field(default_factory=dict)
    """Other settings."""

    @property
    def storage(self) -> Path:
        return self.folder / "backups"

    @property
    def stream(self) -> Path:
        """The folder of its stream on this machine."""
        return next((self.folder / "stream").iterdir())

    @property
    def settings(self) -> Settings:
        return settings_for(
            self.source,
            self.storage,
            **{
                "backup_stream_folder": str(self.folder / "stream"),
                "backup_cache": str(self.folder / "cache"),
                "drill_servers": (self.source.binary.path,),
                **self.more,
            },
        )

    def take(self) -> dict[str, Any]:
        """A backup of it."""
        return backup(self.settings, BackupArguments(), silent)

    def visit(self) -> dict[str, Any]:
        """What a visit says."""
        return visit(self.settings)

    def overrun(self) -> None:
        """More is written than its backlog holds, which the next visit finds."""
        self.source.client().config_set("repl-backlog-size", "1mb")
        for number in range(40):
            self.source.client().set(f"large:{number}", b"x" * 100_000)

    def end_the_hour(self) -> dict[str, Any]:
        """As a visit does when an hour is over, and then the task that stores it."""
        with alone(self.stream) as growing:
            growing.recover()
            growing.go_on()
        return seal(self.settings, silent)

    def find(self, **wanted: Any) -> Recording:
        """A moment; the last one by default."""
        return find(self.settings, Wanted(**wanted))


def played(recording: Recording, server: Server) -> Server:
    """The server, after it was sent the commands as by a client."""
    return sent(recording.commands(), server, recording.database)


def sent(chunks: Iterable[bytes], server: Server, db: int = 0) -> Server:
    client: Any = raw(server, db)
    connection = client.connection_pool.get_connection()
    try:
        batch = [arguments for arguments, _ in parsed(chunks)]
        for arguments in batch:
            connection.send_command(*arguments, check_health=False)
            connection.read_response()
    finally:
        connection.disconnect()
    return server


def assert_played(then: Server | State, server: Server, within_ms: int = 5000) -> None:
    """The server holds what the source did. What 6.2 sends has no absolute expiries: those are as exact as the visits are near."""
    source = then if isinstance(then, State) else state(then, times=False)
    here = state(server, times=False)
    if server.binary.version < (7, 0):
        late = {key: at for key, at in here.expiries.items() if abs(at - source.expiries.get(key, 0)) > within_ms}
        assert not late
        assert here.expiries.keys() == source.expiries.keys()
        here = replace(here, expiries=source.expiries)
    assert_same(source, here, times=False)
