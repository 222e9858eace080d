"""The source of a stream, as INFO shows it at one moment."""

import time
from dataclasses import dataclass, replace

from worker.config.settings import Settings
from worker.formats.commands.absolute import FIRST_ABSOLUTE
from worker.segments.visits.continuing import Backlog, backlog_of
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import Facts, facts_in, info, keyspace, number
from worker.server.replies import reply_error
from worker.server.wire import Wire

CONNECT_SECONDS, ANSWER_SECONDS = 3, 10


@dataclass(frozen=True)
class Source:
    """The source as INFO showed it at one moment."""

    address: str
    facts: Facts
    backlog: Backlog
    ms: int
    """By its own clock."""
    counts: dict[int, int]

    @property
    def relative(self) -> bool:
        """Whether the expiries in its stream count from when it ran a command."""
        return self.facts.server == "redis" and self.facts.redis_version < FIRST_ABSOLUTE


def visited_source(settings: Settings) -> Endpoint:
    """The source, which is not waited for as long as for a backup."""
    role = replace(SOURCE, connect_seconds=CONNECT_SECONDS, answer_seconds=ANSWER_SECONDS)
    return Endpoint(settings.redis_url, role)


def read_source(wire: Wire, address: str) -> Source:
    """Ask INFO. Raises redis errors."""
    fields = info(wire)
    if fields.get("loading") == "1":
        # It has its history back only once all is loaded: until then it looks like another one.
        raise reply_error("LOADING the source is loading its data")
    counts = {db: counts["keys"] for db, counts in keyspace(fields).items()}
    return Source(address, facts_in(fields), backlog_of(fields), clock_of(fields), counts)


def clock_of(fields: dict[str, str]) -> int:
    """Milliseconds since the epoch by the clock of the server, as INFO says it; of one that tells no time it is ours."""
    return number(fields, "server_time_usec") // 1000 or int(time.time() * 1000)
