"""What the replication stream tells: what happened when (`happened`), and each write to one key (`writes`)."""
