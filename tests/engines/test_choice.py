"""What is looked at before a source is read, and what is said of the way that was chosen."""

import pytest

from tests.conftest import StartServer
from tests.support.servers import Binary
from worker.engines import check_databases
from worker.engines.typed import Typed
from worker.errors import UsageError
from worker.server.endpoint import SOURCE, Endpoint


def test_a_database_that_the_source_has_not_is_refused(newest: Binary, start_server: StartServer) -> None:
    endpoint = Endpoint(start_server(newest).url, SOURCE)
    check_databases(endpoint, {0, 15})
    with pytest.raises(UsageError, match="The source has no database 16 for us"):
        check_databases(endpoint, {0, 16})


def test_that_ordinary_commands_give_no_checksum_is_a_warning(newest: Binary, start_server: StartServer) -> None:
    source = Typed(Endpoint(start_server(newest).url, SOURCE), [0])
    assert [entry for batch in source.batches() for entry in batch] == []
    assert any("without a checksum" in warning for warning in source.warnings)
