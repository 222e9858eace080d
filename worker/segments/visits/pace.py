"""How long a listener follows the stream, and how often the next one begins, in seconds: it takes over before the last one ends."""

SECONDS, EVERY_SECONDS = 55.0, 50.0
