"""`python -m local`: start everything, say what to do next, stop everything."""

import contextlib
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from local import dashboard, demo, kept, options
from local.children import Screen
from local.house import House, Stopped
from worker.config import settings
from worker.errors import BackupSystemError, UsageError
from worker.server.endpoint import GLANCE, Endpoint
from worker.server.info import read_facts

ROOT = Path(__file__).resolve().parent.parent


def _entrance(own_password: str | None) -> list[str]:
    address = dashboard.url(settings.load_web())
    if own_password is None:
        return [f"Dashboard: {address}    the password is the one that you set"]
    return [
        f"Dashboard: {address}    password: {own_password}",
        "           (for this run; set ADMIN_PASSWORD to choose one)",
    ]


def _next_steps(chosen: options.Options, demo_keys: int | None, own_password: str | None) -> str:
    programs = Path(sys.executable).parent
    programs = programs.relative_to(ROOT) if programs.is_relative_to(ROOT) else programs
    storage = settings.load().backup_storage
    found, answers = _source()
    source = found if demo_keys is None else f"{found}, a demo with {demo_keys:,} keys, kept in var/demo"
    lines = [
        "",
        "All is up." if answers else "All is up, but for the source: see below.",
        "",
        *_entrance(own_password),
        "",
        "Or, in a second terminal, in this folder:",
        "",
    ]
    if not chosen.usual_ports:
        lines += [f"  {line}" for line in chosen.exports]
    if demo_keys is None:
        lines += ["  (set REDIS_URL there as you did here)"]
    lines += [
        f"  {programs}/python -m worker backup                      make a backup",
        f"  {programs}/celery -A worker call worker.tasks.backup    the same, as a task",
        f"  {programs}/python -m worker list                        what there is",
        f"  {programs}/python -m worker restore latest              put back what is missing",
        "",
        f"Source:    {source}",
        f"Backups:   {storage if '://' in storage else (ROOT / storage).resolve()}",
        "Ctrl-C stops everything; the data stays for the next time.",
        "",
    ]
    return "\n".join(lines)


def _source() -> tuple[str, bool]:
    """What the source says of itself, or why it says nothing; whether it answers."""
    endpoint = Endpoint(settings.load().redis_url, GLANCE)
    try:
        facts = read_facts(endpoint)
    except BackupSystemError as error:
        return str(error), False
    return f"{facts.server} {facts.version} at {endpoint.address}", True


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """Hold `var/`: two servers must never write into one folder."""
    folder = ROOT / "var"
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("Another `make run` is running in this folder: stop that one first.") from None
        yield


def _run(house: House, own_password: str | None) -> int:
    try:
        house.screen.say("Starting ...")
        house.start_servers()
        keys = demo.fill(house.options.source_port, int(time.time())) if house.options.own_source else None
        house.start_processes()
        missing = house.wait_until_up()
        if missing:
            house.screen.say(f"No sign of life from {', '.join(missing)} so far: see what was said above.")
        house.screen.say(_next_steps(house.options, keys, own_password))
        while True:
            house.watch()
    except Stopped as stopped:
        return stopped.code
    finally:
        house.stop()


def main() -> int:
    """Run until Ctrl-C or SIGTERM (exit code 0), or until a child ends (its exit code)."""
    chosen = options.read()
    os.chdir(ROOT)
    os.environ |= {} if chosen.port is None else {"PORT": str(chosen.port)}
    try:
        with _alone():
            if chosen.own_broker:
                kept.secret(settings.LOCAL_BROKER_PASSWORD)
            os.environ |= chosen.settings
            settings.load()
            password = dashboard.password()
            os.environ |= dashboard.session_secret(ROOT / "var") | password
            settings.load_web()
            return _run(House(ROOT, chosen, Screen()), password.get("ADMIN_PASSWORD"))
    except BackupSystemError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
