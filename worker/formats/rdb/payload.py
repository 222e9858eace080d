"""What stands around a payload: DUMP puts the RDB version and a CRC64 behind it, and RESTORE wants them (cluster.c)."""

import anycrc

FOOTER_BYTES = 10
"""The RDB version in 2 bytes, the CRC64 of all before it in 8, both little-endian."""

crc64 = anycrc.Model("CRC64-REDIS").calc


def seal(payload: bytes, rdb_version: int) -> bytes:
    """What RESTORE takes: the payload and its footer."""
    body = payload + rdb_version.to_bytes(2, "little")
    checksum: int = crc64(body)
    return body + checksum.to_bytes(8, "little")


def footer(payload: bytes, rdb_version: int) -> bytes:
    """What `seal` puts behind a payload; for a caller that does not want to copy a large one."""
    version = rdb_version.to_bytes(2, "little")
    checksum: int = crc64(version, crc64(payload))
    return version + checksum.to_bytes(8, "little")


def version_of(dump: bytes) -> int:
    """The RDB version in the footer of what DUMP answered, or in the footer alone."""
    return int.from_bytes(dump[-FOOTER_BYTES : 2 - FOOTER_BYTES], "little")


def are_intact(sealed: bytes) -> bool:
    """Whether all of these DUMP payloads, joined to one string, match their own CRC64s.

    The CRC64 of anything with its own one behind it is 0 (it has no final XOR), and that is also what it begins with. So
    many come to 0 as well, unless one of them is damaged: one call does for all, at a tenth of the cost.
    """
    return bool(crc64(sealed) == 0)


def is_intact(payload: bytes, footer: bytes) -> bool:
    """The same of one, without its being put together."""
    checksum: int = crc64(footer, crc64(payload))
    # A few zeros come to 0, and are too short to be a payload.
    return len(footer) == FOOTER_BYTES and checksum == 0
