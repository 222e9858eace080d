"""A source, a good backup of it, and a shell that refuses in one plain sentence and leaves all as it was."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conftest import StartServer
from tests.support.processes import CANARY, Ended, Shell, listing
from tests.support.servers import Server, free_port
from tests.support.states import state


@dataclass
class House:
    """A source behind a password, one good backup of it, and a shell there."""

    source: Server
    shell: Shell
    name: str
    start_server: StartServer
    settings: dict[str, str] = field(default_factory=dict)
    preexec: Callable[[], None] | None = None

    @property
    def artifact(self) -> Path:
        return self.shell.storage / self.name

    @property
    def manifest(self) -> Path:
        return self.shell.storage / f"{self.name}.manifest.json"

    @property
    def folder(self) -> Path:
        return self.shell.folder

    def second(self, *options: str, **more: Any) -> Server:
        """Another server, which the shell then talks to."""
        server: Server = self.start_server(self.source.binary, *options, password=CANARY, **more)
        self.settings["REDIS_URL"] = server.url
        return server

    def run(self, *arguments: str) -> Ended:
        return self.shell(*arguments, preexec=self.preexec, **self.settings)

    def refuses(self, *arguments: str, code: int = 1, words: str, watched: Server | None = None) -> None:
        """Run a command that must fail in the way that everything here must fail."""
        server = watched or self.source
        alive = server.process.poll() is None
        before = (listing(self.shell.storage), state(server) if alive else None)
        ended = self.run(*arguments)
        said = ended.out + ended.err
        assert ended.code == code, said
        assert ended.out == ""
        sentence = ended.err.splitlines()[-1]
        assert re.fullmatch(r"Error: \S.*[.?!)]", sentence), ended.err
        assert re.search(words, sentence), sentence
        usage = ended.err.splitlines()[:-1]
        assert not usage or usage[0].startswith("Usage: "), ended.err
        assert "Traceback" not in said
        assert CANARY not in said
        assert (listing(self.shell.storage), state(server) if alive else None) == before


def nobody_there(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://:{CANARY}@127.0.0.1:{free_port()}/0"
