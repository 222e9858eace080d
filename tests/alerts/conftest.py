"""A broker that alerts are remembered in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartServer
from tests.support.servers import binaries
from worker.config.settings import Settings

Given = Callable[..., Settings]


@pytest.fixture
def ours(start_server: StartServer, tmp_path: Path) -> Given:
    """Settings with a broker and an empty storage of this test."""
    broker = start_server(binaries()[-1])

    def settings(**more: Any) -> Settings:
        usual = {
            "redis_url": "redis://127.0.0.1:6379/0",
            "celery_broker_url": broker.url,
            "celery_result_backend": broker.url,
            "backup_storage": str(tmp_path / "backups"),
        }
        return Settings.model_validate(usual | more)

    return settings
