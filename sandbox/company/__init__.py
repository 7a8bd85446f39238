"""The demo company: an AI data platform, its customers, three months of usage and its bills."""

from datetime import UTC, datetime

# The instant at which the demo looks at the company: August to October 2026 can be closed, and the
# first days of November are running.
DEMO_AS_OF = datetime(2026, 11, 5, 6, tzinfo=UTC)

# Changes whenever the same seed no longer gives the same files.
GENERATION = 1
