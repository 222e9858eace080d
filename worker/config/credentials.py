"""What is told in the environment for somebody else's service, and shown to nobody."""

from pydantic_settings import SettingsConfigDict

from worker.config.settings import FromEnvironment


class Credentials(FromEnvironment):
    """What is said of them in the environment; empty text where nothing is."""

    model_config = SettingsConfigDict(hide_input_in_errors=True, env_ignore_empty=True, frozen=True, extra="ignore")

    def __repr_args__(self) -> list[tuple[str, str]]:
        """Nothing: there are secrets among them."""
        return []
