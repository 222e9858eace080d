"""A payload that waits on disk, so that at most two huge values are in memory."""

from worker.storage.tempfiles import on_disk, temporary

PIECE_BYTES = 1 << 20


class Aside:
    """Its file is gone as soon as nobody holds this any more. Raises StorageError."""

    def __init__(self, payload: bytes) -> None:
        self.size = len(payload)
        self._file = temporary()
        with on_disk():
            self._file.write(payload)
            self._file.flush()

    def __del__(self) -> None:
        # Where no file could be made, there is none to close.
        if file := getattr(self, "_file", None):
            file.close()

    def payload(self) -> bytes:
        """All of it, in memory again."""
        self._file.seek(0)
        with on_disk():
            return self._file.read(self.size)

    def equals(self, payload: bytes) -> bool:
        """Whether it is the same, without having both in memory."""
        if len(payload) != self.size:
            return False
        self._file.seek(0)
        with on_disk():
            starts = range(0, self.size, PIECE_BYTES)
            return all(self._file.read(PIECE_BYTES) == payload[start : start + PIECE_BYTES] for start in starts)
