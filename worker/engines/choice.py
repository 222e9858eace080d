"""Which engine reads a source: the one that was asked for, or the best that the server allows, and why."""

from collections.abc import Iterable
from dataclasses import dataclass

from redis.exceptions import ResponseError

from worker.config.settings import EngineName, FormatName
from worker.engines.replication import Replication
from worker.engines.scan import Scan
from worker.engines.source import Source
from worker.engines.typed import Typed
from worker.errors import SourceError, SourceUnavailableError, UsageError
from worker.server.endpoint import Endpoint
from worker.server.info import Facts
from worker.server.wire import Wire

_FIRST_VALKEY_WITH_ITS_OWN_RDB = (9,)
_OWN_RDB = (
    "in the RDB version of Valkey itself, as the older one, which other servers load, has no expiry of single fields"
)


@dataclass(frozen=True)
class Wanted:
    """What is asked for: an engine or `auto`, the format that it has to feed, the numbers of the databases to read."""

    engine: EngineName
    format: FormatName
    databases: list[int]


@dataclass(frozen=True)
class Choice:
    """A source, why it was chosen, and warnings about the choice."""

    source: Source
    reason: str
    warnings: tuple[str, ...] = ()
    own_rdb: bool = False
    """Whether a snapshot is asked for in the RDB version of Valkey itself."""


def choose(endpoint: Endpoint, facts: Facts, wanted: Wanted) -> Choice:
    """The engine that was asked for, or with `auto` the best that the server allows.

    UsageError where engine and format do not go together; SourceUnavailableError for half a server, which is not read.
    """
    _check_whole(endpoint, facts)
    if wanted.engine == "typed" and wanted.format == "rdb":
        raise UsageError("The typed engine reads values and no payloads, so it can only write json: add --format json.")
    if wanted.engine == "replication":
        return _snapshot(endpoint, facts, "asked for")
    if wanted.engine == "scan":
        return Choice(Scan(endpoint, wanted.databases), "asked for")
    if wanted.engine == "typed":
        return Choice(Typed(endpoint, wanted.databases), "asked for")
    if (refusal := Replication(endpoint).refusal()) is None:
        return _snapshot(endpoint, facts, "the server allows PSYNC: one point in time")
    return _key_by_key(endpoint, wanted, f"PSYNC was refused: {refusal}")


def otherwise(endpoint: Endpoint, facts: Facts, wanted: Wanted, failed: Choice, error: SourceError) -> Choice | None:
    """The next best way where a snapshot was begun and failed with `error`; None where there is no other."""
    if failed.source.engine != Replication.engine:
        return None
    if _has_its_own_rdb(facts) and not failed.own_rdb:
        return _in_its_own_rdb(endpoint, facts, failed.reason)
    if wanted.engine != "auto":
        return None
    try:
        choice = _key_by_key(endpoint, wanted, f"a snapshot was begun and failed: {error}")
    except SourceError:
        return None
    warning = f"The keys were read one after the other, at no single point in time, for the snapshot failed: {error}"
    return Choice(choice.source, choice.reason, (warning,))


def check_databases(endpoint: Endpoint, databases: Iterable[int]) -> None:
    """UsageError for a database that the source does not have: an empty backup would look like a good one."""
    with endpoint.translated("choosing databases"), Wire(endpoint) as wire:
        for db in sorted(databases):
            if isinstance(answer := wire.try_(b"SELECT", b"%d" % db), ResponseError):
                raise UsageError(f"The source has no database {db} for us: {answer}.")


def _check_whole(endpoint: Endpoint, facts: Facts) -> None:
    if facts.loading:
        raise SourceUnavailableError(
            f"The source at {endpoint.address} is still loading its data: try again when it is done."
        ).plain()
    if facts.role == "slave" and not facts.primary_link_up:
        raise SourceUnavailableError(
            f"The source at {endpoint.address} is a replica without a link to its primary: mend that link, or name the primary."
        ).plain()


def _snapshot(endpoint: Endpoint, facts: Facts, reason: str) -> Choice:
    # It sends the older version to whoever asks for none, and more servers load that one.
    if _has_its_own_rdb(facts) and facts.fields_expire:
        return _in_its_own_rdb(endpoint, facts, reason)
    return Choice(Replication(endpoint), reason)


def _in_its_own_rdb(endpoint: Endpoint, facts: Facts, reason: str) -> Choice:
    return Choice(Replication(endpoint, facts.version), f"{reason}; {_OWN_RDB}", own_rdb=True)


def _has_its_own_rdb(facts: Facts) -> bool:
    return facts.server == "valkey" and facts.release >= _FIRST_VALKEY_WITH_ITS_OWN_RDB


def _key_by_key(endpoint: Endpoint, wanted: Wanted, reason: str) -> Choice:
    scan = Scan(endpoint, wanted.databases)
    if (refusal := scan.refusal()) is None:
        return Choice(scan, reason)
    if wanted.format == "rdb":
        raise SourceError(
            f"The source allows neither a snapshot ({reason}) nor SCAN and DUMP ({refusal}), which an rdb backup needs: "
            "use --format json, or give the user the rights that `python -m worker ping` shows."
        )
    return Choice(Typed(endpoint, wanted.databases), f"{reason}; and so was DUMP: {refusal}")
