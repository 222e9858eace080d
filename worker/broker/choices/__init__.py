"""What was chosen of the settings of the schedule, in the broker's Redis.

`store` reads and changes it, `following` has a process go by it.
"""
