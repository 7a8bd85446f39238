"""What passes between Stripe and us: records without the package's types, and errors of our own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import stripe

LONGEST_WAIT_SECONDS = 60.0


class StripeCallError(Exception):
    """A call that did not succeed: what Stripe said, with the id its support asks for."""

    def __init__(
        self, message: str, *, http_status: int | None = None, request_id: str | None = None
    ) -> None:
        super().__init__(f"{message} (request {request_id})" if request_id else message)
        self.http_status = http_status


class StripeUnavailable(StripeCallError):  # noqa: N818 - the state of the other side
    """No usable answer, now: the same work may be tried again later.

    ``is_outcome_known`` says that Stripe has answered, and keeps that answer for the idempotency
    key; else the request may have been executed, or may still be.
    """

    def __init__(
        self,
        message: str,
        *,
        is_outcome_known: bool,
        http_status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, http_status=http_status, request_id=request_id)
        self.is_outcome_known = is_outcome_known


class StripeRefused(StripeCallError):  # noqa: N818 - the state of the other side
    """Stripe does not accept the request; trying again changes nothing until a person does."""


@dataclass(frozen=True, slots=True)
class StripeInvoice:
    """An invoice as Stripe has it; amounts in the currency's minor unit."""

    stripe_invoice_id: str
    status: str
    currency: str
    total: int
    # What Stripe Tax has added; it is part of the total.
    tax: int
    # Why Stripe Tax has added nothing, if it was to.
    tax_problem: str | None
    amount_due: int
    amount_paid: int
    amount_remaining: int
    attempt_count: int
    created: int
    hosted_invoice_url: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StripeDraft:
    """An invoice to be made, without its lines."""

    customer: str
    currency: str
    metadata: Mapping[str, str]
    number: str
    is_taxed_by_stripe: bool
    # What its head is to say beside what Stripe knows of the customer: names and texts.
    shown: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StripeLine:
    """A line to be added; the period is inclusive at both ends, in seconds since 1970."""

    amount: int
    product_name: str
    description: str
    period_start: int
    period_end: int
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StripeCustomer:
    """What Stripe needs to know of a customer to address an invoice."""

    customer_id: str
    name: str
    email: str | None
    country: str | None
    tax_exempt: str


def wait_after(error: stripe.StripeError, attempt: int) -> float:
    """Return for how long to wait: as long as Stripe says, else twice as long each time."""
    asked = (error.headers or {}).get("Retry-After", "")
    seconds = float(asked) if asked.isdecimal() else 0.5 * 2**attempt
    return min(seconds, LONGEST_WAIT_SECONDS)


def translated(error: stripe.StripeError) -> StripeCallError:
    """Return our own error for one of the package's; never with the key in it."""
    status, request_id = error.http_status, error.request_id
    message = error.user_message or "no explanation"
    if isinstance(error, stripe.AuthenticationError | stripe.PermissionError):
        # Stripe's own message repeats a part of the key.
        return StripeRefused(
            "Stripe does not accept the API key, or the key may not do this",
            http_status=status,
            request_id=request_id,
        )
    if isinstance(error, stripe.APIConnectionError) or status is None:
        return StripeUnavailable(
            "Stripe cannot be reached (at stripe.api_base, if set), or its answer was lost. "
            "Nothing is posted twice: try again",
            is_outcome_known=False,
        )
    if status == 409:
        return StripeUnavailable(
            f"Stripe is still busy with this request: {message}",
            is_outcome_known=False,
            http_status=status,
            request_id=request_id,
        )
    if status >= 500 or isinstance(error, stripe.IdempotencyError):
        # A key used with other parameters: its first request has an answer, so a new key is safe.
        return StripeUnavailable(
            f"Stripe answered {status}: {message}",
            is_outcome_known=True,
            http_status=status,
            request_id=request_id,
        )
    return StripeRefused(f"Stripe refused: {message}", http_status=status, request_id=request_id)


def invoice_of(answer: Any) -> StripeInvoice:
    """Return the part of Stripe's invoice that concerns us."""
    return StripeInvoice(
        stripe_invoice_id=str(answer.id),
        status=str(answer.status),
        currency=str(answer.currency).upper(),
        total=int(answer.total),
        tax=tax_of(answer),
        tax_problem=tax_problem_of(answer.automatic_tax),
        amount_due=int(answer.amount_due),
        amount_paid=int(answer.amount_paid),
        amount_remaining=int(answer.amount_remaining),
        attempt_count=int(answer.attempt_count),
        created=int(answer.created),
        hosted_invoice_url=answer.hosted_invoice_url,
        metadata=text_map(answer.metadata),
    )


def tax_of(answer: Any) -> int:
    """Return what Stripe Tax has added to an invoice; other taxes are not its own."""
    without_tax = answer.total_excluding_tax
    if not answer.automatic_tax.enabled or without_tax is None:
        return 0
    return int(answer.total) - int(without_tax)


def tax_problem_of(automatic_tax: Any) -> str | None:
    """Return why Stripe Tax has no result; None where it has one, or was not asked."""
    if automatic_tax.disabled_reason is not None:
        return str(automatic_tax.disabled_reason)
    if automatic_tax.enabled and automatic_tax.status not in (None, "complete"):
        return str(automatic_tax.status)
    return None


def text_map(metadata: Any) -> dict[str, str]:
    """Return metadata as a plain mapping; Stripe's own object is none."""
    return {} if metadata is None else dict(metadata.to_dict())
