"""The portable format: one JSON document, an entry a line; `document` reads and writes it, `shapes` has the shape of each type.

The shapes of streams and vector sets are in `streams` and `vectors`, and what all shapes are made of in `parts`.
"""
