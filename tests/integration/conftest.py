"""What the integration tests share."""

from collections.abc import Iterator

import pytest

from connectors.stripe_invoices import StripeInvoices
from sandbox.stripe.server import StripeSandbox
from tests.integration.posting_bench import (
    account,
    running_sandbox,
)


@pytest.fixture
def sandbox() -> Iterator[StripeSandbox]:
    with running_sandbox() as running:
        yield running


@pytest.fixture
def stripe(sandbox: StripeSandbox) -> StripeInvoices:
    return account(sandbox)
