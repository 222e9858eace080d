"""A backup and the stream behind it, taken together: written as a folder that any server loads (export), and verified (verify)."""
