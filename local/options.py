"""What the person asked for: ports on the command line, servers of their own in the environment."""

import argparse
from dataclasses import dataclass

from local.dashboard import given
from worker.config import settings as config


@dataclass(frozen=True)
class Options:
    """The ports of our own servers, and which of them are needed."""

    port: int | None
    """The dashboard's; None leaves it to the setting PORT."""
    broker_port: int
    source_port: int
    own_broker: bool
    own_source: bool
    settings: dict[str, str]
    """The settings that point to our own servers, where the person has not said otherwise."""

    @property
    def usual_ports(self) -> bool:
        """Whether another terminal finds our servers without being told."""
        return (self.broker_port, self.source_port) == (config.LOCAL_BROKER_PORT, config.LOCAL_SOURCE_PORT)


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
    broker, source = f"redis://127.0.0.1:{chosen.broker_port}", f"redis://127.0.0.1:{chosen.source_port}"
    ours = {"CELERY_BROKER_URL": f"{broker}/0", "CELERY_RESULT_BACKEND": f"{broker}/1", "REDIS_URL": f"{source}/0"}
    settings = {name: url for name, url in ours.items() if not given(name)}
    own_broker = bool({"CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"} & set(settings))
    own_source = "REDIS_URL" in settings
    return Options(chosen.port, chosen.broker_port, chosen.source_port, own_broker, own_source, settings)
