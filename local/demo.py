"""Lifelike data of a Telegram bot, of every type that Redis has: something to back up, lose and restore.

Database 0 is the bot's own, 1 what may get lost (sessions, limits, caches), 2 what is counted.
"""

import contextlib
import json
import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field

import redis
from redis.client import Pipeline
from redis.typing import EncodableT

SEED = 20231205
DAY = 86_400
USERS, CHATS = range(1, 1201), range(1, 161)

_NAMES = ["ann", "bela", "chen", "dmitri", "elif", "femi", "grace", "hugo", "inés", "jürgen", "kofi", "мария", "noor"]
_TEXTS = ["hello", "thanks", "when is the next quiz?", "/start", "/help", "/top", "ok 👍", "привет", "не работает"]
_LANGUAGES = ["en", "de", "ru", "es", "tr", "fr"]
_PLACES = {"Berlin": (13.404954, 52.520008), "İstanbul": (28.978359, 41.008238), "Madrid": (-3.70379, 40.416775)}


@dataclass(frozen=True)
class _Bot:
    """Where the data goes, the dice, and the time: seconds since the epoch."""

    pipe: Pipeline
    now: int
    dice: random.Random = field(default_factory=lambda: random.Random(SEED))  # noqa: S311  the same data every time

    def users(self, count: int) -> list[int]:
        return self.dice.sample(USERS, count)

    def later(self, first: int, last: int) -> int:
        """A time that many days from now."""
        return self.now + self.dice.randrange(first * DAY, last * DAY)


def fill(port: int, now: int) -> int:
    """Fill the server on `port` if it is empty. `now`: seconds since the epoch. Returns how many keys there are."""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(redis.Redis(port=port, db=db, socket_timeout=30)) for db in range(3)]
        if not any(client.dbsize() for client in clients):
            for client, parts in zip(clients, _DATABASES, strict=True):
                bot = _Bot(client.pipeline(transaction=False), now)
                for part in parts:
                    part(bot)
                bot.pipe.execute()
            _what_newer_servers_have(clients[0], now)
        return sum(int(client.dbsize()) for client in clients)


def _json(**fields: object) -> str:
    return json.dumps(fields, ensure_ascii=False)


def _users(bot: _Bot) -> None:
    for user in USERS:
        name, language = f"{bot.dice.choice(_NAMES)}{user}", bot.dice.choice(_LANGUAGES)
        joined, points = bot.now - bot.dice.randrange(900 * DAY), bot.dice.randrange(5000)
        bot.pipe.hset(f"user:{user}", mapping={"username": name, "language": language})
        bot.pipe.hset(f"user:{user}", mapping={"joined_at": joined, "points": points})
        bot.pipe.sadd(f"users:language:{language}", user)
        bot.pipe.hset("users:by_username", name, str(user))
    for user in range(1, 81):
        bot.pipe.set(f"avatar:{user}", _picture(bot.dice))


def _picture(dice: random.Random) -> bytes:
    """The bytes of a small PNG, 8 by 8 grey points."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(b"\0" + dice.randbytes(8) for _ in range(8))
    head = (8).to_bytes(4, "big") * 2 + bytes((8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def _chats(bot: _Bot) -> None:
    for chat in CHATS:
        for message in range(bot.dice.randrange(5, 60)):
            sender, text = bot.dice.choice(USERS), bot.dice.choice(_TEXTS)
            bot.pipe.rpush(f"chat:{chat}:messages", _json(id=message, sender=sender, text=text))
        bot.pipe.sadd(f"chat:{chat}:members", *bot.users(bot.dice.randrange(3, 90)))
        bot.pipe.set(f"chat:{chat}:title", f"{bot.dice.choice(_NAMES).title()}'s group {chat}")


def _queues(bot: _Bot) -> None:
    ids = [f"{(bot.now - 4000 + number * 9) * 1000}-0" for number in range(400)]
    for entry in ids:
        bot.pipe.xadd("queue:outgoing", {"chat": bot.dice.choice(CHATS), "text": bot.dice.choice(_TEXTS)}, id=entry)
    bot.pipe.xgroup_create("queue:outgoing", "senders", id="0")
    bot.pipe.xgroup_create("queue:outgoing", "archive", id="0")
    bot.pipe.xreadgroup("senders", "sender-1", {"queue:outgoing": ">"}, count=120)
    bot.pipe.xreadgroup("senders", "sender-2", {"queue:outgoing": ">"}, count=80)
    # The first 150 are done; 50 are still with the second sender.
    bot.pipe.xack("queue:outgoing", "senders", *ids[:150])
    for queue, length in (("media", 45), ("broadcast", 260), ("dead", 7)):
        jobs = [_json(job=job, file=f"{bot.dice.randrange(2**40):x}") for job in range(length)]
        bot.pipe.rpush(f"queue:{queue}", *jobs)


def _bans(bot: _Bot) -> None:
    bot.pipe.sadd("bans:global", *bot.users(40))
    for chat in bot.dice.sample(CHATS, 60):
        bot.pipe.sadd(f"bans:chat:{chat}", *bot.users(bot.dice.randrange(1, 12)))
        bot.pipe.expireat(f"bans:chat:{chat}", bot.later(7, 60))
    for user in bot.users(90):
        bot.pipe.set(f"mute:{user}", bot.dice.choice(("flood", "spam")), exat=bot.later(1, 30))


def _leaderboards(bot: _Bot) -> None:
    for board in ("all", "2023-48", "2023-49"):
        scores = {f"user:{user}": round(bot.dice.expovariate(1 / 900), 2) for user in bot.users(700)}
        bot.pipe.zadd(f"leaderboard:{board}", scores)
    bot.pipe.zadd("reminders", {f"{user}:quiz": bot.later(0, 30) for user in bot.users(200)})


def _settings(bot: _Bot) -> None:
    bot.pipe.set("settings:bot", _json(name="quiz bot", greeting="Привет! 👋", admins=[1, 7], limits={"minute": 20}))
    for chat in CHATS:
        language, slow = bot.dice.choice(_LANGUAGES), bot.dice.choice((0, 10, 60))
        bot.pipe.set(f"settings:chat:{chat}", _json(welcome=chat % 3 == 0, language=language, slow_mode=slow))
    bot.pipe.mset({"version": "4.2.0", "update_offset": 731_204_118, "maintenance": "", "ratio": "0.30000000000000004"})
    for place, (longitude, latitude) in _PLACES.items():
        bot.pipe.geoadd("places", (longitude, latitude, place))


def _logs(bot: _Bot) -> None:
    for number in range(1500):
        level, chat = bot.dice.choice(("info", "info", "warning", "error")), bot.dice.choice(CHATS)
        event: dict[EncodableT, EncodableT] = {"level": level, "chat": chat}
        bot.pipe.xadd("log:events", event, id=f"{(bot.now - 1500 + number) * 1000}-{number}")
    bot.pipe.rpush("log:errors", *(f"{bot.now - 60 * number} getUpdates: 502 Bad Gateway" for number in range(35)))


def _sessions(bot: _Bot) -> None:
    for user in bot.users(500):
        key = f"session:{bot.dice.randrange(2**64):016x}"
        state = bot.dice.choice(("menu", "quiz", "waiting_for_photo"))
        bot.pipe.hset(key, mapping={"user": user, "state": state, "step": bot.dice.randrange(5)})
        bot.pipe.pexpireat(key, bot.later(2, 45) * 1000 + bot.dice.randrange(1000))


def _limits_and_caches(bot: _Bot) -> None:
    for user in bot.users(300):
        bot.pipe.set(f"limit:{user}", bot.dice.randrange(1, 20), exat=bot.now + bot.dice.randrange(600, 3600))
    for number in range(200):
        # Packed structures, as a program writes them: neither a readable key nor text.
        key = b"cache:" + number.to_bytes(4, "little") + b"\xff"
        bot.pipe.set(key, bot.dice.randbytes(bot.dice.randrange(20, 400)), exat=bot.later(2, 4))
    bot.pipe.set("lock:updates", "bot-7f", exat=bot.later(1, 2))


def _counters(bot: _Bot) -> None:
    for day in range(60):
        bot.pipe.pfadd(f"visitors:{day}", *(f"user:{user}" for user in bot.users(200)))
        bot.pipe.set(f"messages:{day}", bot.dice.randrange(10**6))
        for user in bot.users(25):
            bot.pipe.setbit(f"active:{day}", user, 1)
    for chat in CHATS:
        bot.pipe.hset(f"stats:chat:{chat}", mapping={str(hour): bot.dice.randrange(500) for hour in range(24)})
    bot.pipe.zadd("latency", {f"p{part}": part / 7 for part in range(1, 100)})


def _what_newer_servers_have(client: "redis.Redis", now: int) -> None:
    """A function library (Redis 7.0) and hash fields with a time to live (Redis 7.4, Valkey 9)."""
    code = "#!lua name=bot\nredis.register_function('members', function(k) return redis.call('SCARD', k[1]) end)"
    client.hset("tokens", mapping={"web": "a1b2c3", "app": "d4e5f6", "once": "0f1e2d"})
    expire = ("HPEXPIREAT", "tokens", (now + 9 * DAY) * 1000 + 123, "FIELDS", 2, "app", "once")
    for command in (("FUNCTION", "LOAD", code), expire):
        with contextlib.suppress(redis.ResponseError):
            client.execute_command(*command)  # type: ignore[no-untyped-call]


_Part = Callable[[_Bot], None]
_DATABASES: tuple[tuple[_Part, ...], ...] = (
    (_users, _chats, _queues, _bans, _leaderboards, _settings, _logs),
    (_sessions, _limits_and_caches),
    (_counters,),
)
