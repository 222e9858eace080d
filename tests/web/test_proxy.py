"""The dashboard behind nginx with TLS, as deploy/proxy/nginx.conf puts it there."""

import datetime
import http.cookiejar
import os
import re
import shutil
import ssl
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.support.dashboard import PASSWORD
from tests.support.processes import PYTHON, ROOT, eventually
from tests.support.served import Serve
from tests.support.servers import free_port

NAME = "backup.example.com"
CLAIMED = "203.0.113.9"


def certificate(folder: Path) -> Path:
    """One for NAME, signed by itself; its key lies beside it."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder


@dataclass
class Proxied:
    """The dashboard as a browser reaches it, which takes its name for this machine."""

    port: int
    opener: urllib.request.OpenerDirector
    said: Path
    """What the dashboard itself has logged."""

    def ask(self, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str, str]:
        """Status, address and text of a page, redirects followed."""
        data = urllib.parse.urlencode(form).encode() if form else None
        request = urllib.request.Request(f"https://127.0.0.1:{self.port}{path}", data)
        for name, value in {
            "Host": f"{NAME}:{self.port}",
            "Referer": f"https://{NAME}:{self.port}/",
            **headers,
        }.items():
            request.add_header(name, value)
        with self.opener.open(request, timeout=20) as answer:
            return answer.status, answer.url, answer.read().decode()


@pytest.fixture
def proxied(served: Serve, tmp_path: Path) -> Iterator[Proxied]:
    nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not on this machine")
    dashboard, url = served(*PYTHON[:-1], "web", WEB_PROXIES="1")
    certificate(tmp_path)
    port, plain = free_port(), free_port()
    text = (ROOT / "deploy/proxy/nginx.conf").read_text()
    for shipped, here in {
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
        f"/etc/letsencrypt/live/{NAME}": str(tmp_path),
        "http://127.0.0.1:8000": url,
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    whole = f"daemon off; pid {tmp_path}/pid; error_log stderr; events {{}} http {{ access_log off;\n"
    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"):
        whole += f"{kind}_temp_path {tmp_path}/{kind};\n"
    (tmp_path / "nginx.conf").write_text(whole + text + "}\n")
    jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
    context = ssl.create_default_context(cafile=tmp_path / "fullchain.pem")
    context.check_hostname = False
    opener = urllib.request.build_opener(jar, urllib.request.HTTPSHandler(context=context))
    process = subprocess.Popen([nginx, "-p", str(tmp_path), "-c", "nginx.conf", "-e", "stderr"])
    try:
        proxied = Proxied(port, opener, tmp_path / "process.err")
        eventually(lambda: _is_up(proxied), "nginx and the dashboard to answer")
        yield proxied
    finally:
        process.terminate()
        process.wait(20)
        dashboard.stop()


def _is_up(proxied: Proxied) -> bool:
    try:
        return proxied.ask("/healthz")[0] == 200
    except OSError:
        return False


def test_one_logs_in_through_it_with_cookies_for_https_alone_and_nobody_claims_an_address(proxied: Proxied) -> None:
    _, _, form = proxied.ask("/login")
    (token,) = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', form)
    request = {"csrf_token": token, "password": PASSWORD}
    status, _, page = proxied.ask("/login", request, **{"X-Forwarded-For": CLAIMED})
    assert status == 200
    assert "<h1>Summary</h1>" in page
    said = eventually(lambda: '"login' in proxied.said.read_text() and proxied.said.read_text(), "the login in the log")
    assert CLAIMED not in said
    assert "127.0.0.1" in said
