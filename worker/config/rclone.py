"""Credentials of what is reached by rclone: SFTP, WebDAV, Google Drive; each also as NAME_FILE."""

from pathlib import Path

from worker.config.credentials import Credentials


class RcloneLogins(Credentials):
    """What is said of them in the environment; empty text where nothing is."""

    sftp_key: str = ""
    """A private key, as ssh-keygen writes it."""
    sftp_key_passphrase: str = ""
    sftp_password: str = ""
    sftp_known_hosts_file: str = ""
    webdav_password: str = ""
    webdav_bearer_token: str = ""
    webdav_ca_bundle: str = ""
    gdrive_client_id: str = ""
    gdrive_client_secret: str = ""
    gdrive_token: str = ""
    """As rclone writes it."""
    gdrive_shared_drive: str = ""
    gdrive_impersonate: str = ""
    google_application_credentials: str = ""
    google_service_account_key: str = ""
    rclone_config: str = ""

    @property
    def known_hosts(self) -> Path:
        """The file with the keys of the servers that are trusted."""
        return Path(self.sftp_known_hosts_file or "~/.ssh/known_hosts").expanduser()
