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
    """What `seal` puts behind a payload, for one of which no copy is to be made."""
    version = rdb_version.to_bytes(2, "little")
    checksum: int = crc64(version, crc64(payload))
    return version + checksum.to_bytes(8, "little")


def version_of(dump: bytes) -> int:
    """The RDB version in the footer of what DUMP answered, or in the footer alone."""
    return int.from_bytes(dump[-FOOTER_BYTES : 2 - FOOTER_BYTES], "little")
