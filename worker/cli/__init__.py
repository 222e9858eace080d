"""The verbs at a shell: one module each, with its options, its question, and what people see of its result."""
