"""An authority of the tests, the certificates it signs, and a port that speaks TLS for a server that was built without."""

import contextlib
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

NAMES = {
    "server": "IP:127.0.0.1,IP:::1,DNS:localhost",
    "elsewhere": "DNS:elsewhere.example",
    "client": "DNS:client",
}
NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
"""Made in no time, as one of RSA is not."""


@dataclass(frozen=True)
class Signed:
    """A certificate and its key."""

    certificate: str
    key: str


class Authority:
    """Signs what it is asked to."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.path = str(folder / "ca.crt")
        key = [*NEW_KEY, "-keyout", "ca.key"]
        self._openssl("req", "-x509", *key, "-out", "ca.crt", "-days", "2", "-subj", "/CN=An authority of the tests")
        self._signed = {name: self.sign(name, names) for name, names in NAMES.items()}

    def __getitem__(self, name: str) -> Signed:
        return self._signed[name]

    def sign(self, name: str, names: str) -> Signed:
        """A certificate for these, such as `DNS:localhost`."""
        request = [*NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        self._openssl("req", *request, "-subj", f"/CN={name}")
        (self._folder / f"{name}.ext").write_text(f"subjectAltName={names}\n")
        signing = ["-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", f"{name}.ext"]
        self._openssl("x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.crt", *signing)
        return Signed(str(self._folder / f"{name}.crt"), str(self._folder / f"{name}.key"))

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._folder, check=True, capture_output=True)


class Terminator:
    """A port of this machine that takes TLS, and leads to a server's plain one."""

    def __init__(self, to: int, context: ssl.SSLContext) -> None:
        self._to, self._context = to, context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                accepted, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(accepted,), daemon=True).start()

    def _serve(self, accepted: socket.socket) -> None:
        with (
            contextlib.suppress(OSError),
            accepted,
            self._context.wrap_socket(accepted, server_side=True) as outside,
            socket.create_connection(("127.0.0.1", self._to)) as inside,
        ):
            while self._pass_on(outside, inside):
                pass

    def _pass_on(self, outside: ssl.SSLSocket, inside: socket.socket) -> bool:
        ready = [outside] if outside.pending() else select.select([outside, inside], [], [])[0]
        for one, other in ((outside, inside), (inside, outside)):
            if one in ready:
                if not (data := one.recv(64 * 1024)):
                    return False
                other.sendall(data)
        return True

    def close(self) -> None:
        self._listener.close()


@contextlib.contextmanager
def terminated(to: int, authority: Authority, name: str = "server", *, asks: bool = False) -> Iterator[Terminator]:
    """With the certificate of that name; `asks` whether it asks for one of the client's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority[name].certificate, authority[name].key)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority.path)
    terminator = Terminator(to, context)
    try:
        yield terminator
    finally:
        terminator.close()
