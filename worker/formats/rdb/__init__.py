"""RDB, the server's own file: `reader` and `writer` take it apart and make it, `values` decodes what a key holds.

What is known of each type code stands in `codes`. `skipping` passes over a value, `census` counts without decoding, `lengths`
measures, `soundness` says what no server should be sent.
"""
