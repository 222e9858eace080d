"""Whether a backup lost what those before it had: `judge` says so, `notice` notes it, `accept` is somebody who says that it is fine."""
