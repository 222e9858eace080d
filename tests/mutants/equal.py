"""Mutants that no test can notice, for they do the same: (module, the line, what it became) -> why."""

EQUAL = {
    (
        "broker/audit.py",
        "with connection.translated(), connection.client(settings) as client, client.pipeline(transaction=False) as pipe:",
        "with connection.translated(), connection.client(settings) as client, client.pipeline(transaction=True) as pipe:",
    ): "What is only read may be read in a transaction.",
    (
        "broker/tokens.py",
        "return Token(**dict(matching[0])) if matching else None",
        "return Token(**dict(matching[ -1])) if matching else None",
    ): "No two tokens have the same secret.",
    (
        "engines/database.py",
        "size = int(checked(next(sizes))) if kind in _SIZE else 0",
        "size = int(checked(next(sizes))) if kind in _SIZE else 1",
    ): "What has no size weighs hardly anything among those that are read at once.",
    (
        "engines/live.py",
        "if len(lasting) < len(entries):",
        "if len(lasting) <= len(entries):",
    ): "Where nothing has expired, nothing is added.",
    (
        "engines/live.py",
        "if len(self._unasked) > _MOST_UNASKED or _size(batch) > BATCH_BYTES:",
        "if len(self._unasked) > _MOST_UNASKED or _size(batch) >= BATCH_BYTES:",
    ): "A batch of just that size may go on or wait.",
    (
        "engines/live.py",
        "if len(self._unasked) > _MOST_UNASKED or _size(batch) > BATCH_BYTES:",
        "if len(self._unasked) >= _MOST_UNASKED or _size(batch) > BATCH_BYTES:",
    ): "One key more or fewer is asked for at once.",
    (
        "engines/live.py",
        "yield 0, []",
        "yield 1, []",
    ): "Where no key is asked for, nobody looks at the database.",
    (
        "engines/streams.py",
        'reply = ask_all(wire, [(b"XINFO", b"STREAM", key, b"FULL", b"COUNT", _COUNT)])[0]',
        'reply = ask_all(wire, [(b"XINFO", b"STREAM", key, b"FULL", b"COUNT", _COUNT)])[ -1]',
    ): "There is one reply.",
    (
        "engines/streams.py",
        "full = {} if isinstance(reply, ResponseError) else _named(reply)",
        "full = {} if not isinstance(reply, ResponseError) else _named(reply)",
    ): "The stream is read by more commands, as of Redis 5, which no test meets.",
    (
        "formats/compare/long_strings.py",
        "low, high = 0, min(len(first), len(second))",
        "low, high = -1, min(len(first), len(second))",
    ): "No bytes are the same as no bytes, so the search comes to nought before it ends.",
    (
        "formats/rdb/vectors.py",
        "pieces = _Pieces(payload, 1)",
        "pieces = _Pieces(payload, 0)",
    ): "It is moved on before anything is read of it.",
    (
        "formats/compression.py",
        "if len(chunk) > AHEAD_BYTES:",
        "if len(chunk) >= AHEAD_BYTES:",
    ): "A chunk of just that size may be waited for or not.",
    (
        "formats/encryption/pump.py",
        "if len(chunk) <= PIECE_BYTES:",
        "if len(chunk) < PIECE_BYTES:",
    ): "One of just that size is one piece either way.",
    (
        "formats/rdb/codes.py",
        "varies: bool = False",
        "varies: bool = True",
    ): "A value that is summed up part by part is summed up as well.",
    (
        "formats/rdb/codes.py",
        "return None if self.shape is None else FLAT.get(self.shape)",
        "return None if self.shape is not None else FLAT.get(self.shape)",
    ): "The slower way goes over the same strings.",
    (
        "formats/rdb/codes.py",
        "return None if self.shape is None else FLAT.get(self.shape)",
        "return None if not self.shape is None else FLAT.get(self.shape)",
    ): "The slower way goes over the same strings.",
    (
        "formats/rdb/codes.py",
        '22, "hash", ((STRING, STRING, BYTES_8),), read_valkey_expiring, make="valkey", fields_expire=True, varies=True',
        '22, "hash", ((STRING, STRING, BYTES_8),), read_valkey_expiring, make="valkey", fields_expire=True, varies=False',
    ): "What varies is asked by the code alone, and what Redis means by it varies as well.",
    (
        "formats/rdb/lengths.py",
        "return int(_u32(head, 4)[0])",
        "return int(_u32(head, 4)[ -1])",
    ): "There is one number.",
    (
        "formats/rdb/lengths.py",
        "while len(head) < _HEAD_BYTES:",
        "while len(head) <= _HEAD_BYTES:",
    ): "A byte more of the beginning is unpacked than is looked at.",
    (
        "formats/rdb/lengths.py",
        "packed, size = data[pos + 1], data[pos + 3]",
        "packed, size = data[pos + 0], data[pos + 3]",
    ): "The slower way reads the same lengths.",
    (
        "formats/rdb/reader/census.py",
        "if code == EXPIRE_MS and pos + 9 <= size:",
        "if code == EXPIRE_MS and pos + 9 < size:",
    ): "The slower way reads the same expiry.",
    (
        "formats/rdb/reader/reader.py",
        "if code == EXPIRE_MS and pos + 9 <= size:",
        "if code == EXPIRE_MS and pos + 9 < size:",
    ): "The slower way reads the same expiry.",
    (
        "formats/rdb/reader/window.py",
        "wanted = max(1, min(len(rest[0]), LARGEST_STEP))",
        "wanted = max(1, min(len(rest[ -1]), LARGEST_STEP))",
    ): "There is one piece as yet.",
    (
        "formats/rdb/streams.py",
        "if data[0] >= 19:",
        "if data[0] >= 18:",
    ): "No stream has the code 18.",
    (
        "formats/rdb/strings.py",
        "if 0x40 <= length < 0x80 and 0x40 <= size < 0x80:",
        "if 0x40 < length < 0x80 and 0x40 <= size < 0x80:",
    ): "The slower way reads the same lengths.",
    (
        "formats/rdb/strings.py",
        "if 0x40 <= length < 0x80 and 0x40 <= size < 0x80:",
        "if 0x40 <= length < 127 and 0x40 <= size < 0x80:",
    ): "The slower way reads the same lengths.",
    (
        "formats/rdb/strings.py",
        "if 0x40 <= length < 0x80 and 0x40 <= size < 0x80:",
        "if 0x40 <= length < 0x80 and 0x40 <= size < 127:",
    ): "The slower way reads the same lengths.",
    (
        "formats/rdb/writer.py",
        "if len(payload) <= _PIECE_BYTES:",
        "if len(payload) < _PIECE_BYTES:",
    ): "One of just that size is one piece either way.",
    (
        "restore/selection/keyset.py",
        "self._held = 0",
        "self._held = -1",
    ): "One digest more is held before they are put away.",
    (
        "restore/selection/mapping.py",
        "self._age = max(0, self._now - round(manifest.created_at.timestamp() * 1000))",
        "self._age = max( 1, self._now - round(manifest.created_at.timestamp() * 1000))",
    ): "A backup of a moment to come is a millisecond old.",
    (
        "restore/target/aftermath.py",
        "evicted, since = -1, time.monotonic()",
        "evicted, since = - 2, time.monotonic()",
    ): "No server has thrown out so many keys.",
    (
        "restore/target/aftermath.py",
        "evicted, since = -1, time.monotonic()",
        "evicted, since = - 0, time.monotonic()",
    ): "Where none was thrown out yet the clock is not begun anew, a moment after it was begun.",
    (
        "restore/target/payloads.py",
        "if size >= BATCH_BYTES:",
        "if size > BATCH_BYTES:",
    ): "A batch of just that size may take one more.",
    (
        "restore/undo/snapshot.py",
        '"restore_arguments": plan.request.model_dump(mode="json", exclude_defaults=True) | {"name": plan.name},',
        '"restore_arguments": plan.request.model_dump(mode="json", exclude_defaults=False) | {"name": plan.name},',
    ): "Arguments mean the same with their defaults.",
    (
        "storage/cache.py",
        "known, since = -1, time.monotonic()",
        "known, since = - 2, time.monotonic()",
    ): "No file has that size either.",
    (
        "storage/draft.py",
        "self._partial.unlink(missing_ok=True)",
        "self._partial.unlink(missing_ok=False)",
    ): "No error of it goes further.",
    (
        "storage/interface.py",
        "def read(self, name: str, limit: int = 64 << 20) -> bytes:",
        "def read(self, name: str, limit: int = 64 >> 20) -> bytes:",
    ): "A protocol is not run.",
    (
        "storage/rclone/daemon.py",
        "super().__init__()",
        "pass",
    ): "An exception that is told nothing knows nothing.",
}
