"""What a restore was about to touch is kept before it writes (`snapshot`), and brought back afterwards (`undo`, `revert`)."""
