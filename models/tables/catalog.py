"""Schema ``catalog``: every accepted version of the catalog, one table per kind of entry.

Every row carries ``catalog_version``; rows are only added, so an old version can be rated again.
Dates are local to the customer and half-open: ``valid_from <= day < valid_to``.
"""

from sqlalchemy import BigInteger, Boolean, Column, Date, Integer, Numeric, Table
from sqlalchemy.dialects.postgresql import JSONB

from models.tables.common import AMOUNT, QUANTITY, instant, schema, words

metadata = schema("catalog")

RATE = Numeric(38, 12)
# What is not said is null to SQL as well, not the null of JSON.
JSON = JSONB(none_as_null=True)


def version() -> Column:
    """Return the column every table starts with."""
    return words("catalog_version", key=True)


versions = Table(
    "versions",
    metadata,
    Column("version_number", BigInteger, unique=True, nullable=False),
    version(),
    instant("accepted_at"),
    Column("content", JSONB, nullable=False),
    comment="One row per accepted state of the catalog; the version is a hash of its content.",
)

acceptances = Table(
    "acceptances",
    metadata,
    Column("acceptance_number", BigInteger, primary_key=True),
    words("catalog_version"),
    instant("accepted_at"),
    comment="One row per time the catalog came to a state, which may be one of earlier again.",
)

dimensions = Table(
    "dimensions",
    metadata,
    version(),
    words("dimension_id", key=True),
    words("name"),
    words("unit"),
    words("aggregation"),
    words("distinct_on", nullable=True),
    Column("convert_multiply", RATE, nullable=False),
    Column("convert_divide", RATE, nullable=False),
    Column("rounding_decimals", Integer, nullable=False),
    words("rounding_mode"),
    Column("carry_over", Boolean, nullable=False),
    Column("has_deltas", Boolean, nullable=False),
    Column("percentile", Numeric(9, 6)),
    comment="One row per billable quantity. Without rounding: 9 decimals, half_up.",
)

plans = Table(
    "plans",
    metadata,
    version(),
    words("plan_id", key=True),
    words("name"),
    words("currency"),
    Column("minor_units", Integer, nullable=False),
    words("interval"),
    comment="One row per plan; minor_units is the number of decimals of its currency.",
)

charges = Table(
    "charges",
    metadata,
    version(),
    words("plan_id", key=True),
    words("charge_id", key=True),
    Column("position", Integer, nullable=False),
    words("name"),
    words("dimension_id", nullable=True),
    Column("included_quantity", QUANTITY, nullable=False),
    words("price_id"),
    Column("usage_filter", JSON),
    Column("group_by", JSON),
    words("bucket_every", nullable=True),
    words("bucket_then", nullable=True),
    Column("minimum_amount", RATE),
    Column("maximum_amount", RATE),
    words("tiers_span"),
    comment="One row per charge of a plan; a charge without a dimension is a fee.",
)

prices = Table(
    "prices",
    metadata,
    version(),
    words("price_id", key=True),
    words("model"),
    Column("package_size", QUANTITY),
    words("package_rounding", nullable=True),
    Column("flat_amount", RATE),
    words("timing", nullable=True),
    Column("is_prorated", Boolean),
    Column("has_removal_credit", Boolean),
    Column("fixed_amount", RATE),
    Column("free_records", BigInteger),
    Column("free_amount", RATE),
    Column("record_minimum", RATE),
    Column("record_maximum", RATE),
    comment=(
        "One row per price: of a charge, or of a contract's override. Tiers or rates beside it; "
        "what is said of records is of percentage prices only."
    ),
)

price_tiers = Table(
    "price_tiers",
    metadata,
    version(),
    words("price_id", key=True),
    Column("tier_number", Integer, primary_key=True),
    Column("from_quantity", QUANTITY, nullable=False),
    Column("up_to", QUANTITY),
    Column("unit_amount", RATE, nullable=False),
    Column("flat_amount", RATE, nullable=False),
    comment=(
        "One row per tier (from_quantity, up_to]; prices without tiers of their own have one open "
        "tier, whose unit_amount is per unit, package or credit, or the percent as a fraction. A "
        "matrix has rates instead, and a fee neither."
    ),
)

price_rates = Table(
    "price_rates",
    metadata,
    version(),
    words("price_id", key=True),
    Column("rate_number", Integer, primary_key=True),
    Column("match", JSON, nullable=False),
    Column("rate", RATE, nullable=False),
    comment=(
        "One row per rate of a matrix (amount of a unit) or of credits (credits a unit takes). "
        "The first whose match the usage's metadata meets holds; the last one matches everything."
    ),
)

price_limits = Table(
    "price_limits",
    metadata,
    version(),
    words("price_id", key=True),
    Column("tier_number", Integer, primary_key=True),
    words("dimension_id", key=True),
    Column("up_to", QUANTITY, nullable=False),
    comment="One row per dimension that a tier of a capacity limits: it holds as much, inclusive.",
)

dimension_keys = Table(
    "dimension_keys",
    metadata,
    version(),
    words("dimension_id", key=True),
    words("metadata_key", key=True),
    comment="One row per key of the records' metadata by which a charge tells usage apart.",
)

customers = Table(
    "customers",
    metadata,
    version(),
    words("customer_id", key=True),
    words("parent_id", nullable=True),
    words("billed_customer_id"),
    Column("has_consolidated_invoices", Boolean, nullable=False, server_default="false"),
    words("name"),
    words("stripe_customer", nullable=True),
    words("email", nullable=True),
    words("country", nullable=True),
    words("tax_id", nullable=True),
    words("tax_exempt"),
    words("currency"),
    Column("minor_units", Integer, nullable=False),
    words("timezone"),
    Column("is_taxed_by_stripe", Boolean, nullable=False, server_default="false"),
    comment="One row per customer.",
)

tax_rates = Table(
    "tax_rates",
    metadata,
    version(),
    words("tax_id", key=True),
    Column("rate_number", Integer, primary_key=True),
    words("name"),
    Column("percent", Numeric(9, 6), nullable=False),
    Column("valid_from", Date),
    Column("valid_to", Date),
    words("country", nullable=True),
    Column("is_inclusive", Boolean, nullable=False),
    words("scope"),
    comment=(
        "One row per rate of a tax; scope says what it is on: all, only the charges it names, or "
        "all except those."
    ),
)

tax_rate_charges = Table(
    "tax_rate_charges",
    metadata,
    version(),
    words("tax_id", key=True),
    Column("rate_number", Integer, primary_key=True),
    words("charge_id", key=True),
    comment="One row per charge that a rate of a tax names.",
)

customer_taxes = Table(
    "customer_taxes",
    metadata,
    version(),
    words("customer_id", key=True),
    words("tax_id", key=True),
    Column("position", Integer, nullable=False),
    comment="One row per tax of a customer: its own, or those of its country.",
)

tenants = Table(
    "tenants",
    metadata,
    version(),
    words("tenant_id", key=True),
    words("customer_id"),
    words("contract_customer_id"),
    comment="One row per tenant, the customer who owns it, and the one whose contracts rate it.",
)

contracts = Table(
    "contracts",
    metadata,
    version(),
    words("contract_id", key=True),
    words("customer_id"),
    words("plan_id"),
    Column("start_date", Date, nullable=False),
    Column("end_date", Date),
    Column("anchor_day", Integer, nullable=False),
    Column("billing_start_date", Date, nullable=False),
    Column("minimum_amount", AMOUNT),
    Column("has_opening_invoice", Boolean, nullable=False),
    comment="One row per contract; billing starts when the trial, if any, has ended.",
)

contract_overrides = Table(
    "contract_overrides",
    metadata,
    version(),
    words("contract_id", key=True),
    words("charge_id", key=True),
    Column("valid_from", Date, primary_key=True),
    Column("valid_to", Date),
    words("price_id"),
    comment="One row per price that replaces a charge's own on a contract, for a time.",
)

contract_cuts = Table(
    "contract_cuts",
    metadata,
    version(),
    words("contract_id", key=True),
    Column("cut_on", Date, primary_key=True),
    comment="One row per day on which a billing period is cut, for an interim invoice.",
)

contract_trial_units = Table(
    "contract_trial_units",
    metadata,
    version(),
    words("contract_id", key=True),
    words("charge_id", key=True),
    Column("quantity", QUANTITY, nullable=False),
    Column("expires_on", Date),
    comment=(
        "One row per charge of which a contract's first units are not billed, in the periods that "
        "begin before expires_on."
    ),
)

contract_discounts = Table(
    "contract_discounts",
    metadata,
    version(),
    words("contract_id", key=True),
    Column("discount_number", Integer, primary_key=True),
    words("charge_id", key=True),
    words("discount_id"),
    Column("percent", Numeric(9, 6)),
    Column("amount", AMOUNT),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date),
    Column("max_periods", Integer),
    comment=(
        "One row per discount and charge it applies to; numbered in the order they apply, known by "
        "discount_id in every version. It takes percent off, or an amount off all its charges "
        "together in each of at most max_periods."
    ),
)

contract_commitments = Table(
    "contract_commitments",
    metadata,
    version(),
    words("contract_id", key=True),
    Column("commitment_number", Integer, primary_key=True),
    Column("amount", AMOUNT, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("valid_to", Date, nullable=False),
    Column("overage_factor", RATE, nullable=False),
    Column("is_prepaid", Boolean, nullable=False),
    Column("prepayment_discount", Numeric(9, 6)),
    comment=(
        "One row per term over which a contract commits to an amount; terms do not overlap. It is "
        "trued up at the end of the term, or paid before by commitment_instalments."
    ),
)

commitment_instalments = Table(
    "commitment_instalments",
    metadata,
    version(),
    words("contract_id", key=True),
    Column("commitment_number", Integer, primary_key=True),
    Column("instalment_number", Integer, primary_key=True),
    Column("due_on", Date, nullable=False),
    Column("covered_until", Date, nullable=False),
    Column("amount", AMOUNT, nullable=False),
    comment="One row per instalment of a commitment; due on the first day of a billing period.",
)

credit_grants = Table(
    "credit_grants",
    metadata,
    version(),
    words("contract_id", key=True),
    words("credit_id", key=True),
    Column("amount", AMOUNT, nullable=False),
    Column("valid_from", Date, nullable=False),
    Column("expires_on", Date),
    Column("every_periods", Integer),
    Column("rollover_amount", AMOUNT, nullable=False),
    Column("rollover_periods", Integer, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("is_paid", Boolean, nullable=False),
    Column("is_limited", Boolean, nullable=False),
    comment=(
        "One row per prepaid or promotional credit, granted once or with every so many periods; "
        "the lowest priority number is spent first. One that is limited pays the charges of "
        "credit_charges alone."
    ),
)

credit_charges = Table(
    "credit_charges",
    metadata,
    version(),
    words("contract_id", key=True),
    words("credit_id", key=True),
    words("charge_id", key=True),
    comment="One row per charge that a limited credit or wallet pays.",
)

wallets = Table(
    "wallets",
    metadata,
    version(),
    words("contract_id", key=True),
    words("wallet_id", key=True),
    Column("priority", Integer, nullable=False),
    Column("valid_days", Integer),
    Column("is_limited", Boolean, nullable=False),
    Column("automatic_below", AMOUNT),
    Column("automatic_amount", AMOUNT),
    comment=(
        "One row per wallet of a contract. One that tops itself up buys automatic_amount when less "
        "than automatic_below is left."
    ),
)

wallet_top_ups = Table(
    "wallet_top_ups",
    metadata,
    version(),
    words("contract_id", key=True),
    words("wallet_id", key=True),
    Column("due_on", Date, primary_key=True),
    Column("amount", AMOUNT, nullable=False),
    comment="One row per day on which credit is bought.",
)

manual_invoices = Table(
    "manual_invoices",
    metadata,
    version(),
    words("customer_id", key=True),
    words("manual_invoice_id", key=True),
    Column("issued_on", Date, nullable=False),
    words("content_hash"),
    comment="One row per invoice that the catalog writes line by line.",
)

manual_lines = Table(
    "manual_lines",
    metadata,
    version(),
    words("customer_id", key=True),
    words("manual_invoice_id", key=True),
    Column("line_number", Integer, primary_key=True),
    words("description"),
    Column("period_start", Date, nullable=False),
    Column("period_end", Date, nullable=False),
    Column("amount", AMOUNT),
    Column("quantity", QUANTITY),
    Column("unit_amount", RATE),
    Column("has_own_taxes", Boolean, nullable=False),
    comment=(
        "One row per line of a manual invoice: an amount, or a quantity and the amount of a unit. "
        "One that has its own taxes has those of manual_line_taxes, and not the customer's."
    ),
)

manual_line_taxes = Table(
    "manual_line_taxes",
    metadata,
    version(),
    words("customer_id", key=True),
    words("manual_invoice_id", key=True),
    Column("line_number", Integer, primary_key=True),
    words("tax_id", key=True),
    Column("position", Integer, nullable=False),
    comment="One row per tax that a line of a manual invoice names.",
)

currency_rates = Table(
    "currency_rates",
    metadata,
    version(),
    words("currency", key=True),
    Column("valid_from", Date, primary_key=True),
    Column("rate", Numeric(18, 9), nullable=False),
    words("reporting_currency"),
    comment=(
        "One row per rate: what a unit of the currency is worth in the company's, from a day on. "
        "The company's own currency has one row, with the rate 1."
    ),
)

cost_rules = Table(
    "cost_rules",
    metadata,
    version(),
    words("rule_id", key=True),
    Column("position", Integer, nullable=False),
    words("source", nullable=True),
    words("service_name", nullable=True),
    words("charge_category", nullable=True),
    words("tag_key", nullable=True),
    words("tag_value", nullable=True),
    words("method"),
    words("tenant_tag", nullable=True),
    words("dimension_id", nullable=True),
    words("cost_kind"),
    comment="One row per allocation rule; the first whose conditions all hold decides.",
)

cost_rule_weights = Table(
    "cost_rule_weights",
    metadata,
    version(),
    words("rule_id", key=True),
    words("tenant_id", key=True),
    Column("weight", RATE, nullable=False),
    comment="One row per tenant of a rule with the method fixed.",
)
