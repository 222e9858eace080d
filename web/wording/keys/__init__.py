"""Keys in words: what befell them, since when something is wrong with them, and what is different in their values. Pure."""
