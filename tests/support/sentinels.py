"""Real Sentinels that watch over servers of a test."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from tests.support.processes import eventually
from tests.support.servers import Binary, Server, free_port

NAME = "mymaster"
DOWN_MILLISECONDS = 1000


class Sentinel:
    """One that decides alone: the same program as the servers, of a make and release of its own."""

    def __init__(self, binary: Binary, folder: Path, primary: Server) -> None:
        folder.mkdir()
        self.port, config = free_port(), folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\nbind 127.0.0.1\ndir {folder}\n"
            f"sentinel monitor {NAME} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {NAME} {DOWN_MILLISECONDS}\n"
            f"sentinel failover-timeout {NAME} 5000\n"
        )
        with (folder / "sentinel.log").open("wb") as log:
            self.process = subprocess.Popen([binary.path, str(config), "--sentinel"], stdout=log, stderr=log)
        eventually(self._answers, "Sentinel to answer")
        # It asks each server for INFO every ten seconds otherwise, and before 7.0 always does.
        if binary.version >= (7, 0):
            self.ask("SENTINEL", "DEBUG", "INFO-PERIOD", "100")

    def _answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.ConnectionError:
            return False

    def ask(self, *words: str) -> Any:
        """The reply to a command, as it was sent."""
        client = redis.Redis(port=self.port, protocol=2)
        client.response_callbacks.clear()
        try:
            return client.execute_command(*words)  # type: ignore[no-untyped-call]
        finally:
            client.close()

    @property
    def primary(self) -> int:
        """The port of the one that it would send clients to."""
        return int(self.ask("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME)[1])

    @property
    def replicas(self) -> set[int]:
        """The ports of all that it counts among the replicas."""
        return {int(_facts(one)[b"port"]) for one in self.ask("SENTINEL", "REPLICAS", NAME)}

    def looks_again(self) -> None:
        """Wait until it has asked the primary for INFO once more."""
        since = time.time()
        eventually(lambda: self._looked_at() > since, "Sentinel to ask for INFO")

    def _looked_at(self) -> float:
        """Seconds since the epoch."""
        asked = time.time()
        return asked - int(_facts(self.ask("SENTINEL", "MASTER", NAME))[b"info-refresh"]) / 1000

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


def _facts(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


@contextmanager
def watched(binary: Binary, folder: Path, primary: Server) -> Iterator[Sentinel]:
    sentinel = Sentinel(binary, folder, primary)
    try:
        yield sentinel
    finally:
        sentinel.stop()
