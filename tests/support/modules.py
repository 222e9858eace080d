"""The modules of the product, by their names."""

from pathlib import Path


def modules(root: Path) -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for path in [*root.glob("worker/**/*.py"), *root.glob("web/**/*.py"), *root.glob("celeryconfig.py")]:
        parts = path.relative_to(root).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found
