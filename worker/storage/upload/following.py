"""An upload in a thread of its own, of a file that is still being written or of a whole one: nothing of it is seen there before
all of it may be, and who does not want it any more does not wait for a server that does not answer.

The last part is held back until the file is whole and whoever writes it has proven that it may be shown; an upload in parts that
has not had its last one does not exist. Where it breaks off, the whole file is uploaded once more, as if nothing had been tried.
"""

import os
import threading
from collections.abc import Callable
from typing import BinaryIO

from worker.errors import StorageError
from worker.storage.interface import Readable

FROM = 16 << 20
"""Bytes: what is smaller is sooner sent than an upload in parts is begun."""
STEP = 1 << 20
"""So many bytes are written before whoever follows hears of them."""
_LOOK_SECONDS = 0.2
_END_SECONDS = 5
"""How long the end of an upload that was given up is waited for: its last request may be on its way, or there are parts to take
back. What does not answer is asked again for a minute, and nobody who has cancelled waits for that.
"""

Follow = Callable[[Readable], bool]
"""Uploads what can be read until there is no more; whether the place has told the right checksum of what it holds."""


class GivenUpError(StorageError):
    """What was being followed is not to be shown."""


class Following:
    """One such upload, in a thread of its own."""

    def __init__(self, file: BinaryIO, follow: Follow) -> None:
        self._file, self._follow = file, follow
        self._change = threading.Condition()
        self._there = self._read = 0
        self._is_whole = self._is_out = self._is_given_up = self._is_over = False
        self._vouched = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="following", daemon=True)
        self._thread.start()

    def grown(self, there: int) -> None:
        """So many bytes of the file are written and flushed."""
        with self._change:
            self._there = there
            self._change.notify_all()

    def finish(self, go_on: Callable[[int], None]) -> bool:
        """Have the rest of the whole file sent, and shown; what the upload gave.

        `go_on` is asked meanwhile, with how many bytes have been sent; where it raises, the upload is given up. Raises what the
        upload has failed with.
        """
        try:
            go_on(self._read)
            with self._change:
                self._is_whole = True
                self._change.notify_all()
            while self._thread.is_alive():
                go_on(self._read)
                with self._change:
                    if not self._is_over:
                        self._change.wait(_LOOK_SECONDS)
                if self._is_over:
                    self._thread.join()
        except BaseException:
            self.stop()
            raise
        if self._error is not None:
            raise self._error
        return self._vouched

    def stop(self) -> bool:
        """Have nothing more of the file read, so that it can be closed. Whether it is certain that nothing more can be seen of it:
        where all parts have gone already the answer is waited for, but not for ever.
        """
        with self._change:
            is_first, self._is_given_up = not self._is_given_up, True
            self._change.notify_all()
        if is_first:
            self._thread.join(_END_SECONDS)
        return not (self._is_out and self._thread.is_alive())

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes of the file, as many as that but for its end: they are waited for."""
        with self._change:
            self._change.wait_for(lambda: self._is_given_up or self._is_whole or self._there - self._read > size)
            if self._is_given_up:
                raise GivenUpError("It was given up.")
            # Under the lock, so that nobody closes the file meanwhile.
            piece = os.pread(self._file.fileno(), min(size, self._there - self._read), self._read)
            self._read += len(piece)
            self._is_out = not piece
            self._change.notify_all()
            return piece

    def close(self) -> None:
        """It is closed by whoever writes it."""

    def _run(self) -> None:
        try:
            self._vouched = self._follow(self)
        except BaseException as error:
            self._error = error
        with self._change:
            self._is_over = True
            self._change.notify_all()
