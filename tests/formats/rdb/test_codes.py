"""The table of type bytes, where one of its columns follows from another."""

from worker.formats.rdb.codes import CODES, VARYING


def test_what_goes_part_by_part_is_never_told_by_its_bytes() -> None:
    """Of a hash whose fields expire another part is there a moment later, and nobody has written to it."""
    expiring = {one.code for one in CODES if one.fields_expire}
    assert len(expiring) > 1
    assert expiring <= VARYING
