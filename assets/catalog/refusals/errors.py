"""The error of all refusals."""


class CatalogRefused(ValueError):  # noqa: N818 - what the catalog says is refused, not our code.
    """A catalog that would silently stop billing what is being billed."""
