"""What is remembered of runs, and an office where they are carried out."""

import os
from collections.abc import Iterator

import pytest

from tests.conftest import StartServer
from tests.runs.office import KEYS, VALUE_BYTES, VALUES, Office
from tests.support.gates import Gate
from tests.support.processes import CANARY, command, environment
from tests.support.servers import Binary, binaries, running
from worker.config.settings import Settings
from worker.runs.store import Runs, open_runs


@pytest.fixture
def memory(newest: Binary, start_server: StartServer) -> Iterator[Runs]:
    with open_runs(Settings(celery_broker_url=start_server(newest).url)) as memory:
        yield memory


@pytest.fixture
def broker_settings(memory: Runs) -> Settings:
    options = memory._client.connection_pool.connection_kwargs
    return Settings(celery_broker_url=f"redis://127.0.0.1:{options['port']}/0")


@pytest.fixture(scope="module")
def rooms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    folder, binary = tmp_path_factory.mktemp("office"), binaries()[-1]
    with (
        running(binary, folder / "broker", "--appendonly", "yes") as broker,
        running(binary, folder / "source", password=CANARY) as source,
        Gate(source.port) as gate,
    ):
        command(source, "DEBUG", "POPULATE", KEYS - VALUES, "key", 16)
        for number in range(VALUES):
            source.client().set(f"big:{number}", os.urandom(VALUE_BYTES))
        env = environment(
            REDIS_URL=f"redis://:{CANARY}@127.0.0.1:{gate.port}/0",
            CELERY_BROKER_URL=broker.url,
            CELERY_RESULT_BACKEND=broker.url[:-1] + "1",
            BACKUP_STORAGE=str(folder / "backups"),
        )
        yield Office(folder, broker, source, gate, env)


@pytest.fixture
def office(rooms: Office) -> Iterator[Office]:
    rooms.broker.client().flushall()
    yield rooms
    rooms.gate.open()
