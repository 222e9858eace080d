"""`python -m web`: the dashboard in one process with threads, here and in production.

Threads are for requests that have come whole: whoever sends or reads slowly costs a connection and no thread.
"""

import ctypes
import gc
import resource
import signal
import sys
import threading
from contextlib import suppress

import waitress

from web import LARGEST_BODY_BYTES, connections, create_app
from web.connections import CONNECTIONS, CONNECTIONS_OF_ONE, IDLE_SECONDS
from worker.config.address import joined
from worker.config.settings import WebSettings, load_web
from worker.errors import BackupSystemError
from worker.repository import catalogue
from worker.storage import open_storage

THREADS = 16
RELIED_ON_SECONDS = 30
"""How old may be what a page shows of a bucket; what this machine has written there since is seen at once."""
REQUEST_SECONDS = 1.0
"""How long a request waits for manifests to be read; then it says how far that has come."""
FILES = 4 * CONNECTIONS
"""A connection is an open file, a download another, and a large answer or request lies in a third."""
_ARENAS = -8
"""M_ARENA_MAX of malloc.h."""
LARGEST_HEADER_BYTES = 32 * 1024
LARGEST_REQUEST_BYTES = 2 * LARGEST_BODY_BYTES
"""More than the application takes, so that it is the one that says no."""


def main() -> int:
    """Serve until told to stop: the exit code. What is wrong with the settings is one sentence on standard error."""
    try:
        settings = load_web()
        _allow_files()
        _share_memory()
        server = waitress.create_server(
            create_app(),
            host=settings.web_bind,
            port=settings.port,
            threads=THREADS,
            ident=None,
            # Another takes the place of one that waits, so that it is never this one that is reached.
            connection_limit=2 * CONNECTIONS,
            asyncore_use_poll=True,
            channel_timeout=IDLE_SECONDS,
            cleanup_interval=IDLE_SECONDS // 3,
            max_request_header_size=LARGEST_HEADER_BYTES,
            max_request_body_size=LARGEST_REQUEST_BYTES,
            clear_untrusted_proxy_headers=settings.web_proxies == 0,
        )
        catalogue.hurry(REQUEST_SECONDS)
        catalogue.show_only(RELIED_ON_SECONDS)
        threading.Thread(target=_read_ahead, args=(settings,), daemon=True).start()
        connections.guard(server, None if settings.web_proxies else CONNECTIONS_OF_ONE)
    except BackupSystemError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"Error: The dashboard cannot listen on port {settings.port}: {error.strerror}.", file=sys.stderr)
        return 1
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"The dashboard is at {_url(settings)}", flush=True)
    server.run()
    return 0


def _read_ahead(settings: WebSettings) -> None:
    """So that the first one who looks need not wait for it; what is wrong with the storage, they are told.

    What is known then stays: were it looked through for garbage each time, that would take as long as a page.
    """
    with suppress(BackupSystemError):
        catalogue.read_ahead(open_storage(settings.backup_storage))
        gc.collect()
        gc.freeze()


def _share_memory() -> None:
    """One pool for all threads, where glibc would give each its own: they hardly meet in it, for they share Python's lock."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_ARENAS, 1)


def _allow_files() -> None:
    """Many systems give a process 1,024 at first, and more when it asks."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(FILES, hard)), hard))


def _url(settings: WebSettings) -> str:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.web_bind, settings.web_bind)  # noqa: S104
    return f"http://{joined(host, settings.port)}"


if __name__ == "__main__":
    sys.exit(main())
