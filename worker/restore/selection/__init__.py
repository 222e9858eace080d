"""What of a backup is meant, and where to: `request` is what is asked, `filters` chooses keys, `mapping` gives them their place."""
