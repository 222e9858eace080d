"""A stored file on its way to whoever asked for it: whole or a part of it, in pieces, and never by a path from outside."""

from http import HTTPStatus

from flask import Response, request
from werkzeug.exceptions import PreconditionFailed
from werkzeug.wsgi import wrap_file

from worker.errors import ArtifactError
from worker.repository.manifest import Manifest
from worker.storage import READ_BYTES, Distant, Storage


def stored_file(storage: Storage, manifest: Manifest) -> Response:
    """The artifact of that manifest, from its first byte or from the one where a broken download ended.

    NotFoundError where it is gone, ArtifactError where it is not whole, RequestedRangeNotSatisfiable,
    PreconditionFailed.
    """
    file = storage.hand_out(manifest.name)
    try:
        size = file.seek(0, 2)
        file.seek(0)
        if size != manifest.bytes.stored:
            raise ArtifactError(
                f"The artifact {manifest.name} has {size:,} bytes and not {manifest.bytes.stored:,}: it is not whole."
            )
        # Handed to the server as a file: then no thread is kept by a client that reads slowly. What comes from afar is none.
        body = file if isinstance(file, Distant) else wrap_file(request.environ, file, READ_BYTES)
        response = Response(body, direct_passthrough=True)
        _describe(response, manifest, size)
        response.make_conditional(request, accept_ranges=True, complete_length=size if _in_one_piece(size) else None)
        if response.status_code == HTTPStatus.PRECONDITION_FAILED:
            raise PreconditionFailed
    except BaseException:
        file.close()
        raise
    return response


def _describe(response: Response, manifest: Manifest, size: int) -> None:
    response.mimetype = "application/octet-stream"
    response.headers.set("Content-Disposition", "attachment", filename=manifest.name)
    response.content_length = size
    response.set_etag(manifest.sha256)
    response.last_modified = manifest.created_at


def _in_one_piece(size: int) -> bool:
    """Whether a part is asked for that can be given. Whoever asks for several, in other units, or for more than the last
    `size` bytes, is given the whole.
    """
    asked = request.range
    if request.method != "GET" or asked is None or asked.units != "bytes" or len(asked.ranges) != 1:
        return False
    return asked.ranges[0][0] >= -size
