"""What is looked at before a source is read, and what is said of the way that was chosen."""

from dataclasses import replace

import pytest

from tests.conftest import StartServer
from tests.server.test_facts import BARE, facts
from tests.support.servers import Binary
from worker.config.settings import EngineName
from worker.engines import check_databases
from worker.engines.choice import Wanted, choose, otherwise
from worker.engines.typed import Typed
from worker.errors import SourceError, UsageError
from worker.server.endpoint import SOURCE, Endpoint
from worker.server.info import Facts


def test_a_database_that_the_source_has_not_is_refused(newest: Binary, start_server: StartServer) -> None:
    endpoint = Endpoint(start_server(newest).url, SOURCE)
    check_databases(endpoint, {0, 15})
    with pytest.raises(UsageError, match="The source has no database 16 for us"):
        check_databases(endpoint, {0, 16})


def test_that_ordinary_commands_give_no_checksum_is_a_warning(newest: Binary, start_server: StartServer) -> None:
    source = Typed(Endpoint(start_server(newest).url, SOURCE), [0])
    assert [entry for batch in source.batches() for entry in batch] == []
    assert any("without a checksum" in warning for warning in source.warnings)


def one_of(make: str, version: str, fields_expire: bool = False) -> Facts:
    """A server that nobody asks."""
    return replace(facts(BARE), server=make, version=version, fields_expire=fields_expire)


NOWHERE = Endpoint("redis://127.0.0.1:1/0", SOURCE)


@pytest.mark.parametrize(
    ("make", "version", "fields_expire", "own"),
    [
        ("valkey", "9.0.0", True, True),
        ("valkey", "9.1.2", True, True),
        ("valkey", "10.0.0", True, True),
        ("valkey", "9.1.2", False, False),
        ("valkey", "8.1.8", True, False),
        ("redis", "8.2.3", True, False),
        ("redis", "9.0.0", True, False),
    ],
)
def test_a_snapshot_is_in_valkeys_own_version_only_where_the_other_would_lose_something(
    make: str, version: str, fields_expire: bool, own: bool
) -> None:
    server = one_of(make, version, fields_expire)
    choice = choose(NOWHERE, server, Wanted("replication", "rdb", [0]))
    assert choice.own_rdb is own
    assert choice.reason.startswith("asked for")


@pytest.mark.parametrize(
    ("make", "version", "again"),
    [("valkey", "9.0.0", True), ("valkey", "8.1.8", False), ("redis", "9.0.0", False)],
)
def test_a_snapshot_that_failed_is_asked_for_once_more_where_there_is_another_version(
    make: str, version: str, again: bool
) -> None:
    server, wanted = one_of(make, version), Wanted("replication", "rdb", [0])
    failed = choose(NOWHERE, server, wanted)
    second = otherwise(NOWHERE, server, wanted, failed, SourceError("It broke."))
    assert (second is not None and second.own_rdb) is again
    if second is not None:
        assert otherwise(NOWHERE, server, wanted, second, SourceError("It broke.")) is None


@pytest.mark.parametrize("engine", ["scan", "typed"])
def test_who_asked_for_another_way_has_no_second(engine: EngineName) -> None:
    server, wanted = one_of("valkey", "9.0.0"), Wanted(engine, "json", [0])
    assert otherwise(NOWHERE, server, wanted, choose(NOWHERE, server, wanted), SourceError("It broke.")) is None
