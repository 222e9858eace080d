"""Seeded data, as commands for a server: the same bytes in every run, on every machine."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

SEED = 20231205
EXPIRES = 4_102_444_800_000
"""The year 2100: far enough that nothing expires while it is compared."""
MEMBERS, COLLECTIONS, HUGE_BYTES = 1_000_000, 20, 400_000_000
PIECE_BYTES = 4_000_000
AT_ONCE = 1000

Key = bytes
Commands = Iterator[bytes]

# How many of a thousand keys are of each kind; a bot's or a shop's Redis looks like this.
MIX = {
    "session": 330,
    "hash": 200,
    "counter": 150,
    "binary": 90,
    "list": 75,
    "set": 65,
    "zset": 65,
    "stream": 25,
}
_WORDS = (
    b"alpha bravo cart checkout delivery event first friend garden green invoice item kitchen letter market message "
    b"number order payment person profile quick river session shipping stock street summer ticket user visit winter"
).split()


def pack(*words: bytes | int) -> bytes:
    """One command as the server reads it."""
    parts = [word if isinstance(word, bytes) else b"%d" % word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


@dataclass(frozen=True)
class Shape:
    """One set of data: its name, how many keys it has, and the commands that make them, in pieces."""

    name: str
    title: str
    keys: int
    commands: Callable[[], Commands]


def label(keys: int) -> str:
    """1000000 as 1m."""
    for size, letter in ((1_000_000, "m"), (1000, "k")):
        if keys >= size and keys % size == 0:
            return f"{keys // size}{letter}"
    return str(keys)


def mixed(keys: int) -> Shape:
    """Sessions as JSON, hashes, counters, binary, lists, sets, sorted sets, streams."""
    return Shape(label(keys), f"{keys:,} mixed keys", keys, partial(_mixed, keys))


def tiny(keys: int) -> Shape:
    """Nothing but short names with short values."""
    return Shape("tiny", f"{keys:,} tiny keys", keys, partial(_tiny, keys))


def huge(members: int = MEMBERS, string_bytes: int = HUGE_BYTES) -> Shape:
    """A few collections of very many members, and one very long string."""
    title = f"{COLLECTIONS} collections of {members:,} members and a string of {string_bytes // 1_000_000} MB"
    return Shape("huge", title, COLLECTIONS + 1, partial(_huge, members, string_bytes))


def _mixed(keys: int) -> Commands:
    pattern = [kind for kind, share in MIX.items() for _ in range(share)]
    for begin in range(0, keys, AT_ONCE):
        # Each thousand has dice of its own, so that a larger set begins with the smaller one.
        dice = random.Random(SEED + begin)  # noqa: S311 - data, and no secret
        kinds = pattern[:]
        dice.shuffle(kinds)
        numbered = zip(range(begin, min(keys, begin + AT_ONCE)), kinds, strict=False)
        yield b"".join([_KINDS[kind](number, dice) for number, kind in numbered])


def _session(number: int, dice: random.Random) -> bytes:
    bits = dice.getrandbits(128)
    words = b" ".join([_WORDS[bits >> shift & 31] for shift in (72, 80, 88)])
    role = b',"admin"' if bits % 50 == 0 else b""
    locale, theme = (b"en", b"de", b"fr", b"ru")[bits >> 3 & 3], (b"dark", b"light")[bits >> 5 & 1]
    value = (
        b'{"user":%d,"token":"%032x","roles":["user"%b],"locale":"%b","seen":%d,"cart":[%d,%d],"theme":"%b","note":"%b"}'
        % (
            bits % 5_000_000,
            bits,
            role,
            locale,
            1_700_000_000 + (bits >> 20) % 30_000_000,
            bits >> 40 & 0xFFFF,
            bits >> 56 & 0xFFFF,
            theme,
            words,
        )
    )
    key = b"session:%016x" % (bits >> 64)
    # Two sessions of one name would make one key less: the number makes it unique.
    key += b":%x" % number
    return pack(b"SET", key, value, b"PXAT", EXPIRES + number) if bits & 3 else pack(b"SET", key, value)


def _hash(number: int, dice: random.Random) -> bytes:
    bits = dice.getrandbits(96)
    fields: list[bytes | int] = [
        b"name", b"%b %b" % (_WORDS[bits & 31], _WORDS[bits >> 5 & 31]),
        b"email", b"%b.%x@example.com" % (_WORDS[bits >> 10 & 31], bits >> 64),
        b"age", bits >> 15 & 63,
        b"balance", b"%d.%02d" % (bits >> 21 & 0xFFFF, bits >> 37 & 63),
        b"created", 1_600_000_000 + (bits >> 43 & 0xFFFFFF),
    ]  # fmt: skip
    if bits % 100 == 0:
        for index in range(300):
            fields += [b"item:%d" % index, dice.getrandbits(40)]
    return pack(b"HSET", b"user:%d" % number, *fields)


def _counter(number: int, dice: random.Random) -> bytes:
    return pack(b"SET", b"hits:page:%d" % number, dice.getrandbits(dice.randrange(4, 40)))


def _binary(number: int, dice: random.Random) -> bytes:
    return pack(b"SET", b"cache:" + number.to_bytes(5, "little") + b"\xff", dice.randbytes(dice.randrange(20, 400)))


def _list(number: int, dice: random.Random) -> bytes:
    many = 200 if number % 100 == 0 else dice.randrange(2, 12)
    items = [b'{"job":%d,"to":"%b"}' % (dice.getrandbits(30), _WORDS[number + i & 31]) for i in range(many)]
    return pack(b"RPUSH", b"queue:%d" % number, *items)


def _set(number: int, dice: random.Random) -> bytes:
    if number & 1:
        return pack(b"SADD", b"members:%d" % number, *dice.sample(range(1_000_000), dice.randrange(2, 30)))
    return pack(b"SADD", b"tags:%d" % number, *dice.sample(_WORDS, dice.randrange(1, 8)))


def _zset(number: int, dice: random.Random) -> bytes:
    many = 150 if number % 100 == 0 else dice.randrange(2, 16)
    words: list[bytes | int] = []
    for index in range(many):
        words += [
            b"%d.%d" % (dice.getrandbits(16), dice.getrandbits(6)),
            b"player:%x:%d" % (dice.getrandbits(32), index),
        ]
    return pack(b"ZADD", b"board:%d" % number, *words)


def _stream(number: int, dice: random.Random) -> bytes:
    key, begin = b"events:%d" % number, 1_700_000_000_000 + number
    added = [
        pack(b"XADD", key, b"%d-%d" % (begin + i, i), b"kind", _WORDS[i], b"value", dice.getrandbits(24))
        for i in range(dice.randrange(2, 9))
    ]
    group = pack(b"XGROUP", b"CREATE", key, b"readers", b"0") if number & 1 else b""
    return b"".join(added) + group


_KINDS = {
    "session": _session,
    "hash": _hash,
    "counter": _counter,
    "binary": _binary,
    "list": _list,
    "set": _set,
    "zset": _zset,
    "stream": _stream,
}


def _tiny(keys: int) -> Commands:
    dice = random.Random(SEED)  # noqa: S311
    for begin in range(0, keys, AT_ONCE):
        numbers = range(begin, min(keys, begin + AT_ONCE))
        yield b"".join([pack(b"SET", b"k%x" % number, dice.getrandbits(20)) for number in numbers])


def _huge(members: int, string_bytes: int) -> Commands:
    dice = random.Random(SEED)  # noqa: S311
    for number in range(COLLECTIONS):
        for begin in range(0, members, AT_ONCE):
            indexes = range(begin, min(members, begin + AT_ONCE))
            yield _members(number, indexes, dice)
    for begin in range(0, string_bytes, PIECE_BYTES):
        yield pack(b"APPEND", b"huge:string", dice.randbytes(min(PIECE_BYTES, string_bytes - begin)))


def _members(number: int, indexes: range, dice: random.Random) -> bytes:
    """Some members of a collection: lists, sets, sorted sets and hashes in turn."""
    kind, key = number % 4, b"huge:%d" % number
    bits = dice.getrandbits
    if kind == 0:
        return pack(b"RPUSH", key, *(b"element %d %x" % (index, bits(48)) for index in indexes))
    if kind == 1:
        return pack(b"SADD", key, *(b"%x:%d" % (bits(48), index) for index in indexes))
    if kind == 2:
        pairs = ((b"%d" % bits(30), b"member:%d" % index) for index in indexes)
        return pack(b"ZADD", key, *(word for pair in pairs for word in pair))
    pairs = ((b"field:%d" % index, b"%x" % bits(60)) for index in indexes)
    return pack(b"HSET", key, *(word for pair in pairs for word in pair))
