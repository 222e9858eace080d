"""What is done with copies in other storages: one is made (copy), and those that are missing are found (missing)."""
