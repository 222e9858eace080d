"""Reading from the broker no more than is ours: whoever can write to it may have put anything there, of any size.

Each is a script of the server's, because only there is it known how large something is before it is sent.
"""

from typing import Any

LARGEST_RECORD_BYTES, LARGEST_ANSWER_BYTES = 8 << 20, 64 << 20
"""The most bytes of one record, and of all that one question reads; what is larger is left out."""
MOST_FIELDS, LONGEST_NAME, LONGEST_FIELD = 1000, 200, 16_384
LONGEST_DEED = 512 << 10
"""A restore may have been asked for with a hundred long patterns."""

_RECORDS = """
local found, left = {}, tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local size = redis.pcall('STRLEN', key)
  found[i] = false
  if type(size) == 'number' and size > 0 and size <= tonumber(ARGV[1]) and size <= left then
    found[i] = redis.call('GET', key)
    left = left - size
  end
end
return found
"""
_FIELDS = """
local found, all = {}, redis.call('HGETALL', KEYS[1])
for i = 1, #all, 2 do
  if #found < 2 * ARGV[1] and #all[i] <= tonumber(ARGV[2]) and #all[i + 1] <= tonumber(ARGV[3]) then
    found[#found + 1], found[#found + 2] = all[i], all[i + 1]
  end
end
return found
"""
_ENTRIES = """
local found = {}
for _, entry in ipairs(redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])) do
  for i = 1, #entry[2], 2 do
    if entry[2][i] == ARGV[2] and #entry[2][i + 1] <= tonumber(ARGV[3]) then found[#found + 1] = entry[2][i + 1] end
  end
end
return found
"""
_NAMES = """
local found = {}
for _, name in ipairs(redis.call('ZREVRANGE', KEYS[1], ARGV[1], ARGV[2])) do
  if #name > tonumber(ARGV[3]) then name = '' end
  found[#found + 1] = name
end
return found
"""


def records(client: Any, keys: list[str]) -> list[bytes | None]:
    """What these keys hold; None for what is not there, is no string, or is too large."""
    texts: list[bytes | None] = (
        client.eval(_RECORDS, len(keys), *keys, LARGEST_RECORD_BYTES, LARGEST_ANSWER_BYTES) if keys else []
    )
    return texts


def names(client: Any, key: str, first: int, last: int) -> list[bytes]:
    """Members of a sorted set from the highest on; one that is too long becomes an empty one."""
    members: list[bytes] = client.eval(_NAMES, 1, key, first, last, LONGEST_NAME)
    return members


def fields(client: Any, key: str) -> Any:
    """Ask for the fields of a hash and their values, one after the other."""
    return client.eval(_FIELDS, 1, key, MOST_FIELDS, LONGEST_NAME, LONGEST_FIELD)


def entries(client: Any, key: str, count: int, field: str) -> Any:
    """Ask for that field of the last entries of a stream, newest first."""
    return client.eval(_ENTRIES, 1, key, count, field, LONGEST_DEED)
