"""A package, so that pytest puts the repository first on the path: PyPI knows `schema` and `models` too."""
