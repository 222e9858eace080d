"""Which keys a command of a replication stream touches, and which of them it deletes.

Source: the key specifications of `COMMAND DOCS` of Redis 8 and Valkey 9, for commands that write. What is not named here has its
one key behind its name, as most have.
"""

from collections.abc import Sequence

_NONE = (0, 0, 0)
_FIRST = (1, 1, 1)
_ALL = (1, -1, 1)
_PAIRS = (1, -1, 2)
_TRIPLES = (1, -1, 3)
_TWO = (1, 2, 1)
_PLACES: dict[bytes, tuple[int, int, int]] = {
    # First key, last key (from the end where it is negative), step.
    **dict.fromkeys((b"DEL", b"UNLINK", b"PFMERGE", b"SUNIONSTORE", b"SINTERSTORE", b"SDIFFSTORE"), _ALL),
    **dict.fromkeys((b"MSET", b"MSETNX"), _PAIRS),
    **dict.fromkeys((b"JSON.MSET", b"TS.MADD"), _TRIPLES),
    **dict.fromkeys(
        (b"RENAME", b"RENAMENX", b"COPY", b"SMOVE", b"LMOVE", b"RPOPLPUSH", b"BLMOVE", b"BRPOPLPUSH"), _TWO
    ),
    **dict.fromkeys((b"TS.CREATERULE", b"TS.DELETERULE"), _TWO),
    **dict.fromkeys((b"GEOSEARCHSTORE", b"ZRANGESTORE"), _TWO),
    **dict.fromkeys((b"BITOP",), (2, -1, 1)),
    **dict.fromkeys((b"XGROUP", b"XINFO", b"OBJECT"), (2, 2, 1)),
    **dict.fromkeys(
        (b"SELECT", b"MULTI", b"EXEC", b"PING", b"REPLCONF", b"PUBLISH", b"SPUBLISH", b"FLUSHALL", b"FLUSHDB"), _NONE
    ),
    **dict.fromkeys((b"SWAPDB", b"FUNCTION", b"SCRIPT", b"CLUSTER"), _NONE),
}
_COUNTED = {b"ZUNIONSTORE": 2, b"ZINTERSTORE": 2, b"ZDIFFSTORE": 2}
"""Those with a destination, and then the number of their keys at that place."""
_COUNTED_ALONE = {b"LMPOP": 1, b"ZMPOP": 1, b"EVAL": 2, b"EVALSHA": 2, b"FCALL": 2}
"""Those with the number of their keys at that place, and no destination."""
_STORING = frozenset((b"SORT", b"GEORADIUS", b"GEORADIUSBYMEMBER"))
"""Those whose destination is named by an option, behind their one key."""

DELETING = frozenset((b"DEL", b"UNLINK"))
EMPTYING = frozenset((b"FLUSHALL", b"FLUSHDB"))
"""They touch every key, of all databases or of one."""
WHOLE = EMPTYING | {b"SWAPDB"}
"""What concerns keys that it does not name."""
SILENT = frozenset((b"SELECT", b"MULTI", b"EXEC", b"PING", b"REPLCONF", b"PUBLISH", b"SPUBLISH", b"CLUSTER"))
"""What changes no key."""


def keys_of(word: bytes, arguments: Sequence[bytes]) -> Sequence[bytes]:
    """The names of keys among the arguments (of which the first is the command); `word` is that in capitals."""
    if word in _STORING:
        return [*arguments[1:2], *_stored(arguments)]
    if word == b"MSETEX":
        return arguments[2 : 2 + 2 * _number(arguments, 1) : 2]
    first, last, step = _PLACES.get(word, _FIRST)
    if word in _COUNTED or word in _COUNTED_ALONE:
        return _counted(word, arguments)
    if first == 0:
        return ()
    return arguments[first : len(arguments) + last + 1 if last < 0 else last + 1 : step]


def _counted(word: bytes, arguments: Sequence[bytes]) -> Sequence[bytes]:
    place = _COUNTED.get(word) or _COUNTED_ALONE[word]
    number = _number(arguments, place)
    keys = arguments[place + 1 : place + 1 + number]
    return [*arguments[1:2], *keys] if word in _COUNTED else keys


def _number(arguments: Sequence[bytes], place: int) -> int:
    return int(arguments[place]) if len(arguments) > place and arguments[place].isdigit() else 0


def _stored(arguments: Sequence[bytes]) -> Sequence[bytes]:
    options = [option.upper() for option in arguments[2:-1]]
    return [arguments[place + 3] for place, option in enumerate(options) if option in (b"STORE", b"STOREDIST")]
