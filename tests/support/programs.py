"""Small programs that stand for a machine's own: a Python that does not run, a redis-server of some version."""

from pathlib import Path


def program(where: Path, script: str) -> Path:
    """Write an executable shell script."""
    where.parent.mkdir(parents=True, exist_ok=True)
    where.write_text(f"#!/bin/sh\n{script}\n")
    where.chmod(0o755)
    return where
