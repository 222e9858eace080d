"""Settings: the environment in, one typed object out, or an error that names what is wrong and never shows it."""
