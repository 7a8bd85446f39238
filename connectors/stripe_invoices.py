"""Invoices and customers in Stripe: one verb per call, amounts in the currency's minor unit."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg
import stripe
from pydantic import Field, PrivateAttr

from connectors.stripe_records import (
    StripeCustomer,
    StripeDraft,
    StripeInvoice,
    StripeLine,
    StripeRefused,
    StripeUnavailable,
    invoice_of,
    text_map,
    translated,
    wait_after,
)

Answer = TypeVar("Answer")

PAGE = 100
# Stripe counts the calls of a test account to 25 a second in all, and of a live one to 25 an
# endpoint. A stand-in counts none.
CALLS_PER_SECOND = 20
ATTEMPTS_WHEN_LIMITED = 6


class StripeInvoices(dg.ConfigurableResource):
    """A Stripe account, as far as invoices go.

    Every call that writes takes an idempotency key. Short failures are tried again here with the
    same key; what outlasts that is raised as ``StripeUnavailable`` or ``StripeRefused``.
    """

    api_key: str = Field(repr=False)
    api_base: str | None = None
    payment_methods: list[str] = Field(default_factory=list)
    collection: str = "charge_automatically"
    days_until_due: int = 30
    # What Stripe Tax takes everything for that is sold; without one, the account's own default.
    tax_code: str | None = None
    network_retries: int = 2

    _client: stripe.StripeClient | None = PrivateAttr(default=None)
    _sleep: Callable[[float], None] = PrivateAttr(default=time.sleep)
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _next_call_at: float = PrivateAttr(default=0.0)

    def find_customer(self, customer_id: str, since: int) -> str | None:
        """Return the customer of ours that was made since then; lists see every write before."""
        parameters = {"created": {"gte": since}}
        for customer in self._pages(lambda page: self._v1.customers.list(page), parameters):
            if text_map(customer.metadata).get("customer_id") == customer_id:
                return str(customer.id)
        return None

    def create_customer(self, customer: StripeCustomer, key: str) -> str:
        """Create a customer and return Stripe's id."""
        parameters: dict[str, Any] = {
            "name": customer.name[:256],
            "tax_exempt": customer.tax_exempt,
            "metadata": {"customer_id": customer.customer_id},
        }
        if customer.email:
            parameters["email"] = customer.email
        if customer.country:
            parameters["address"] = {"country": customer.country}
        created = self._call(
            lambda: self._v1.customers.create(parameters, {"idempotency_key": key})
        )
        return str(created.id)

    def find_invoice(self, customer: str, since: int, invoice_id: str) -> StripeInvoice | None:
        """Return the invoice that carries our id; a second one beside it is refused."""
        found = [
            invoice
            for invoice in self.list_invoices(since, customer)
            if invoice.metadata.get("invoice_id") == invoice_id
        ]
        living = [invoice for invoice in found if invoice.status != "void"]
        if len(living) > 1:
            ids = ", ".join(invoice.stripe_invoice_id for invoice in living)
            raise StripeRefused(
                f"Stripe holds several invoices for {invoice_id}: {ids}. Void or delete all but one"
            )
        return next(iter(living or found), None)

    def list_invoices(self, since: int, customer: str | None = None) -> Iterator[StripeInvoice]:
        """Yield the invoices created since then, newest first, a hundred a call."""
        parameters: dict[str, Any] = {"created": {"gte": since}}
        if customer is not None:
            parameters["customer"] = customer
        for invoice in self._pages(lambda page: self._v1.invoices.list(page), parameters):
            yield invoice_of(invoice)

    def create_draft(self, draft: StripeDraft, key: str) -> StripeInvoice:
        """Create an empty draft that Stripe will not finalise by itself."""
        parameters: dict[str, Any] = {
            "customer": draft.customer,
            "currency": draft.currency.lower(),
            "auto_advance": False,
            "collection_method": self.collection,
            "pending_invoice_items_behavior": "exclude",
            "metadata": dict(draft.metadata),
            "number": draft.number,
        }
        if draft.shown:
            parameters["custom_fields"] = [
                {"name": name, "value": value[:140]} for name, value in draft.shown.items()
            ]
        if draft.is_taxed_by_stripe:
            parameters["automatic_tax"] = {"enabled": True}
        if self.collection == "send_invoice":
            parameters["days_until_due"] = self.days_until_due
        if self.payment_methods:
            parameters["payment_settings"] = {"payment_method_types": self.payment_methods}
        created = self._call(lambda: self._v1.invoices.create(parameters, {"idempotency_key": key}))
        return invoice_of(created)

    def retrieve(self, stripe_invoice_id: str) -> StripeInvoice:
        """Return an invoice as it is now."""
        return invoice_of(self._call(lambda: self._v1.invoices.retrieve(stripe_invoice_id)))

    def list_line_ids(self, stripe_invoice_id: str) -> set[str]:
        """Return our own ids of the lines that an invoice has."""
        lines = self._pages(
            lambda page: self._v1.invoices.line_items.list(stripe_invoice_id, page), {}
        )
        return {text_map(line.metadata).get("invoice_line_id", str(line.id)) for line in lines}

    def add_lines(
        self,
        stripe_invoice_id: str,
        lines: Sequence[StripeLine],
        key: str,
        *,
        taxed_in: str | None = None,
    ) -> StripeInvoice:
        """Add lines to a draft, all or none, and return it with its new total.

        ``taxed_in`` is the currency of an invoice that Stripe Tax taxes: it wants to know what is
        sold, and takes no line below zero.
        """
        parameters: dict[str, Any] = {
            "lines": [
                {
                    **({"amount": line.amount} if taxed_in is None else self._sale(line, taxed_in)),
                    "description": line.description,
                    "period": {"start": line.period_start, "end": line.period_end},
                    "metadata": dict(line.metadata),
                }
                for line in lines
            ]
        }
        options: Any = {"idempotency_key": key}
        return invoice_of(
            self._call(
                lambda: self._v1.invoices.add_lines(
                    stripe_invoice_id,
                    parameters,
                    options,
                )
            )
        )

    def find_taxes(self, stripe_invoice_id: str, key: str) -> StripeInvoice:
        """Have Stripe Tax look at a draft once more, and return it."""
        options: Any = {"idempotency_key": key}
        return invoice_of(
            self._call(
                lambda: self._v1.invoices.update(
                    stripe_invoice_id, {"automatic_tax": {"enabled": True}}, options
                )
            )
        )

    def finalize(self, stripe_invoice_id: str, key: str) -> StripeInvoice:
        """Finalise a draft and leave its collection to Stripe."""
        options: Any = {"idempotency_key": key}
        return invoice_of(
            self._call(
                lambda: self._v1.invoices.finalize_invoice(
                    stripe_invoice_id, {"auto_advance": True}, options
                )
            )
        )

    def void(self, stripe_invoice_id: str, key: str) -> StripeInvoice:
        """Cancel a finalised invoice."""
        options: Any = {"idempotency_key": key}
        return invoice_of(
            self._call(lambda: self._v1.invoices.void_invoice(stripe_invoice_id, None, options))
        )

    def delete_draft(self, stripe_invoice_id: str) -> None:
        """Delete an invoice that was never finalised."""
        self._call(lambda: self._v1.invoices.delete(stripe_invoice_id))

    def _sale(self, line: StripeLine, currency: str) -> dict[str, Any]:
        product = {"name": line.product_name}
        if self.tax_code is not None:
            product["tax_code"] = self.tax_code
        return {
            "price_data": {
                "currency": currency.lower(),
                "unit_amount": line.amount,
                "tax_behavior": "exclusive",
                "product_data": product,
            }
        }

    @property
    def _v1(self) -> Any:
        if self._client is None:
            # Without a number of retries the client tries once, whatever the package's default.
            self._client = stripe.StripeClient(
                self.api_key,
                max_network_retries=self.network_retries,
                base_addresses={"api": self.api_base} if self.api_base else None,
            )
        return self._client.v1

    def _pages(
        self, request: Callable[[dict[str, Any]], Any], parameters: Mapping[str, Any]
    ) -> Iterator[Any]:
        page = {**parameters, "limit": PAGE}
        while True:
            found = self._call(lambda page=dict(page): request(page))  # type: ignore[misc]
            yield from found.data
            if not found.has_more:
                return
            page["starting_after"] = found.data[-1].id

    def _call(self, request: Callable[[], Answer]) -> Answer:
        """Make a call within the rate; what Stripe limits is asked again after a pause."""
        for attempt in range(ATTEMPTS_WHEN_LIMITED):
            self._keep_the_rate()
            try:
                return request()
            except stripe.RateLimitError as error:
                # The package itself never repeats a plain 429.
                if attempt + 1 == ATTEMPTS_WHEN_LIMITED:
                    raise StripeUnavailable(
                        "Stripe keeps answering that there are too many requests",
                        is_outcome_known=False,
                        http_status=429,
                        request_id=error.request_id,
                    ) from None
                self._sleep(wait_after(error, attempt))
            except stripe.StripeError as error:
                raise translated(error) from None
        raise AssertionError("the last attempt returns or raises")

    def _keep_the_rate(self) -> None:
        if self.api_base is not None:
            return
        with self._lock:
            now = time.monotonic()
            at = max(now, self._next_call_at)
            self._next_call_at = at + 1 / CALLS_PER_SECOND
        if at > now:
            self._sleep(at - now)
