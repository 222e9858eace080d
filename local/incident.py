"""`make demo`: something goes wrong with the demo data of `make run`, for who wants to see how it is put right."""

import argparse
import subprocess
import sys
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from worker.config import settings
from worker.errors import BackupSystemError, UsageError

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var/demo"
"""Where the demo Redis of `make run` keeps its data: nothing else is damaged."""
DAMAGED, LONGEST_SECONDS = 300, 600

PLAYED = """\
A faulty release of the bot has been at work:
  {users:,} of the users (user:*) have lost their language and half their points
  {chats:,} of the chats (chat:*) have lost their titles
  settings:bot is no JSON any more
Right before that a backup was made, as last night's would be.

Now you are the admin. Open the dashboard, press "Something is wrong with my
data" on the Summary, and put it right. Or here: {python} -m worker timeline
"""
AWAY = """\
The demo Redis answers nobody for {seconds} seconds: look at the Summary and at Alerts, and ask for a backup
meanwhile. It comes back by itself.
"""


def main() -> int:
    """Play it: the exit code. Errors become one sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m local.incident",
        description="Damage the demo data of `make run`, after a backup of it was made.",
    )
    parser.add_argument(
        "--away",
        type=int,
        metavar="SECONDS",
        help=f"damage nothing, but have the demo Redis answer nobody for so long, at most {LONGEST_SECONDS}",
    )
    seconds = parser.parse_args().away
    if seconds is not None and not 1 <= seconds <= LONGEST_SECONDS:
        parser.error(f"--away: between 1 and {LONGEST_SECONDS} seconds.")
    try:
        print(play(seconds), end="")
    except BackupSystemError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    return 0


def play(away_seconds: int | None) -> str:
    """Damage the data, or with seconds have the server answer nobody; what to do next. UsageError where there is no demo."""
    client = _demo()
    if away_seconds is not None:
        client.client_pause(away_seconds * 1000)
        return AWAY.format(seconds=away_seconds)
    if subprocess.run((sys.executable, "-m", "worker", "backup"), cwd=ROOT, check=False).returncode:
        raise BackupSystemError("Without a backup nothing is damaged: see above why there is none.")
    python = Path(sys.executable)
    shown = python.relative_to(ROOT) if python.is_relative_to(ROOT) else python
    return PLAYED.format(**damage(client), python=shown)


def _demo() -> Any:
    """A client of the demo Redis, which is known by its folder."""
    where = settings.load().redis_url
    client: Any = redis.Redis.from_url(where, db=0, socket_timeout=10, retry=Retry(NoBackoff(), 0))
    try:
        folder = client.config_get("dir").get("dir", "")
    except redis.exceptions.ResponseError:
        folder = ""
    except redis.exceptions.RedisError:
        raise UsageError(
            "No demo Redis answers: start `make run` in another terminal first, without REDIS_URL."
        ) from None
    if not folder or Path(folder).resolve() != FOLDER.resolve():
        raise UsageError("That is not the demo Redis of `make run`, so nothing was touched: unset REDIS_URL.")
    return client


def damage(client: Any) -> dict[str, int]:
    """What the faulty release does, each time the same: how many `users` and `chats` it has damaged."""
    users = chats = 0
    for user in range(1, DAMAGED + 1):
        points = client.hget(key := f"user:{user}", "points")
        if points is not None:
            client.hset(key, "points", int(points) // 2)
            users += client.hdel(key, "language")
    for chat in range(1, DAMAGED + 1):
        chats += client.delete(f"chat:{chat}:title")
    client.set("settings:bot", '{"name": "quiz bot", "greeting": ')
    return {"users": users, "chats": chats}


if __name__ == "__main__":
    sys.exit(main())
