"""What can be wrong: one `table` of rows, and each row beside what it looks at."""
