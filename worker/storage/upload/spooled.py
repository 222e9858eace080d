"""Writing into a bucket so that nothing is written over, nothing counts that is not whole, and a lost reply is no loss."""

import hashlib
import secrets
import time
from contextlib import suppress
from functools import partial
from typing import BinaryIO, Self

import structlog

from worker.errors import NotFoundError, StorageError, StorageUnavailableError
from worker.progress import Progress, Proof, reported, silent, undisputed
from worker.storage.bucket import Bucket
from worker.storage.cache import Cache
from worker.storage.interface import READ_BYTES
from worker.storage.upload.following import FROM, STEP, Following

log = structlog.get_logger()

_TRIES, _CONFLICT_SECONDS = 4, 0.5
"""A bucket may say that two wrote at once, when one did: then it is to be tried again."""


def put_new(bucket: Bucket, name: str, content: bytes, prove: Proof = undisputed) -> None:
    """Write a small file where there is none. StorageError where there is one."""
    if bucket.look(name) is not None:
        raise _taken(bucket, name)
    prove()
    if not _created(bucket, name, content):
        raise _taken(bucket, name)


def _created(bucket: Bucket, name: str, content: bytes) -> bool:
    """Whether there is now what we wanted to write; False where there is something else."""
    for number in range(_TRIES):
        time.sleep(number * _CONFLICT_SECONDS)
        lost: StorageError | None = None
        try:
            if bucket.create(name, content):
                return True
        except StorageUnavailableError as error:
            lost = error
        # Of a create whose reply is lost, or that was tried twice, the object may be there all the same.
        there = content_of(bucket, name, len(content))
        if there is not None:
            return there == content
        if lost:
            raise lost
    raise StorageUnavailableError(f"{bucket.place} did not take {name}: it says that somebody else writes it (409).")


def put_over(bucket: Bucket, name: str, content: bytes, version: str | None) -> None:
    """Write a small file in the place of another: of that version, where one is told. NotFoundError where there is none."""
    if bucket.look(name) is None:
        raise NotFoundError(f"The file {name} was deleted meanwhile.")
    try:
        if bucket.replace(name, content, version):
            return
    except StorageUnavailableError:
        if content_of(bucket, name, len(content)) == content:
            return
        raise
    if content_of(bucket, name, len(content)) != content:
        raise StorageError(f"Somebody else has changed {name} in {bucket.place} meanwhile: try again.")


def content_of(bucket: Bucket, name: str, size: int) -> bytes | None:
    """The first bytes of a small file, one more than it should have; None where there is none."""
    with suppress(NotFoundError):
        _, pieces = bucket.download(name)
        content = b""
        for piece in pieces:
            content += piece
            if len(content) > size:
                break
        return content[: size + 1]
    return None


def _taken_over(bucket: Bucket, mark: str, claim: str, token: bytes) -> bool:
    """Whether that mark was left by one with the same claim, and is ours now."""
    with suppress(NotFoundError):
        left, content = bucket.read(mark, len(token))
        return content.startswith(claim.encode()) and bucket.replace(mark, token, left.version)
    return False


def _taken(bucket: Bucket, name: str) -> StorageError:
    return StorageError(f"No free name was found for a new file: {name} is in {bucket.place} already.", of=name)


def mark_of(name: str) -> str:
    """The hidden object that says that `name` is being written."""
    return f".{name}.partial"


class Spooled:
    """A file that is being written here, and that nobody sees there yet; its mark keeps others from its name.

    A mark that begins with a claim is taken over by whoever has the same, so it may be somebody else's any time. Who has taken one
    over takes nothing back: whom it was taken from may live, and have shown the same bytes.
    """

    def __init__(self, bucket: Bucket, cache: Cache, name: str, token: bytes, *, contested: bool = False) -> None:
        self.name = name
        self.is_taken_over = False
        self._bucket, self._cache, self._token, self._contested = bucket, cache, token, contested
        self._file: BinaryIO = cache.spool()
        self._written = 0
        self._following: Following | None = None
        self._sent = self._stays = self._is_withdrawn = False

    @classmethod
    def begun(cls, bucket: Bucket, cache: Cache, name: str, claim: str = "") -> Self | None:
        """A draft of that name; None where the name is taken."""
        token = f"{claim}{secrets.token_hex(16)}".encode()
        if bucket.look(name) is not None:
            return None
        is_new = _created(bucket, mark_of(name), token)
        if not (is_new or (claim and _taken_over(bucket, mark_of(name), claim, token))):
            return None
        draft = cls(bucket, cache, name, token, contested=bool(claim))
        draft.is_taken_over = not is_new
        try:
            if bucket.exclusive is None:
                # Whoever gives no answer is asked again with the next mark, and is not relied on until then.
                with suppress(StorageUnavailableError):
                    bucket.exclusive = not bucket.create(mark_of(name), token)
            # Somebody may have finished one of that name between our two looks.
            if bucket.look(name) is None and draft._is_ours():
                return draft
        except BaseException:
            draft.close()
            raise
        draft.close()
        return None

    def write(self, chunk: bytes) -> None:
        """Append to the draft."""
        with self._cache.usable():
            self._file.write(chunk)
        before, self._written = self._written, self._written + len(chunk)
        if self._written // STEP > before // STEP:
            self._tell_follower()

    def _tell_follower(self) -> None:
        """What is written is uploaded meanwhile, as soon as that is worth it."""
        follow = self._bucket.follow
        if self._following is None and follow is not None and self._written >= FROM:
            self._following = Following(self._file, partial(follow, self.name))
        if self._following is not None:
            with self._cache.usable():
                self._file.flush()
            self._following.grown(self._written)

    def publish(self, prove: Proof = undisputed, progress: Progress = silent) -> None:
        """Bring the file there and see whether it has arrived, in its size and every byte."""
        with self._cache.usable():
            self._file.flush()
            size = self._file.tell()
        prove()
        self.check()
        self._sent = True
        vouched = self._followed(size, prove, progress)
        if vouched is None:
            vouched = self._upload(size, prove, progress)
        progress("uploading", size, size, "bytes")
        there = self._bucket.look(self.name)
        if there is None or there.size != size:
            held = f"{there.size:,} bytes" if there else "nothing"
            raise StorageError(
                f"{self._bucket.place} has taken {size:,} bytes as {self.name}, and holds {held} of it: it was given up.",
                of=self.name,
            )
        if not vouched:
            self._read_back(size, prove, progress)

    def check(self) -> None:
        """StorageUnavailableError where the name is marked by somebody else by now."""
        if not self._is_ours():
            raise StorageUnavailableError(f"Somebody else is writing {self.name} in {self._bucket.place}: try again.")

    def _followed(self, size: int, prove: Proof, progress: Progress) -> bool | None:
        """The end of an upload that has followed the file; None where there is none, or it has failed."""
        if self._following is None:
            return None
        try:
            return self._finished(self._following, size, prove, progress)
        except StorageError as error:
            there = self._bucket.look(self.name)
            if there is not None and there.size == size:
                return False
            log.warning("upload_begins_again", name=self.name, why=str(error))
            return None

    def _finished(self, following: Following, size: int, prove: Proof, progress: Progress) -> bool:
        """Have the rest of it sent, and shown; `prove` and `progress` are asked all the while."""

        def go_on(sent: int) -> None:
            prove()
            progress("uploading", sent, size, "bytes")

        following.grown(size)
        return following.finish(go_on)

    def _upload(self, size: int, prove: Proof, progress: Progress) -> bool:
        try:
            return self._uploaded(size, prove, progress)
        except StorageError as error:
            # It may be there, and only the answer is missing; whoever asked twice was told that it knows of no such upload.
            there = self._bucket.look(self.name)
            if there is not None and there.size == size:
                return False
            if not isinstance(error, StorageUnavailableError):
                raise
            return self._uploaded(size, prove, progress)

    def _uploaded(self, size: int, prove: Proof, progress: Progress) -> bool:
        """One upload of the whole file. Where it may fail unseen it has a thread of its own."""
        self._file.seek(0)
        if self._bucket.follow is not None:
            # Nothing of the file is used there but `read`.
            whole = partial(self._bucket.upload, self.name, size=size, prove=undisputed)
            self._following = Following(self._file, whole)
            return self._finished(self._following, size, prove, progress)

        def prove_and_tell() -> None:
            prove()
            progress("uploading", self._file.tell(), size, "bytes")

        return self._bucket.upload(self.name, self._file, size, prove_and_tell)

    def _read_back(self, size: int, prove: Proof, progress: Progress) -> None:
        self._file.seek(0)
        here = hashlib.sha256()
        while chunk := self._file.read(READ_BYTES):
            here.update(chunk)
        there = hashlib.sha256()
        for piece in reported(self._bucket.download(self.name)[1], progress, "reading back", size):
            prove()
            there.update(piece)
        if here.digest() != there.digest():
            raise StorageError(
                f"{self._bucket.place} gives other bytes back than it was given as {self.name}: it was given up.",
                of=self.name,
            )

    def withdraw(self) -> None:
        """Take back what was sent: the work it belonged to has failed. Where that cannot be, the mark stays for a sweep."""
        self._is_withdrawn = True
        if self._sent:
            self._stays = True
            is_over = self._following is None or self._following.stop()
            if self.is_taken_over:
                return
            with suppress(StorageError):
                # Whoever has taken the name over may have finished what we could not.
                if not self._contested or self._is_ours(soon=True):
                    self._bucket.delete([self.name], soon=True)
                self._stays = not is_over

    def close(self) -> None:
        """End the draft; only what was published and not withdrawn remains."""
        if self._following is not None:
            self._following.stop()
        self._file.close()
        if not self._stays:
            with suppress(StorageError, NotFoundError):
                if self._is_ours(soon=self._is_withdrawn):
                    self._bucket.delete([mark_of(self.name)], soon=self._is_withdrawn)

    def _is_ours(self, *, soon: bool = False) -> bool:
        """Whether the name is still marked by us: asked where others may write over a mark, or take it over."""
        if self._bucket.exclusive and not self._contested:
            return True
        mark, size = mark_of(self.name), len(self._token)
        if not soon:
            return content_of(self._bucket, mark, size) == self._token
        with suppress(NotFoundError):
            return self._bucket.read(mark, size)[1] == self._token
        return False
