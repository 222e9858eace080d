"""TLS: what works on every server, and what is said where it does not come about."""

import re
import time
from pathlib import Path

import pytest

from tests.conftest import StartServer
from tests.support.backups import bring_back, fill_all, take
from tests.support.certificates import Authority, terminated
from tests.support.processes import Shell
from tests.support.servers import Binary, Server
from tests.support.states import assert_same
from worker.errors import BackupSystemError, SourceUnavailableError, UsageError
from worker.server.endpoint import SOURCE, TARGET, Endpoint
from worker.server.info import read_facts


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(newest: Binary, start_server: StartServer) -> Server:
    return start_server(newest)


def said(url: str) -> str:
    """What is told of a source that cannot be reached so."""
    with pytest.raises(SourceUnavailableError) as caught:
        read_facts(Endpoint(url, SOURCE))
    assert not re.search(r"_ssl|\[SSL|Errno", str(caught.value)), caught.value
    return str(caught.value)


def with_client(url: str, authority: Authority, name: str = "client") -> str:
    return f"{url}&ssl_certfile={authority[name].certificate}&ssl_keyfile={authority[name].key}"


@pytest.mark.parametrize("asks", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_backup_and_a_restore_over_tls_with_an_authority_of_ones_own(
    asks: bool, binary: Binary, start_server: StartServer, authority: Authority, tmp_path: Path
) -> None:
    source, target = fill_all(start_server(binary)), start_server(binary)
    with (
        terminated(source.port, authority, asks=asks) as there,
        terminated(target.port, authority, asks=asks) as back,
    ):
        for terminator, words in ((there, ("backup",)), (back, ("restore", "latest", "--mode", "overwrite", "--yes"))):
            url = f"rediss://127.0.0.1:{terminator.port}/0?ssl_ca_certs={authority.path}"
            url = with_client(url, authority) if asks else url
            done = Shell(url, tmp_path / "backups", tmp_path)(*words, "--json")
            assert (done.code, done.err) == (0, "")
    assert_same(target, source)


def test_a_missing_client_certificate_is_told(server: Server, authority: Authority) -> None:
    with terminated(server.port, authority, asks=True) as terminator:
        told = said(f"rediss://127.0.0.1:{terminator.port}/0?ssl_ca_certs={authority.path}")
    assert re.search(
        r"ended the connection when TLS began \(.+\): if it wants a client certificate, name one as ssl_certfile and "
        r"ssl_keyfile in REDIS_URL\.$",
        told,
    )


def test_a_client_certificate_of_a_stranger_is_told(
    server: Server, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> None:
    stranger = Authority(tmp_path_factory.mktemp("stranger"))
    with terminated(server.port, authority, asks=True) as terminator:
        url = f"rediss://127.0.0.1:{terminator.port}/0?ssl_ca_certs={authority.path}"
        told = said(with_client(url, stranger))
    assert re.search(r"ended the connection when TLS began \(.+\): does it accept our client certificate", told)


def test_a_certificate_for_another_name_is_told(server: Server, authority: Authority) -> None:
    with terminated(server.port, authority, "elsewhere") as terminator:
        told = said(f"rediss://127.0.0.1:{terminator.port}/0?ssl_ca_certs={authority.path}")
    assert re.search(
        r"shows a certificate for another name \(.*127\.0\.0\.1.*\): name it in REDIS_URL as its cert", told
    )


def test_an_authority_that_is_not_known_is_told(server: Server, authority: Authority) -> None:
    with terminated(server.port, authority) as terminator:
        told = said(f"rediss://127.0.0.1:{terminator.port}/0")
    assert "shows a certificate that nobody known here has signed" in told
    assert told.endswith("name who has, as ssl_ca_certs=/path/ca.pem in REDIS_URL.")


def test_tls_to_a_port_that_speaks_none_is_told_in_seconds(server: Server) -> None:
    began = time.monotonic()
    told = said(f"rediss://127.0.0.1:{server.port}/0")
    assert time.monotonic() - began < 30, "not after a minute"
    assert told == (
        f"The source at 127.0.0.1:{server.port} does not speak TLS: write redis:// in place of rediss:// in REDIS_URL, or "
        "name its port for TLS."
    )


@pytest.mark.parametrize("login", ["", ":secret@"])
def test_a_port_that_speaks_tls_only_is_told(login: str, server: Server, authority: Authority) -> None:
    with terminated(server.port, authority, asks=True) as terminator:
        told = said(f"redis://{login}127.0.0.1:{terminator.port}/0")
    assert told == (
        f"The source at 127.0.0.1:{terminator.port} speaks TLS: write rediss:// in place of redis:// in REDIS_URL."
    )


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ("ssl_certfile={client}&ssl_keyfile={other}", "its ssl_certfile and ssl_keyfile do not belong together"),
        (
            "ssl_certfile={text}&ssl_keyfile={other}",
            "its ssl_certfile and ssl_keyfile are no certificate and key as PEM",
        ),
        ("ssl_keyfile={other}", "it has an ssl_keyfile without an ssl_certfile"),
        ("ssl_ca_certs={text}", "its ssl_ca_certs holds no certificate as PEM"),
    ],
)
def test_files_that_cannot_be_used_are_a_fault_of_the_setting(
    options: str, fault: str, authority: Authority, tmp_path: Path
) -> None:
    (text := tmp_path / "text").write_text("no certificate")
    files = {"client": authority["client"].certificate, "other": authority["server"].key, "text": str(text)}
    with pytest.raises(UsageError, match=f"^The setting REDIS_URL cannot be used: {fault}"):
        Endpoint(f"rediss://127.0.0.1:1/0?{options.format(**files)}", TARGET)


def test_a_connection_that_breaks_later_is_not_blamed_on_tls(
    server: Server, authority: Authority, tmp_path: Path
) -> None:
    with terminated(server.port, authority) as terminator:
        endpoint = Endpoint(f"rediss://127.0.0.1:{terminator.port}/0?ssl_ca_certs={authority.path}", SOURCE)
        read_facts(endpoint)
    server.kill()
    with pytest.raises(BackupSystemError) as caught:
        read_facts(endpoint)
    assert "certificate" not in str(caught.value)


def test_a_server_with_tls_of_its_own(encrypted: Server, tmp_path: Path) -> None:
    fill_all(encrypted)
    take(encrypted, tmp_path / "backups")
    report = bring_back(encrypted, tmp_path / "backups", mode="overwrite")
    assert report["failed"] == 0
