"""Numbers and days as pictures, for templates to draw: where lines, bars and squares lie, and what is said of each. Pure."""
