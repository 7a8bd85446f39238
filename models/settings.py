"""What ``meterhouse.yml`` says: the company, the warehouse, sources, billing and Stripe.

Secrets are ``SecretStr``: they print as stars, and never stand in a message.
"""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, model_validator

from models.entries import Entry
from models.fields import Country, Currency, Day, Duration, Identifier, Timezone, Words, refusal
from models.setting_fields import (
    EventValue,
    ExternalId,
    FieldPath,
    HttpUrl,
    PostgresUrl,
    Prefix,
    RoleArn,
    Secret,
    SecretHttpUrl,
    WarehouseUrl,
)

FieldName = Literal["id", "timestamp", "tenant_id", "dimension_id", "value", "metadata", "corrects"]
FileFormat = Literal["jsonl", "csv", "parquet"]
Measures = Literal["usage", "cost"]

EXTERNAL_ID_REASON = (
    "role_arn needs an external_id: without one, anybody who knows the role's name "
    "could have us read it for them"
)


Fields = dict[FieldName, FieldPath]


class Company(Entry):
    """Who sends the invoices."""

    name: Words = ""
    legal_name: Words | None = None
    address: Words | None = None
    country: Country | None = None
    tax_id: Words | None = None
    email: Words | None = None
    logo: Words | None = None


class WarehouseSettings(Entry):
    """Where the data lives: a database of our own, or a server that is already there."""

    url: WarehouseUrl = SecretStr("embedded")
    # None: landed records are kept for ever.
    keep_landing_days: Annotated[int, Field(ge=1)] | None = None

    @property
    def is_embedded(self) -> bool:
        """Whether we run the database ourselves."""
        return self.url.get_secret_value() == "embedded"


class Source(Entry):
    """What every source has."""

    name: Identifier


class UsageSource(Source):
    """A source of usage records; ``fields`` maps its own names onto the record's."""

    fields: Fields = Field(default_factory=dict)
    timezone: Timezone = "UTC"

    @property
    def measures(self) -> Measures:
        """What this source brings."""
        return "usage"

    @property
    def needs_ids(self) -> bool:
        """Whether a row without an id is refused, and not known by what it says and its place."""
        return False

    @model_validator(mode="after")
    def _only_metadata_is_a_mapping(self) -> Self:
        for name, path in self.fields.items():
            if isinstance(path, dict) and "const" not in path and name != "metadata":
                raise refusal(f"fields.{name}: only metadata is mapped from several columns")
        return self


class AwsAccess(Entry):
    """How to reach AWS, or what speaks like it."""

    region: Words | None = None
    endpoint_url: HttpUrl | None = None
    role_arn: RoleArn | None = None
    external_id: ExternalId | None = None

    @model_validator(mode="after")
    def _a_role_needs_an_external_id(self) -> Self:
        if self.role_arn and not self.external_id:
            raise refusal(EXTERNAL_ID_REASON)
        if self.external_id and not self.role_arn:
            raise refusal("external_id is of no use without role_arn")
        return self


class S3Source(UsageSource, AwsAccess):
    """Usage files in a bucket."""

    type: Literal["s3"]
    bucket: Words
    prefix: Prefix = ""
    format: FileFormat | None = None


class FileSource(UsageSource):
    """Usage files on this machine; ``path`` may hold wildcards."""

    type: Literal["file"]
    path: Words
    format: FileFormat | None = None


class PostgresSource(UsageSource):
    """Usage records in a table or query of the product's own database."""

    type: Literal["postgres"]
    url: PostgresUrl
    table: Words | None = None
    query: Words | None = None
    cursor: Words
    key: Words | None = None
    # Transactions that commit late carry an older cursor value than rows already pulled.
    overlap: Duration = timedelta(minutes=15)
    # What becomes of a row that has changed since it landed.
    on_change: Literal["refuse", "correct"] = "refuse"

    @property
    def needs_ids(self) -> bool:
        """Yes: rows come again, changed, and beside others than before."""
        return True

    @model_validator(mode="after")
    def _a_table_or_a_query(self) -> Self:
        if bool(self.table) == bool(self.query):
            raise refusal("expected either table or query")
        return self

    @model_validator(mode="after")
    def _its_rows_are_known_again(self) -> Self:
        # The overlap brings rows again, and rows without an id are told apart by their order alone.
        if self.key is None and "id" not in self.fields:
            raise refusal("needs key, or fields.id: the column by which a row is known again")
        return self

    @model_validator(mode="after")
    def _corrections_are_ours_or_theirs(self) -> Self:
        if self.on_change == "refuse":
            return self
        if not self.key or not self.table:
            raise refusal("on_change: correct needs a table, and its key")
        if taken := self.fields.keys() & {"id", "corrects"}:
            raise refusal(f"on_change: correct excludes fields.{min(taken)}: it sets both")
        return self


class MixpanelEvent(Entry):
    """How an event becomes usage: its dimension, and its value or the property that has it."""

    dimension_id: Identifier
    value: EventValue = Field(default_factory=lambda: {"const": "1"})


class MixpanelSource(UsageSource):
    """Events of a Mixpanel project."""

    type: Literal["mixpanel"]
    project_id: Words
    region: Literal["us", "eu", "in"] = "us"
    username: Words
    secret: Secret
    project_timezone: Timezone = "UTC"
    lookback_days: Annotated[int, Field(ge=0, le=365)] = 5
    start_date: Day | None = None
    events: Annotated[dict[str, MixpanelEvent], Field(min_length=1)]
    api_base: HttpUrl | None = None


class CostSource(Source):
    """A source of cost lines."""

    @property
    def measures(self) -> Measures:
        """What this source brings."""
        return "cost"


class CostExplorerSource(CostSource, AwsAccess):
    """The AWS bill by day, from Cost Explorer, where every request costs a cent."""

    type: Literal["aws_cost_explorer"]
    tenant_tag: Words | None = None
    group_by: Words = "SERVICE"
    metric: Literal[
        "UnblendedCost", "AmortizedCost", "BlendedCost", "NetAmortizedCost", "NetUnblendedCost"
    ] = "UnblendedCost"
    start: Day | None = None
    # The bill of a month settles until about the fifteenth of the next.
    lookback_days: Annotated[int, Field(ge=1, le=395)] = 46
    max_requests_per_run: Annotated[int, Field(ge=1)] = 50


class FocusSource(CostSource, AwsAccess):
    """A bill exported in FOCUS columns, in a bucket or in files."""

    type: Literal["focus"]
    bucket: Words | None = None
    prefix: Prefix = ""
    path: Words | None = None
    format: Literal["csv", "parquet"] | None = None
    # None: where manifests lie beside the files, they say which files are complete.
    manifest: bool | None = None

    @model_validator(mode="after")
    def _a_bucket_or_a_path(self) -> Self:
        if bool(self.bucket) == bool(self.path):
            raise refusal("expected either bucket or path")
        return self


AnySource = Annotated[
    S3Source | FileSource | PostgresSource | MixpanelSource | CostExplorerSource | FocusSource,
    Field(discriminator="type"),
]


class BillingSettings(Entry):
    """When invoices are finalised, who approves them, and how they are collected."""

    grace: Duration = timedelta(days=1)
    approval: Literal["manual", "auto"] = "manual"
    late_usage: Literal["adjust", "ignore"] = "adjust"
    collection: Literal["charge_automatically", "send_invoice"] = "charge_automatically"
    days_until_due: Annotated[int, Field(ge=0, le=365)] = 30


class StripeSettings(Entry):
    """The Stripe account that collects the invoices."""

    api_key: Secret
    api_base: HttpUrl | None = None
    payment_methods: tuple[Words, ...] = ("card",)
    # Stripe Tax finds the taxes of customers who do not name theirs; then we charge none.
    automatic_tax: bool = False
    tax_code: Words | None = None


class AlertSettings(Entry):
    """Whom to tell when a run fails."""

    webhook: SecretHttpUrl | None = None


class Settings(Entry):
    """All of ``meterhouse.yml``."""

    company: Company = Company()
    currency: Currency = "USD"
    timezone: Timezone = "UTC"
    warehouse: WarehouseSettings = WarehouseSettings()
    sources: tuple[AnySource, ...] = ()
    billing: BillingSettings = BillingSettings()
    stripe: StripeSettings | None = None
    alerts: AlertSettings = AlertSettings()
