"""What stands between the keys of an RDB file, by its code."""

from struct import Struct

from worker.formats.entries import Used
from worker.formats.rdb.codes import FIRST_VALKEY_VERSION
from worker.formats.rdb.skipping import LENGTH, MODULE, STRING, Shape
from worker.formats.rdb.strings import read_length

SLOT_INFO, FUNCTION, FUNCTION_PRE_GA, MODULE_AUX, IDLE, FREQ, AUX, RESIZE_DB, EXPIRE_MS, EXPIRE_S, SELECT_DB, END = (
    range(244, 256)
)
# Below them: 243 is Valkey's; 242 and 243 of Redis 8.6 and newer are not known here.
SLOT_IMPORT = 243
FIRST_OPCODE = 242

_LONGEST_IDLE = 2**31 - 1
read_expiry = Struct("<q").unpack_from
# What follows an opcode that is passed over.
_PASSED_OVER: dict[int, Shape] = {
    SLOT_INFO: (LENGTH, LENGTH, LENGTH),
    MODULE_AUX: (LENGTH, LENGTH, LENGTH, MODULE),
    RESIZE_DB: (LENGTH, LENGTH),
}
_PASSED_OVER_IN_VALKEY = _PASSED_OVER | {SLOT_IMPORT: (STRING, (LENGTH, LENGTH))}


def passed_over(code: int, rdb_version: int) -> Shape | None:
    """The shape of what follows an opcode that is passed over; None for an unknown one."""
    parts = _PASSED_OVER_IN_VALKEY if rdb_version >= FIRST_VALKEY_VERSION else _PASSED_OVER
    return parts.get(code)


def read_used(code: int, data: bytes, pos: int) -> tuple[Used, int]:
    """How much a key was used, of FREQ or IDLE at `pos`, and where that ends."""
    if code == FREQ:
        return Used("FREQ", data[pos]), pos + 1
    seconds, pos = read_length(data, pos)
    return Used("IDLETIME", min(seconds, _LONGEST_IDLE)), pos
