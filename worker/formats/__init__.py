"""Chunks to entries and back: `rdb`, the server's own file, and `portable`, a JSON document for people.

What is known of each type of key stands in `types`.
"""
