"""Programs for maintainers of the project; not part of the package."""
