"""What a restore would do, key by key against the live target, and whether that is still so when it is asked for."""
