"""Random customers rated twice: by the project, and by a calculator that knows none of its SQL.

``METERHOUSE_RANDOM_CUSTOMERS`` says how many (default 600), ``METERHOUSE_RANDOM_SEED`` which.
"""

import os
from collections import Counter
from itertools import count

import pytest

from tests.conftest import fresh_pipeline
from tests.reference.comparison import accepted, differences
from tests.reference.drawn_customers import drawn_case
from tests.reference.shrinking import smallest

CUSTOMERS = int(os.environ.get("METERHOUSE_RANDOM_CUSTOMERS", "600"))
SEED = int(os.environ.get("METERHOUSE_RANDOM_SEED", "4"))
# So many share a warehouse; many more would only make the catalog long.
BATCH = 1000


@pytest.fixture
def compare(postgres, prepared_template, tmp_path):
    """Return what rates cases in a fresh warehouse, and how many it has rated so far."""
    rated = Counter()
    folders = count()

    def compared(cases):
        folder = tmp_path / str(next(folders))
        valid = accepted(cases, folder / "catalog")
        rated.update(rated=len(valid), refused=len(cases) - len(valid))
        with fresh_pipeline(postgres, prepared_template, folder) as pipeline:
            return differences(pipeline, valid, folder / "catalog")

    return compared, rated


def test_every_line_is_what_the_reference_calculator_says(compare, capsys):
    compared, rated = compare
    differing = []
    for first in range(0, CUSTOMERS, BATCH):
        positions = range(first, min(first + BATCH, CUSTOMERS))
        differing += compared([drawn_case(SEED, position) for position in positions])
    with capsys.disabled():
        told = f"{rated['rated']} random customers compared, {rated['refused']} refused"
        print(f"\n{told} by validation, {len(differing)} differ")  # noqa: T201
    assert rated["rated"] > CUSTOMERS * 0.9
    if differing:
        kinds = Counter(difference.signature for difference in differing)
        smallest_of_all = min(differing, key=lambda difference: difference.case.size)
        shrunk = smallest(smallest_of_all, compared)
        pytest.fail(f"{len(differing)} customers differ: {dict(kinds)}\n{shrunk}", pytrace=False)
