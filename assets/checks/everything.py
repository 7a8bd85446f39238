"""All asset checks that are not tests of dbt."""

import dagster as dg

from assets.checks.frozen_rows import (
    finalised_invoices_are_guarded,
    finalised_invoices_keep_their_content,
    invoice_numbers_have_no_gap,
    landed_rows_are_guarded,
    new_entries_are_as_booked,
    the_journal_is_guarded,
)
from assets.checks.landed_batches import landed_batches
from assets.checks.posted_invoices import (
    approved_invoices_are_queued,
    posted_invoices_are_in_stripe,
    totals_in_stripe_are_ours,
)
from assets.checks.verification import landed_suites, no_entry_was_taken_away


def all_checks() -> list[dg.AssetChecksDefinition]:
    """Return the checks, in the order of the story."""
    return [
        landed_batches,
        landed_rows_are_guarded,
        new_entries_are_as_booked,
        the_journal_is_guarded,
        finalised_invoices_are_guarded,
        finalised_invoices_keep_their_content,
        invoice_numbers_have_no_gap,
        approved_invoices_are_queued,
        posted_invoices_are_in_stripe,
        totals_in_stripe_are_ours,
        *in_depth(),
    ]


def in_depth() -> list[dg.AssetChecksDefinition]:
    """Return the checks that are no part of a build: the job ``verify`` runs them."""
    return [landed_suites, no_entry_was_taken_away]
