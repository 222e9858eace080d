"""How much memory the shell takes at most."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.support.servers import Server

# A process of its own in between, for a new one counts the peak of the one that it was forked from as its own.
STOPWATCH = """
import resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
code = subprocess.run(sys.argv[2:]).returncode
print()
print(code, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
CPU_SECONDS = 600


class Watched(NamedTuple):
    """How the shell ended, what it said, and how many bytes of memory it took at most by the system's own account."""

    code: int
    said: str
    peak: int


def watched(storage: Path, source: Server, target: Server, *arguments: str, seconds: int = CPU_SECONDS) -> Watched:
    """Run the shell, which is killed once it has been at work, and not waiting, for so many seconds."""
    env = os.environ | {
        "REDIS_URL": f"redis://127.0.0.1:{source.port}/0",
        "REDIS_TARGETS": f"t=redis://127.0.0.1:{target.port}/0",
        "BACKUP_STORAGE": str(storage),
    }
    command = [sys.executable, "-c", STOPWATCH, str(seconds), sys.executable, "-m", "worker", *arguments]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True)
    code, kilobytes = done.stdout.split()[-2:]
    return Watched(int(code), done.stdout + done.stderr, int(kilobytes) * 1024)


def peak(storage: Path, source: Server, target: Server, *arguments: str) -> int:
    """The same of what has to end well: bytes of memory."""
    done = watched(storage, source, target, *arguments)
    assert not done.code, done.said
    return done.peak
