"""What the RDB version of a file tells of it (rdb.h)."""

FIRST_VERSION_WITH_CHECKSUM = 5
FIRST_VALKEY_VERSION = 80
"""Valkey's own begin there, and its types are not those of Redis from then on."""
