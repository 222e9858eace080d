"""TLS that does not come about: what speaks at a port, and what a failed handshake means, in words."""

import re
import socket
import ssl
from contextlib import suppress

SECONDS = 2
"""How long a port may take to show what it speaks."""
_INNER = re.compile(r"\[[^\]]*\] ?| \(_ssl\.c:\d+\)|^.*_ssl\.c:\d+: ")
# OpenSSL's words of a peer that turns us down, or says nothing more.
_TURNS_US_DOWN = ("alert", "ALERT", "EOF occurred", "reset by peer")


def is_spoken(host: str, port: int) -> bool:
    """Whether a port speaks TLS, whatever its certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError), socket.create_connection((host, port), SECONDS) as held, context.wrap_socket(held):
        return True
    return False


def is_plain(host: str, port: int) -> bool:
    """Whether a port answers as a Redis without TLS does."""
    with suppress(OSError), socket.create_connection((host, port), SECONDS) as held:
        held.sendall(b"PING\r\n")
        return held.recv(1) in (b"+", b"-")
    return False


def fault_of_files(
    certificate: str | None, key: str | None, password: str | None, authorities: str | None
) -> str | None:
    """What is wrong with these files, as a clause; None where they can be used. They are there, and can be read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if certificate:
        try:
            context.load_cert_chain(certificate, key, password or "")
        except ssl.SSLError as error:
            if "MISMATCH" in str(error):
                return "its ssl_certfile and ssl_keyfile do not belong together"
            return "its ssl_certfile and ssl_keyfile are no certificate and key as PEM, or ssl_password is wrong"
    elif key:
        return "it has an ssl_keyfile without an ssl_certfile"
    if authorities:
        try:
            context.load_verify_locations(authorities)
        except ssl.SSLError:
            return "its ssl_ca_certs holds no certificate as PEM"
    return None


def is_meant(words: str) -> bool:
    """Whether an error is of OpenSSL, or of a peer that hung up when it should have gone on with TLS."""
    return any(sign in words for sign in ("SSL", "ssl", "certificate", "EOF occurred", "reset by peer"))


def no_tls(setting: str) -> str:
    """What is wrong where a plain port was asked for TLS, behind the name of the peer."""
    return f"does not speak TLS: write redis:// in place of rediss:// in {setting}, or name its port for TLS."


def inner(words: str) -> str:
    """What OpenSSL says, without its own names and places."""
    reason = _INNER.sub("", words).strip(" .")
    return reason.partition("certificate verify failed: ")[2] or reason


def explained(words: str, setting: str, *, certified: bool) -> str:
    """What an error of OpenSSL means, behind the name of the peer; `certified` is whether we show a certificate."""
    reason = inner(words)
    if "mismatch" in reason:
        return f"shows a certificate for another name ({reason}): name it in {setting} as its certificate does."
    if "expired" in reason or "not yet valid" in reason:
        return f"shows a certificate that is not valid now ({reason}): renew it, or set this machine's clock right."
    if "verify failed" in words:
        return (
            f"shows a certificate that nobody known here has signed ({reason}): name who has, as "
            f"ssl_ca_certs=/path/ca.pem in {setting}."
        )
    if "wrong version number" in words or "record layer" in words:
        return no_tls(setting)
    if any(sign in words for sign in _TURNS_US_DOWN):
        ours = (
            f"does it accept our client certificate (ssl_certfile, ssl_keyfile in {setting})?"
            if certified
            else f"if it wants a client certificate, name one as ssl_certfile and ssl_keyfile in {setting}."
        )
        return f"ended the connection when TLS began ({reason}): {ours}"
    return f"cannot be reached over TLS ({reason}): is {setting} right?"
