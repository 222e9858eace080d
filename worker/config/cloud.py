"""Credentials and endpoints of S3, Google and Azure, by the names that their own tools know; each also as NAME_FILE.

What is not named here, such as AWS_ROLE_ARN or AZURE_CLIENT_ID, obstore reads from the environment by itself.
"""

from configparser import ConfigParser
from configparser import Error as UnreadableError
from pathlib import Path

from worker.config.credentials import Credentials
from worker.errors import UsageError

CHECKSUM = "SHA256"


class Cloud(Credentials):
    """What is said of them in the environment; empty text where nothing is."""

    aws_access_key_id: str = ""
    aws_secret_access_key: str = ""
    aws_session_token: str = ""
    aws_region: str = ""
    aws_default_region: str = ""
    aws_profile: str = ""
    aws_shared_credentials_file: str = ""
    aws_config_file: str = ""
    aws_endpoint_url: str = ""
    aws_endpoint_url_s3: str = ""
    aws_ca_bundle: str = ""
    aws_checksum_algorithm: str = CHECKSUM
    google_application_credentials: str = ""
    google_service_account_key: str = ""
    azure_storage_account_name: str = ""
    azure_storage_account_key: str = ""
    azure_storage_sas_key: str = ""
    azure_storage_endpoint: str = ""

    @property
    def endpoint(self) -> str:
        """The address of S3; empty for Amazon's own."""
        return self.aws_endpoint_url_s3 or self.aws_endpoint_url

    @property
    def ca(self) -> str:
        """The certificates that AWS_CA_BUNDLE names, as PEM; empty where it names none. UsageError."""
        if not self.aws_ca_bundle:
            return ""
        try:
            return Path(self.aws_ca_bundle).read_text()
        except (OSError, UnicodeDecodeError):
            raise UsageError(f"AWS_CA_BUNDLE names a file that cannot be read: {self.aws_ca_bundle}") from None

    def aws(self) -> dict[str, str]:
        """Keys and region as obstore calls them: from the environment, else of the profile, else of the machine's role.

        UsageError where a profile is asked for that has no keys.
        """
        options = {"region": self.aws_region or self.aws_default_region}
        if self.aws_access_key_id and self.aws_secret_access_key:
            keys = self.aws_access_key_id, self.aws_secret_access_key, self.aws_session_token
        else:
            credentials, config = self._profile()
            options["region"] = options["region"] or config.get("region", "")
            names = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"
            keys = tuple(credentials.get(name) or config.get(name, "") for name in names)  # type: ignore[assignment]
            if self.aws_profile and not (keys[0] and keys[1]):
                raise UsageError(
                    f"AWS_PROFILE names the profile {self.aws_profile!r}, of which ~/.aws/credentials and ~/.aws/config hold no "
                    "access key: only keys that stand in these files are understood."
                )
        options |= dict(zip(("access_key_id", "secret_access_key", "session_token"), keys, strict=True))
        return {name: value for name, value in options.items() if value}

    def _profile(self) -> tuple[dict[str, str], dict[str, str]]:
        name, home = self.aws_profile or "default", Path.home() / ".aws"
        in_config = name if name == "default" else f"profile {name}"
        return (
            _section(Path(self.aws_shared_credentials_file or home / "credentials"), name),
            _section(Path(self.aws_config_file or home / "config"), in_config),
        )


def _section(path: Path, name: str) -> dict[str, str]:
    parser = ConfigParser(interpolation=None, default_section="")
    try:
        parser.read_string(path.expanduser().read_text())
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, UnreadableError):
        raise UsageError(f"{path} cannot be read as a file of AWS profiles.") from None
    return dict(parser[name]) if parser.has_section(name) else {}
