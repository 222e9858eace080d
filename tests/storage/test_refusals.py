"""What a bucket's refusal means is said in one sentence, with what to do about it, and none of its own words in it."""

import pytest
from obstore.exceptions import BaseError, GenericError, PermissionDeniedError

from worker.errors import NotFoundError, StorageError, StorageUnavailableError, UsageError
from worker.storage.refusals import Deed, translated, understood

S3, GOOGLE, AZURE = "s3://backups/redis", "gs://backups/redis", "az://backups/redis"
ANSWER = "Error performing GET https://secret.example/ in 12ms - Server returned non-2xx status code: {}: {}"


def meant(error: Exception, deed: Deed = "write", place: str = S3, name: str = "") -> StorageError:
    with pytest.raises(StorageError) as raised, translated(place, deed, name):
        raise error
    assert "secret.example" not in str(raised.value)
    assert raised.value.__suppress_context__
    return raised.value


def answered(status: int, code: str = "") -> BaseError:
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>" if code else ""
    return GenericError(ANSWER.format(status, body))


@pytest.mark.parametrize(
    ("place", "deed", "right", "keys"),
    [
        (S3, "list", "s3:ListBucket", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (S3, "read", "s3:GetObject", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (S3, "delete", "s3:DeleteObject", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
        (GOOGLE, "write", "storage.objects.create", "GOOGLE_APPLICATION_CREDENTIALS"),
        (AZURE, "list", "Storage Blob Data Contributor", "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY"),
    ],
)
@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_lacks_is_named_with_the_keys_it_lacks(
    status: int, place: str, deed: Deed, right: str, keys: str
) -> None:
    error = meant(PermissionDeniedError(ANSWER.format(status, "")), deed, place)
    assert str(error) == (
        f"{place} does not let us {deed} ({status}): the credentials need the right {right}, and {keys} must be theirs."
    )
    assert not isinstance(error, StorageUnavailableError)


@pytest.mark.parametrize(
    ("status", "sentence", "passes"),
    [
        (400, "refuses to write (400): look whether address and settings are right.", False),
        (404, "is not there (404): make the bucket, or correct the address.", False),
        (429, "has too much to do (429), and stayed so: try again later.", True),
        (499, "refuses to write (499): look whether address and settings are right.", False),
        (500, "has failed by its own account (500), again and again: try later.", True),
        (502, "has failed by its own account (502), again and again: try later.", True),
        (503, "has too much to do (503), and stayed so: try again later.", True),
        (507, "is full: free some space, or keep fewer backups.", False),
    ],
)
def test_a_number_means_what_http_says(status: int, sentence: str, passes: bool) -> None:
    error = meant(answered(status))
    assert str(error) == f"{S3} {sentence}"
    assert isinstance(error, StorageUnavailableError) == passes


def test_the_code_of_an_answer_says_more_than_its_number() -> None:
    assert str(meant(answered(403, "RequestTimeTooSkewed"))) == (
        f"{S3} does not accept the time of this machine: set its clock."
    )
    assert str(meant(answered(404, "NoSuchBucket"), "read", name="file")) == (
        f"{S3} is in no bucket that exists: make the bucket, or correct the address."
    )
    assert str(meant(answered(409, "Invented.Code"))) == (
        f"{S3} refuses to write (409 Invented.Code): look whether address and settings are right."
    )


def test_a_number_is_found_in_what_a_deletion_says_of_one_of_many_as_well() -> None:
    many = GenericError('Some(Error {\n    status: 429,\n    path: "secret.example"\n})')
    assert "has too much to do (429)" in str(meant(many, "delete"))


@pytest.mark.parametrize(
    ("said", "sentence", "passes"),
    [
        ("HTTP error: kind: Timeout, source", "did not answer in time, again and again", True),
        ("HTTP error: kind: Connect, source", "cannot be reached, again and again", True),
        ("connection closed before message completed", "broke the connection off, again and again", True),
        ("BareRedirect", "is in another region: set AWS_REGION.", False),
    ],
)
def test_who_gives_no_answer_is_told_from_who_refuses(said: str, sentence: str, passes: bool) -> None:
    error = meant(GenericError(f"Error performing PUT https://secret.example/: {said}"))
    assert str(error).startswith(f"{S3} {sentence}")
    assert isinstance(error, StorageUnavailableError) == passes


@pytest.mark.parametrize(
    "sign", ["http://169.254.169.254/latest", "http://metadata.google.internal/", "CredentialsNotFound"]
)
@pytest.mark.parametrize(
    ("place", "keys"), [(S3, "AWS_ACCESS_KEY_ID and"), (GOOGLE, "GOOGLE_APPLICATION_CREDENTIALS.")]
)
def test_who_went_to_ask_the_machine_itself_has_no_credentials(sign: str, place: str, keys: str) -> None:
    error = meant(GenericError(f"Error performing GET {sign}, kind: Connect"), place=place)
    assert str(error).startswith(f"No credentials for {place} were found: set {keys}")


def test_a_certificate_that_is_not_accepted_is_no_silence() -> None:
    error = meant(GenericError("invalid peer Certificate: UnknownIssuer, kind: Connect"))
    assert "name that of its authority in AWS_CA_BUNDLE" in str(error)
    assert not isinstance(error, StorageUnavailableError)


def test_only_a_file_that_is_to_be_read_can_be_missing() -> None:
    with (
        pytest.raises(NotFoundError, match=f"There is no file backup.rdb in {S3}."),
        translated(S3, "read", "backup.rdb"),
    ):
        raise FileNotFoundError(ANSWER.format(404, ""))
    deeds: list[tuple[Deed, str]] = [("write", "backup.rdb"), ("delete", "backup.rdb"), ("list", ""), ("read", "")]
    for deed, name in deeds:
        error = meant(FileNotFoundError(ANSWER.format(404, "")), deed, name=name)
        assert not isinstance(error, NotFoundError)
        assert "is not there (404)" in str(error)


@pytest.mark.parametrize("error", [GenericError("no"), OSError("no"), ValueError("no")])
@pytest.mark.parametrize(("place", "keys"), [(S3, "AWS_ACCESS"), (GOOGLE, "GOOGLE_APP"), (AZURE, "AZURE_STORAGE")])
def test_what_cannot_be_understood_as_credentials_is_a_setting_that_is_wrong(
    place: str, keys: str, error: Exception
) -> None:
    sentence = f"no credentials for {place} that can be understood: look at {keys}"
    with pytest.raises(UsageError, match=sentence), understood(place):
        raise error
