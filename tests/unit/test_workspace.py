from datetime import date, timedelta
from pathlib import Path

import pytest

from models.problems import ConfigurationError
from models.settings import (
    CostExplorerSource,
    FileSource,
    FocusSource,
    MixpanelSource,
    PostgresSource,
    S3Source,
)
from models.workspace import Workspace, load_workspace

FULL = """
company: {name: Northwind Data, legal_name: Northwind Data Inc, country: NO, email: a@b.example}
currency: EUR
timezone: Europe/Berlin
warehouse: {url: ${WAREHOUSE_URL}}
sources:
  - {name: gateway, type: s3, bucket: usage, prefix: v1/, format: jsonl, region: eu-west-1,
     role_arn: "arn:aws:iam::123456789012:role/reader", external_id: mh-4711,
     fields: {tenant_id: data.account, dimension_id: {const: calls}, metadata: {zone: az}}}
  - {name: logs, type: file, path: usage/*.jsonl.gz}
  - {name: app_db, type: postgres, url: ${APP_DB_URL}, table: usage_events, cursor: updated_at,
     key: id, overlap: 1h30m}
  - {name: product, type: mixpanel, project_id: 12345, region: eu, username: sa, secret: ${SECRET},
     project_timezone: America/New_York, start_date: 2026-01-01,
     events: {Report Exported: {dimension_id: exports, value: 1},
              Query Run: {dimension_id: queries, value: properties.seconds}}}
  - {name: aws_bill, type: aws_cost_explorer, tenant_tag: tenant, max_requests_per_run: 10}
  - {name: focus_bill, type: focus, path: bills/}
billing: {grace: 2d, approval: auto, late_usage: ignore, collection: send_invoice,
          days_until_due: 14}
stripe: {api_key: ${STRIPE_API_KEY}, payment_methods: [card, us_bank_account]}
alerts: {webhook: "https://hooks.example/abc"}
"""
ENVIRONMENT = {
    "WAREHOUSE_URL": "postgresql://owner:warehouse-secret@db/meter",
    "APP_DB_URL": "postgresql://reader:app-secret@db/app",
    "SECRET": "mixpanel-secret",
    "STRIPE_API_KEY": "sk_live_secret",
}


def load(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> Workspace:
    (tmp_path / "meterhouse.yml").write_text(text)
    return load_workspace(tmp_path, environment or {})


def problems_of(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(tmp_path, text, environment)
    return [str(problem) for problem in caught.value.problems]


def test_every_setting_of_the_reference_is_read(tmp_path: Path) -> None:
    workspace = load(tmp_path, FULL, ENVIRONMENT)
    settings = workspace.settings
    s3, files, app_db, product, bill, focus = settings.sources
    assert isinstance(s3, S3Source)
    assert s3.fields == {
        "tenant_id": "data.account",
        "dimension_id": {"const": "calls"},
        "metadata": {"zone": "az"},
    }
    assert isinstance(files, FileSource)
    assert files.format is None
    assert isinstance(app_db, PostgresSource)
    assert app_db.overlap == timedelta(hours=1, minutes=30)
    assert app_db.url.get_secret_value() == ENVIRONMENT["APP_DB_URL"]
    assert isinstance(product, MixpanelSource)
    assert product.project_id == "12345"
    assert product.start_date == date(2026, 1, 1)
    assert product.events["Report Exported"].value == {"const": "1"}
    assert product.events["Query Run"].value == "properties.seconds"
    assert isinstance(bill, CostExplorerSource)
    assert bill.group_by == "SERVICE"
    assert isinstance(focus, FocusSource)
    assert [source.measures for source in settings.sources] == ["usage"] * 4 + ["cost"] * 2
    assert settings.company.country == "NO"
    assert settings.billing.grace == timedelta(days=2)
    assert settings.stripe is not None
    assert settings.stripe.api_key.get_secret_value() == "sk_live_secret"
    assert not settings.warehouse.is_embedded
    assert workspace.state_directory == tmp_path / ".meterhouse"
    assert workspace.catalog_directory == tmp_path / "catalog"


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "sources:\n"])
def test_silence_means_the_defaults(tmp_path: Path, text: str) -> None:
    settings = load(tmp_path, text).settings
    assert settings.currency == "USD"
    assert settings.timezone == "UTC"
    assert settings.warehouse.is_embedded
    assert settings.sources == ()
    assert settings.stripe is None
    assert settings.billing.grace == timedelta(days=1)
    assert settings.billing.approval == "manual"


def test_no_secret_is_ever_printed(tmp_path: Path) -> None:
    shown = repr(load(tmp_path, FULL, ENVIRONMENT))
    for secret in ENVIRONMENT.values():
        assert secret not in shown
    assert "secret@" not in shown


def test_no_secret_stands_in_a_message(tmp_path: Path) -> None:
    text = """
currency: ${SECRET}
timezone: ${SECRET}
warehouse: {url: ${SECRET}}
company: {country: ${SECRET}}
sources:
  - {name: ${SECRET}, type: ${SECRET}}
  - {name: a, type: file, path: x, format: ${SECRET}, timezone: ${SECRET}}
  - {name: b, type: mixpanel, project_id: 1, username: a, secret: ${SECRET}, api_base: ${SECRET},
     lookback_days: ${SECRET}, region: ${SECRET}, start_date: ${SECRET},
     events: {a: {dimension_id: ${SECRET}}}}
  - {name: c, type: aws_cost_explorer, role_arn: ${SECRET}, external_id: ${SECRET}}
billing: {grace: ${SECRET}, approval: ${SECRET}, days_until_due: ${SECRET}}
stripe: ${SECRET}
alerts: {webhook: ${SECRET}}
"""
    problems = problems_of(tmp_path, text, {"SECRET": "top secret!"})
    assert len(problems) >= 15
    assert "top secret!" not in "\n".join(problems)


def test_all_problems_are_told_at_once_with_file_line_and_path(tmp_path: Path) -> None:
    text = """\
company: {name: X, contry: US}
currency: EURO
timezone: Europe/Berln
sources:
  - {name: a, type: s3, prefix: x, role_arn: "arn:aws:iam::123456789012:role/r", bucket: b}
  - {name: b, type: postgres, url: ${APP_DB_URL}, table: t, cursor: c, overlp: 3m}
  - {name: c, type: postgres, url: mysql://h/d, cursor: c, overlap: 3}
  - {name: d, type: mixpanle}
  - {name: d, type: focus}
  - {type: file, path: x, fields: {tenant: a}}
  - text
billing: {approval: manul, grace: 1.5, late_usage: next_invoice}
source: []
"""
    assert problems_of(tmp_path, text) == [
        "meterhouse.yml:1: company.contry: contry is not a known key; did you mean country?",
        'meterhouse.yml:2: currency: "EURO" is not a currency of ISO 4217; did you mean EUR?',
        'meterhouse.yml:3: timezone: "Europe/Berln" is not a time zone; '
        "did you mean Europe/Berlin?",
        "meterhouse.yml:5: sources[0]: role_arn needs an external_id: without one, anybody who "
        "knows the role's name could have us read it for them",
        "meterhouse.yml:6: sources[1].url: the variable APP_DB_URL is not set or empty; "
        f"add APP_DB_URL=... to {tmp_path / '.env'}, or set it in the environment",
        "meterhouse.yml:6: sources[1].overlp: overlp is not a known key; did you mean overlap?",
        "meterhouse.yml:7: sources[2].url: is not an address of PostgreSQL: "
        "postgresql://user:password@host/database",
        "meterhouse.yml:7: sources[2].overlap: 3 is not a length of time; "
        "write it as 1d, 12h or 15m",
        "meterhouse.yml:8: sources[3].type: expected s3, file, postgres, mixpanel, "
        'aws_cost_explorer or focus, not "mixpanle"; did you mean mixpanel?',
        "meterhouse.yml:9: sources[4]: expected either bucket or path",
        "meterhouse.yml:10: sources[5].name: is missing",
        "meterhouse.yml:10: sources[5].fields.tenant: expected id, timestamp, tenant_id, "
        'dimension_id, value, metadata or corrects, not "tenant"; did you mean tenant_id?',
        'meterhouse.yml:11: sources[6]: expected a mapping (key: value), not "text"',
        "meterhouse.yml:12: billing.grace: 1.5 is a YAML float, which is not exact; "
        'write "1.5" with quotes',
        'meterhouse.yml:12: billing.approval: expected manual or auto, not "manul"; '
        "did you mean manual?",
        'meterhouse.yml:12: billing.late_usage: expected adjust or ignore, not "next_invoice"',
        "meterhouse.yml:13: source: source is not a known key; did you mean sources?",
    ]


def test_a_prefix_may_be_empty(tmp_path: Path) -> None:
    text = 'sources: [{name: a, type: s3, bucket: b, prefix: "${PREFIX:-}"}]'
    [source] = load(tmp_path, text).settings.sources
    assert isinstance(source, S3Source)
    assert source.prefix == ""


def test_two_sources_may_not_share_a_name(tmp_path: Path) -> None:
    text = "sources:\n  - {name: a, type: file, path: x}\n  - {name: a, type: file, path: y}\n"
    assert problems_of(tmp_path, text) == [
        "meterhouse.yml:3: sources[1].name: the name a is already taken in meterhouse.yml:2"
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{type: postgres, url: 'postgresql://h/d', cursor: c}", "expected either table or query"),
        (
            "{type: postgres, url: 'postgresql://h/d', cursor: c, table: a, query: b}",
            "expected either table or query",
        ),
        ("{type: postgres, url: 'postgresql://h/d', cursor: c, table: a}", "needs key"),
        ("{type: s3, bucket: b, external_id: abc}", "external_id is of no use without role_arn"),
        ("{type: file, path: p, fields: {value: {a: b}}}", "only metadata"),
        ("{type: file, path: p, fields: {value: {const: 1, x: 2}}}", "expected a column"),
        ("{type: file, path: p, fields: {value: {const: 1.5}}}", "is a YAML float"),
        ("{type: file, path: [p]}", "expected text, not a list"),
        ("{path: p}", "the key type is missing"),
        ("{type: mixpanel, project_id: 1, username: a, secret: b, events: {}}", "events"),
    ],
)
def test_options_must_fit_each_other(tmp_path: Path, source: str, message: str) -> None:
    problems = problems_of(tmp_path, f"sources:\n  - {source.replace('{', '{name: a, ', 1)}\n")
    assert len(problems) == 1
    assert message in problems[0]


def test_broken_yaml_is_one_problem(tmp_path: Path) -> None:
    [problem] = problems_of(tmp_path, "company: {name: X\ncurrency: USD\n")
    assert problem.startswith("meterhouse.yml:2: is not valid YAML")


def test_a_list_instead_of_settings_is_told(tmp_path: Path) -> None:
    assert problems_of(tmp_path, "- a\n") == [
        "meterhouse.yml:1: expected a mapping (key: value), not a list"
    ]


def test_a_folder_without_settings_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="meterhouse init DIR"):
        load_workspace(tmp_path / "absent", {})
