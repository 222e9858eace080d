"""A source that is away, forbids or is not ready: no backup is made, and the shell says why."""

from collections.abc import Callable

import pytest

from tests.cli.house import House, nobody_there
from tests.support.processes import CANARY, command, with_password
from tests.support.servers import free_port


def _no_such_host(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://:{CANARY}@no-such-host.invalid:6379/0"


def _no_such_socket(house: House) -> None:
    house.settings["REDIS_URL"] = f"unix://:{CANARY}@{house.folder}/no.sock"


def _wrong_password(house: House) -> None:
    house.settings["REDIS_URL"] = with_password(house.source, f"wrong-{CANARY}")


def _no_password(house: House) -> None:
    house.settings["REDIS_URL"] = f"redis://127.0.0.1:{house.source.port}/0"


def _tls_to_a_plain_port(house: House) -> None:
    # A plain server waits for the rest of what it takes for a command, so it is the time-out that ends this.
    house.settings["REDIS_URL"] = with_password(house.source, scheme="rediss") + "?socket_timeout=1"


def _no_rights(house: House) -> None:
    command(house.source, "ACL", "SETUSER", "poor", "reset", "on", f">{CANARY}", "~*", "+info", "+ping")
    house.settings["REDIS_URL"] = with_password(house.source, user="poor")


def _no_rights_at_all(house: House) -> None:
    command(house.source, "ACL", "SETUSER", "poor", "reset", "on", f">{CANARY}", "~*")
    house.settings["REDIS_URL"] = with_password(house.source, user="poor")


def _loading(house: House) -> None:
    """A server that needs minutes to load, and answers in between."""
    saved = house.start_server(house.source.binary)
    command(saved, "DEBUG", "POPULATE", 500_000)
    saved.client().save()
    saved.kill()
    slow = ("--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024")
    house.settings["REDIS_URL"] = house.start_server(
        house.source.binary, "--dir", str(saved.folder), *slow, password=CANARY
    ).url


def _replica_without_its_primary(house: House) -> None:
    house.second("--replicaof", "127.0.0.1", str(free_port()))


def _stale_replica_that_says_so(house: House) -> None:
    client = house.second().client()
    client.config_set("replica-serve-stale-data", "no")
    client.replicaof("127.0.0.1", free_port())


SOURCES: dict[str, tuple[Callable[[House], None], str]] = {
    "nobody listens there": (nobody_there, r"source at 127\.0\.0\.1:\d+ cannot be reached \(Connection refused\)"),
    "its host is unknown": (_no_such_host, r"no-such-host\.invalid:6379 cannot be reached"),
    "its socket is not there": (_no_such_socket, r"no\.sock cannot be reached"),
    "the password is wrong": (_wrong_password, "refuses the user name or password: check REDIS_URL"),
    "the password is missing": (_no_password, "refuses the user name or password: check REDIS_URL"),
    "it does not speak TLS": (_tls_to_a_plain_port, "did not answer in time|TLS"),
    "the user has no rights": (_no_rights, "PSYNC.*SCAN.*python -m worker ping"),
    "the user may not even ask": (_no_rights_at_all, r"does not allow asking for INFO: .*\+info"),
    "it is loading": (_loading, "still loading its data: try again"),
    "it is a replica without its primary": (_replica_without_its_primary, "replica without a link to its primary"),
    "it is a stale replica": (_stale_replica_that_says_so, "replica without a link to its primary"),
}


@pytest.mark.sweep
@pytest.mark.parametrize("what", SOURCES)
def test_no_backup_is_made_of_a_source_when(what: str, house: House) -> None:
    spoil, words = SOURCES[what]
    spoil(house)
    house.refuses("backup", words=words)


def test_ping_says_what_info_needs_when_even_that_is_forbidden(house: House) -> None:
    _no_rights_at_all(house)
    house.refuses("ping", words=r"does not allow asking for INFO: .*Give that with `ACL SETUSER poor \+info`")
