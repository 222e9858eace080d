"""What of a backup is meant, and where to: a `plan` is one restore described, `filters` chooses keys, `mapping` gives them their
place. What is asked for is in `worker.arguments`.
"""
