"""The portable format: one JSON document, an entry a line; `document` reads and writes it, `shapes` has the shape of each type."""
