"""How much memory the shell takes at most."""

import os
import subprocess
import sys
from pathlib import Path

from tests.support.servers import Server

# A process of its own in between, for a new one counts the peak of the one that it was forked from as its own.
STOPWATCH = """
import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def peak(storage: Path, source: Server, target: Server, *arguments: str) -> int:
    """Bytes of memory that the shell took at most, by the operating system's own account."""
    env = os.environ | {
        "REDIS_URL": f"redis://127.0.0.1:{source.port}/0",
        "REDIS_TARGETS": f"t=redis://127.0.0.1:{target.port}/0",
        "BACKUP_STORAGE": str(storage),
    }
    command = [sys.executable, "-c", STOPWATCH, sys.executable, "-m", "worker", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1]) * 1024
