"""Two values of a key side by side: the same, the same but for their expiry, or where they differ, row by row."""
