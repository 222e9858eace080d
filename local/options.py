"""What the person asked for: ports on the command line, servers of their own in the environment."""

import argparse
from dataclasses import dataclass

from local.dashboard import given
from worker.config import settings as config

_DATABASES = {"CELERY_BROKER_URL": 0, "CELERY_RESULT_BACKEND": 1}


@dataclass(frozen=True)
class Options:
    """The ports of our own servers, and which of them are needed."""

    port: int | None
    """The dashboard's; None leaves it to the setting PORT."""
    broker_port: int
    source_port: int
    own_source: bool
    in_broker: dict[str, int]
    """Of the settings that the person has not made those for which our broker has a database."""

    @property
    def usual_ports(self) -> bool:
        """Whether another terminal finds our servers without being told."""
        return (self.broker_port, self.source_port) == (config.LOCAL_BROKER_PORT, config.LOCAL_SOURCE_PORT)

    @property
    def own_broker(self) -> bool:
        """Whether anything is to be kept in it."""
        return bool(self.in_broker)

    @property
    def settings(self) -> dict[str, str]:
        """What points to our own servers, as their passwords are now."""
        source = {"REDIS_URL": f"redis://127.0.0.1:{self.source_port}/0"} if self.own_source else {}
        return {name: config.local_broker(db, self.broker_port) for name, db in self.in_broker.items()} | source

    @property
    def exports(self) -> list[str]:
        """The same for the shell of another terminal, which reads the password where it is kept: none is shown."""
        word = f":$(cat {config.LOCAL_BROKER_PASSWORD})@"
        urls = {name: f"redis://{word}127.0.0.1:{self.broker_port}/{db}" for name, db in self.in_broker.items()}
        return [f'export {name}="{url}"' for name, url in (self.settings | urls).items()]


def read() -> Options:
    """The options of this run; argparse ends the process with 2 on a wrong one."""
    parser = argparse.ArgumentParser(
        prog="python -m local",
        description="Run everything on this machine: broker, workers, beat, dashboard, and a demo Redis unless REDIS_URL is set. "
        "With CELERY_BROKER_URL and CELERY_RESULT_BACKEND set, no broker is started.",
    )
    parser.add_argument("--port", type=int, metavar="PORT", help="the dashboard's (default: 8000, or the setting PORT)")
    for name, port in (("broker", config.LOCAL_BROKER_PORT), ("source", config.LOCAL_SOURCE_PORT)):
        parser.add_argument(f"--{name}-port", type=int, default=port, metavar="PORT", help="default: %(default)s")
    chosen = parser.parse_args()
    in_broker = {name: db for name, db in _DATABASES.items() if not given(name)}
    return Options(chosen.port, chosen.broker_port, chosen.source_port, not given("REDIS_URL"), in_broker)
