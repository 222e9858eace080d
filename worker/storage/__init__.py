"""Where files lie: a folder. What is written becomes visible whole, by its name, or not at all."""
