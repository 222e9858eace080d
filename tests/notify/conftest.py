"""A broker, and a program that is to hear of things."""

from collections.abc import Callable, Iterator

import pytest

from tests.conftest import StartServer
from tests.notify.receiver import SECRET, Receiver, receiving
from tests.support.servers import Server, binaries
from worker.config.settings import Settings

Configure = Callable[..., Settings]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as one:
        yield one


@pytest.fixture
def broker(start_server: StartServer) -> Server:
    return start_server(binaries()[-1], "--appendonly", "yes")


@pytest.fixture
def configured(broker: Server, receiver: Receiver) -> Configure:
    """Settings with the program, and more."""

    def configure(**more: object) -> Settings:
        usual = {"notify_webhook_url": receiver.url(), "notify_webhook_secret": SECRET}
        return Settings(celery_broker_url=broker.url, **usual | more)  # type: ignore[arg-type]

    return configure
