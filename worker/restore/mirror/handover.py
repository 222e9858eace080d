"""The target as our replica for a moment: it loads one RDB file whole, and whatever happens it is a primary again.

Until the file has arrived whole the target keeps its old data (one that is set to drop them first is not treated so). So a
cut anywhere leaves the old data or the new, and `REPLICAOF NO ONE` on every path leaves a primary.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from redis.exceptions import TimeoutError as RedisTimeoutError

from worker.config.fields import Networks
from worker.errors import ArtifactError, BackupSystemError, TargetError
from worker.progress import Progress
from worker.restore.mirror.password import agree, take_back
from worker.restore.mirror.primary import Primary
from worker.restore.mirror.promotion import Demotion, end
from worker.restore.mirror.visitors import Expected
from worker.server.fence import Fence
from worker.server.info import info, keyspace, number
from worker.server.replies import damaged
from worker.server.wire import Wire

COMING_SECONDS = 5
"""How long the target may take to connect and to show who it is. It takes no writes meanwhile."""
SAYING_SECONDS = 0.5
"""How long it may take to say that it has heard us. If it does not, a stranger has, and the target may still come."""
STANDSTILL_SECONDS = 120
"""How long it may do nothing with a file that it has received."""
AWAY_SECONDS = 10
"""How long a target that does not answer is asked to be a primary again."""
POLL_SECONDS = 0.05
BUSY_SECONDS = 0.2
"""How long `meanwhile` goes on between two looks at the target, which is slow to answer while it loads."""


@dataclass(frozen=True)
class File:
    """An RDB file on its way to a target, and what must be there afterwards."""

    length: int
    """In bytes."""
    chunks: Iterator[bytes]
    keys: Mapping[int, int]
    """By database."""
    expired: Mapping[int, int]
    """How many of those have expired, so that the target does not show them; complete when `meanwhile` has ended."""


Look = Callable[[Wire], None]


def all_is_well(_: Wire) -> None:
    """A look at a target of which all may go."""


class Handover:
    """One target that is handed to a primary of ours, and back. `progress` may raise to stop it."""

    def __init__(
        self, demotion: Demotion, primary: Primary, networks: Networks, fence: Fence, progress: Progress
    ) -> None:
        self._endpoint, self._fence = fence.endpoint, fence
        self._demotion, self._primary, self._networks, self._progress = demotion, primary, networks, progress
        self.ended = False
        """Whether the target is known to be a primary again."""

    def run(self, file: File, meanwhile: Iterator[object], last_look: Look = all_is_well) -> None:
        """Let the target load the file, and go through `meanwhile` while it does.

        `last_look` may raise as well: it is asked when the target takes no writes any more, and was sent nothing yet.

        Raises NobodyCameError when it did not come to us, or what the last look raised: nothing was changed then.
        Raises TargetError, ArtifactError, or what `progress` raised, with what the target holds then.
        """
        try:
            with self._endpoint.translated("loading the backup as a replica of ours"), self._fence.named() as wire:
                state = self._load(wire, file, meanwhile, last_look)
                wire.ask(b"REPLICAOF", b"NO", b"ONE")
                self.ended = True
                for _ in meanwhile:
                    pass
                _prove(state, file)
        except BackupSystemError as error:
            raise type(error)(f"{error} {self._taken_back()}") from None
        except BaseException:
            self._taken_back()
            raise

    def _load(self, wire: Wire, file: File, meanwhile: Iterator[object], last_look: Look) -> dict[str, str]:
        """INFO's facts as soon as the file is loaded."""
        known_by = info(wire).get("master_replid")
        if known_by is None:
            raise damaged("INFO")
        self._fence.prove()
        password = agree(wire, self._primary.password)
        wire.ask(b"REPLICAOF", self._demotion.host.encode(), b"%d" % self._demotion.port)
        expected = Expected(self._networks, known_by, password)
        self._primary.let_in(expected, lambda: _has_heard(wire), COMING_SECONDS)
        take_back(wire, self._demotion.password)
        last_look(wire)
        for sent in self._primary.send(file.length, self._exactly(file)):
            self._progress("sending", sent, file.length, "bytes")
        self._wait(wire, meanwhile)
        return info(wire)

    def _exactly(self, file: File) -> Iterator[bytes]:
        """The chunks, up to the announced length: the target would take one byte more for a command."""
        left = file.length
        for chunk in file.chunks:
            left -= len(chunk)
            if left < 0:
                break
            self._fence.check()
            yield chunk
        if left:
            raise ArtifactError("The backup has changed while it was read.")

    def _wait(self, wire: Wire, meanwhile: Iterator[object]) -> None:
        """Until the target says that it has loaded the file."""
        loaded, since = 0, time.monotonic()
        while (state := info(wire)).get("loading") != "0" or state.get("master_link_status") != "up":
            self._primary.keep()
            if "loading_loaded_bytes" in state and (now := number(state, "loading_loaded_bytes")) != loaded:
                loaded, since = now, time.monotonic()
            # Progress is also reported while nothing happens, because it is how a run is stopped.
            self._progress("loading", loaded, number(state, "loading_total_bytes") or None, "bytes")
            if time.monotonic() - since > STANDSTILL_SECONDS:
                raise RedisTimeoutError("it does not load the file")
            _pass_time(meanwhile)

    def _taken_back(self) -> str:
        # A target that loads from the connection would wait for us, and takes no command while it loads.
        self._primary.close()
        outcome = end(self._endpoint, self._demotion, AWAY_SECONDS)
        self.ended = outcome is not None
        return outcome or (
            "It does not answer. When it starts again, it is a primary with what it last saved; "
            "should it come back without a start, the next restore makes it one."
        )


def _has_heard(wire: Wire) -> bool:
    """Whether the target says that its primary, which we are to it, has announced a file."""
    until = time.monotonic() + SAYING_SECONDS
    while info(wire, b"replication").get("master_sync_in_progress") != "1":
        if time.monotonic() > until:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _pass_time(meanwhile: Iterator[object]) -> None:
    """Go on for a while with what is to be done meanwhile; where nothing of it is left, only wait a moment."""
    until = time.monotonic() + BUSY_SECONDS
    for _ in meanwhile:
        if time.monotonic() >= until:
            return
    time.sleep(POLL_SECONDS)


def _prove(state: dict[str, str], file: File) -> None:
    """All keys are there, counted while nobody but us can write there: a replica takes no writes, and expires nothing."""
    loaded = {db: counts["keys"] for db, counts in keyspace(state).items()}
    for db in sorted(loaded.keys() | file.keys.keys()):
        keys = file.keys.get(db, 0)
        if not keys - file.expired.get(db, 0) <= loaded.get(db, 0) <= keys:
            raise TargetError(
                f"The target has loaded the backup and holds {loaded.get(db, 0):,} keys in database {db}, not {keys:,}: "
                "its own log says why."
            )
