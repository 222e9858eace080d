"""Looking back: what is wrong with data since when (`incident`), and what the replication stream says of it (`stream`)."""
