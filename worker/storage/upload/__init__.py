"""What is written into a bucket: small objects at once, and files that are spooled here first.

spooled.py has both, following.py an upload that begins while its file is still being written.
"""

from worker.storage.upload.spooled import Spooled, content_of, mark_of, put_new, put_over

__all__ = ["Spooled", "content_of", "mark_of", "put_new", "put_over"]
