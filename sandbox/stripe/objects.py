"""New objects as Stripe would answer with them."""

from typing import Any

from sandbox.stripe.routes import new_id

Body = dict[str, Any]

ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")
INVOICE_NULLS = (
    "account_tax_ids", "amount_paid_off_stripe", "application", "automatically_finalizes_at",
    "custom_fields", "customer_account", "customer_phone", "customer_shipping",
    "default_payment_method", "default_source", "description", "due_date", "effective_at",
    "ending_balance", "footer", "from_invoice", "hosted_invoice_url", "invoice_pdf",
    "last_finalization_error", "latest_revision", "next_payment_attempt", "number",
    "on_behalf_of", "parent", "receipt_number", "rendering", "shipping_cost", "shipping_details",
    "statement_descriptor", "test_clock", "webhooks_delivered_at",
)  # fmt: skip


def customer(parameters: Body, now: int) -> Body:
    """Return a new customer."""
    return {
        "id": new_id("cus"),
        "object": "customer",
        "address": address(parameters.get("address")),
        "balance": parameters.get("balance", 0),
        "created": now,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": parameters.get("description"),
        "discount": None,
        "email": parameters.get("email"),
        "invoice_prefix": new_id("")[1:9].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": False,
        "metadata": parameters.get("metadata") or {},
        "name": parameters.get("name"),
        "next_invoice_sequence": 1,
        "phone": parameters.get("phone"),
        "preferred_locales": parameters.get("preferred_locales", []),
        "shipping": None,
        "tax_exempt": parameters.get("tax_exempt") or "none",
        "test_clock": None,
    }


def address(parameters: Body | str | None) -> Body | None:
    """Return an address with all its parts, or nothing."""
    if not isinstance(parameters, dict):
        return None
    return {part: parameters.get(part) for part in ADDRESS}


def tax_id(parameters: Body, customer_id: str, now: int) -> Body:
    """Return a new tax id of a customer."""
    return {
        "id": new_id("txi"),
        "object": "tax_id",
        "country": parameters["value"][:2],
        "created": now,
        "customer": customer_id,
        "customer_account": None,
        "livemode": False,
        "owner": {"type": "customer", "customer": customer_id},
        "type": parameters["type"],
        "value": parameters["value"],
        "verification": {"status": "pending", "verified_address": None, "verified_name": None},
    }


def invoice(parameters: Body, of: Body, tax_ids: list[Body], now: int) -> Body:
    """Return a new draft for a customer, without its lines."""
    return {
        **dict.fromkeys(INVOICE_NULLS),
        "id": new_id("in"),
        "object": "invoice",
        "account_country": "US",
        "account_name": "Meterhouse sandbox",
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": parameters.get("auto_advance", False),
        "automatic_tax": {
            "enabled": False,
            "disabled_reason": None,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": "manual",
        "collection_method": parameters.get("collection_method", "charge_automatically"),
        "created": now,
        "currency": str(parameters.get("currency") or of["currency"] or "usd").lower(),
        "customer": of["id"],
        "customer_address": of["address"],
        "customer_email": of["email"],
        "customer_name": of["name"],
        "customer_tax_exempt": of["tax_exempt"],
        "customer_tax_ids": [{"type": item["type"], "value": item["value"]} for item in tax_ids],
        "default_tax_rates": [],
        "discounts": [],
        "issuer": {"type": "self"},
        "livemode": False,
        "metadata": parameters.get("metadata") or {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": now,
        "period_start": now,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "starting_balance": 0,
        "status": "draft",
        "status_details": None,
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
    }


def line_item(parameters: Body, of: Body, amount: int, taxes: list[Body], now: int) -> Body:
    """Return a new line of an invoice."""
    unit_amount = (parameters.get("price_data") or {}).get("unit_amount_decimal")
    quantity = parameters.get("quantity", 1)
    return {
        "id": new_id("il"),
        "object": "line_item",
        "amount": amount,
        "currency": of["currency"],
        "description": parameters.get("description"),
        "discount_amounts": [],
        "discountable": parameters.get("discountable", amount >= 0),
        "discounts": [],
        "invoice": of["id"],
        "livemode": False,
        "metadata": parameters.get("metadata") or {},
        "parent": {
            "type": "invoice_item_details",
            "invoice_item_details": {
                "invoice_item": new_id("ii"),
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
        },
        "period": parameters.get("period", {"start": now, "end": now}),
        "pretax_credit_amounts": [],
        "pricing": {
            "type": "price_details",
            "price_details": None,
            "unit_amount_decimal": unit_amount or str(amount),
        },
        "quantity": quantity,
        "quantity_decimal": parameters.get("quantity_decimal", str(quantity)),
        "subscription": None,
        "subtotal": amount,
        "taxes": taxes,
    }


def invoice_payment(of: Body, now: int) -> Body:
    """Return the payment that an invoice with an amount due waits for."""
    return {
        "id": new_id("inpay"),
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": of["amount_due"],
        "created": now,
        "currency": of["currency"],
        "invoice": of["id"],
        "is_default": True,
        "livemode": False,
        "payment": {"type": "payment_intent", "payment_intent": new_id("pi")},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def tax_rate(parameters: Body, now: int) -> Body:
    """Return a new tax rate."""
    optional = ("country", "description", "jurisdiction", "state", "tax_type")
    return {
        "id": new_id("txr"),
        "object": "tax_rate",
        "active": parameters.get("active", True),
        "created": now,
        "display_name": parameters["display_name"],
        "effective_percentage": None,
        "flat_amount": None,
        "inclusive": parameters["inclusive"],
        "jurisdiction_level": None,
        "livemode": False,
        "metadata": parameters.get("metadata") or {},
        "percentage": parameters["percentage"],
        "rate_type": "percentage",
        **{name: parameters.get(name) for name in optional},
    }


def event(kind: str, subject: Body, *, now: int, api_version: str, key: str | None) -> Body:
    """Return the record that something happened to an object, with the object as it then was."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": api_version,
        "created": now,
        "data": {"object": subject},
        "livemode": False,
        "pending_webhooks": 0,
        "request": {"id": new_id("req"), "idempotency_key": key},
        "type": kind,
    }
