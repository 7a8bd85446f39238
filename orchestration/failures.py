"""Which errors speak to the user: what they say is enough, and no traceback is wanted."""

# By name, so that telling them apart imports nothing.
MEANT_FOR_USERS = frozenset(
    {
        "ActionNeeded",
        "ArchiveFileError",
        "ArchiveRefused",
        "CatalogRefused",
        "ConfigurationError",
        "DbtError",
        "DeliveryFailed",
        "EmbeddedPostgresError",
        "Failure",
        "InvoiceStateError",
        "LandingRefused",
        "PostingError",
        "RecordFileError",
        "RehearsalRefused",
        "SourceUnavailable",
        "StaleDraftsError",
        "StripeRefused",
        "StripeUnavailable",
        "WarehouseBusy",
        "WarehouseUnavailable",
    }
)


class ActionNeeded(Exception):  # noqa: N818 - it is no error of ours: the user has to act.
    """Something that the user has to do first; the message says what."""


def speaks_to_user(error: BaseException) -> bool:
    """Return whether an error's own words are for the user."""
    return any(kind.__name__ in MEANT_FOR_USERS for kind in type(error).__mro__)


class DefectInRun(Exception):  # noqa: N818
    """A step failed by a defect of ours; the message says where the details are."""
