"""Whose word counts, and why not; a signature is of every byte before it, and of one key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.backups import manifest_of
from worker.config.settings import Settings
from worker.errors import StorageError
from worker.repository import digest
from worker.repository.manifest import Manifest
from worker.repository.signing import keys, seal
from worker.repository.signing.trust import ANYBODY, Trust

NAME = "redis_backup_20231205_143022.rdb"
AT = datetime(2023, 12, 5, 14, 30, 22, tzinfo=UTC)
OURS, FRIEND, STRANGER = (f"ed25519:{who}" for who in ("ours", "friend", "stranger"))
KNOWING = Trust(frozenset({OURS, FRIEND}), AT, own=OURS)


def by(signer: str | None) -> Manifest:
    return manifest_of(NAME).model_copy(update={"signer": signer})


@pytest.mark.parametrize(
    ("trust", "signer", "objection"),
    [
        (ANYBODY, STRANGER, None),
        (ANYBODY, None, None),
        (KNOWING, OURS, None),
        (KNOWING, FRIEND, None),
        (KNOWING, STRANGER, f"{NAME} is signed by {STRANGER}, which is not trusted here"),
        (KNOWING, None, None),
        (
            Trust(None, AT - timedelta(seconds=1)),
            None,
            f"{NAME} is not signed, though what is stored here is signed since 2023-12-05 14:30 UTC",
        ),
        (Trust(frozenset({OURS}), None, True), None, f"{NAME} is not signed, and BACKUP_TRUSTED_KEYS is set"),
        (Trust(None, None, signed=frozenset({NAME})), None, f"{NAME} is not signed, and the one of that name that"),
        (Trust(None, None, signed=frozenset({NAME})), STRANGER, None),
    ],
    ids=range(10),
)
def test_an_objection_says_why(trust: Trust, signer: str | None, objection: str | None) -> None:
    told = trust.objection(by(signer))
    assert (told is None) is (objection is None)
    if told and objection:
        assert told.startswith(objection)
        assert f"python -m worker adopt --trust {NAME}" in told


def test_a_signature_is_one_of_four_things() -> None:
    assert [KNOWING.word(by(signer)) for signer in (None, OURS, FRIEND)] == ["none", "own", "trusted"]
    alone = Trust(None, None, own=OURS)
    assert [alone.word(by(signer)) for signer in (None, OURS, FRIEND)] == ["none", "own", "unknown"]


def test_each_stranger_is_named_once_where_nobody_is_known() -> None:
    manifests = [by(FRIEND), by(None), by(STRANGER), by(FRIEND)]
    told = ANYBODY.strangers(manifests)
    assert [f"BACKUP_TRUSTED_KEYS={signer}" in words for signer, words in zip((FRIEND, STRANGER), told, strict=True)]
    assert KNOWING.strangers(manifests) == []


# Signatures.


@pytest.fixture
def signer(tmp_path: Path) -> keys.Signer:
    return keys.own(Settings(backup_state=str(tmp_path / "deep" / "state")))


def test_a_file_is_taken_apart_as_it_was_put_together(signer: keys.Signer) -> None:
    text = digest.opened(seal.signed('{\n  "a": 1\n}', signer))
    parts = seal.apart(text or b"")
    assert parts
    assert (parts.document, parts.content) == (b'{\n  "a": 1\n}', b'{\n  "a": 1,\n')
    assert keys.is_signed(parts.content, parts.signature, signer.public)
    assert not keys.is_signed(parts.content + b" ", parts.signature, signer.public)
    assert not keys.is_signed(parts.content, parts.signature[:-1], signer.public)
    for nobody in ("ed25519:none", "", "ed25519:11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="):
        assert not keys.is_signed(parts.content, parts.signature, nobody)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'  "signature": "', b'   "ignature": "'),
        (b",\n  ", b" \n  "),
        (b'"\n}', b"'\n}"),
        (b"==", b"=!"),
        (b'  "signature"', b'  "signaturE"'),
    ],
    ids=range(5),
)
def test_what_bears_no_signature_in_its_place_is_not_taken_for_signed(
    old: bytes, new: bytes, signer: keys.Signer
) -> None:
    text = digest.opened(seal.signed('{\n  "a": 1\n}', signer)) or b""
    assert old in text
    assert seal.apart(text)
    assert seal.apart(text.replace(old, new)) is None
    assert seal.apart(b'{\n  "a": 1\n}') is None


def test_where_no_key_can_be_made_or_read_the_way_out_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="nothing is stored unsigned: let this user write there"):
        keys.own(Settings(backup_state=str(tmp_path / "file" / "state")))
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match="cannot be read"):
        keys.own(Settings(backup_signing_key_file=str(tmp_path / "folder")))
    assert keys.own_public(Settings(backup_signing_key_file=str(tmp_path / "folder"))) is None
    assert keys.own_public(Settings(backup_state=str(tmp_path / "none"))) is None
