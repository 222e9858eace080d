"""The leanest clients that there can be: what is left is the server's own work. Run as a process of its own.

`floors.py sync PORT` takes a snapshot as a replica does, and throws it away; `floors.py replay PORT FILE` sends commands
prepared beforehand, of which the last is ECHO_END, and throws the replies away.
"""

import socket
import sys
import threading

BUFFER_BYTES = 1 << 20
MARK_BYTES = 40
END = b"the end of the commands"
ECHO_END = b"*2\r\n$4\r\nECHO\r\n$%d\r\n%b\r\n" % (len(END), END)


def sync(port: int) -> None:
    """Read what SYNC sends, up to the mark that ends it."""
    with socket.create_connection(("127.0.0.1", port)) as server:
        for words in (b"REPLCONF capa eof\r\n", b"REPLCONF rdb-only 1\r\n"):
            server.sendall(words)
            server.recv(100)
        server.sendall(b"SYNC\r\n")
        head = b""
        while b"\n" not in head.lstrip(b"\n"):
            head += server.recv(1)
        line = head.strip()
        if not line.startswith(b"$EOF:"):
            raise SystemExit(f"no diskless snapshot: {line[:80]!r}")
        discard_until(server, line.removeprefix(b"$EOF:"))


def replay(port: int, path: str) -> None:
    """Send a file of commands, and read as fast as the server answers."""
    with socket.create_connection(("127.0.0.1", port)) as server, open(path, "rb") as file:
        threading.Thread(target=server.sendfile, args=(file,), daemon=True).start()
        discard_until(server, END + b"\r\n")


def discard_until(server: socket.socket, mark: bytes) -> None:
    """Read up to those bytes, which may come in two parts."""
    buffer, tail = memoryview(bytearray(BUFFER_BYTES)), b""
    while not tail.endswith(mark):
        count = server.recv_into(buffer)
        if not count:
            raise SystemExit("the connection ended too early")
        tail = (tail + bytes(buffer[max(0, count - len(mark)) : count]))[-len(mark) :]


if __name__ == "__main__":
    if sys.argv[1] == "sync":
        sync(int(sys.argv[2]))
    else:
        replay(int(sys.argv[2]), sys.argv[3])
