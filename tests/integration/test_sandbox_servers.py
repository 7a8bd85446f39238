"""The stand-ins as a product meets them: in a process of their own, read by its own connectors."""

import json
import os
import signal
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import boto3
import httpx
import psycopg2
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from sqlalchemy import func, select
from sqlalchemy.engine import make_url

from assets.ingestion.pulling import pull
from connectors import mixpanel
from connectors.aws_session import open_doors
from models.tables import raw
from models.workspace import load_workspace
from sandbox.app_database import seed_app_database
from sandbox.company import DEMO_AS_OF
from sandbox.company.company import CompanyManifest
from sandbox.start import SandboxServers
from sandbox.workspace import write_demo_workspace
from tests.conftest import address_of


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    servers = SandboxServers(tmp_path_factory.mktemp("sandbox"))
    servers.ensure_running()
    yield servers
    servers.stop()


@pytest.fixture
def addresses(servers):
    return servers.ensure_running()


@pytest.fixture(scope="module")
def app_database(servers, postgres):
    company = Path(servers.ensure_running().company_directory)
    return seed_app_database(address_of(postgres, "postgres"), company)


@pytest.fixture
def environment(addresses, app_database, monkeypatch):
    environment = addresses.environment() | {"METERHOUSE_DEMO_APP_DB": app_database}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@pytest.fixture
def demo(environment, tmp_path):
    write_demo_workspace(tmp_path / "demo", environment)
    return load_workspace(tmp_path / "demo")


@pytest.fixture
def manifest(addresses):
    return CompanyManifest.read(Path(addresses.company_directory) / "manifest.json")


@pytest.fixture
def cost_explorer(environment):
    url = environment["METERHOUSE_DEMO_AWS"]
    # boto3 would repeat what the stand-in refuses on purpose.
    once = Config(retries={"total_max_attempts": 1})
    return boto3.client("ce", endpoint_url=url, region_name="us-east-1", config=once)


@pytest.fixture
def export(addresses):
    account = (addresses.mixpanel_user, addresses.mixpanel_secret)

    def ask(auth=account, **parameters):
        return httpx.get(
            f"{addresses.mixpanel_url}/api/2.0/export",
            params={"project_id": addresses.mixpanel_project, **parameters},
            auth=auth,
            trust_env=False,
        )

    return ask


def source_of(workspace, name):
    return next(source for source in workspace.settings.sources if source.name == name)


def asked_for(first, end, **more):
    return {
        "TimePeriod": {"Start": first, "End": end},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost"],
        "GroupBy": [
            {"Type": "TAG", "Key": "tenant"},
            {"Type": "DIMENSION", "Key": "SERVICE"},
        ],
        **more,
    }


def test_every_source_delivers_what_the_company_wrote(demo, warehouse, manifest):
    for source in demo.settings.sources:
        report = pull(source, warehouse, DEMO_AS_OF, directory=demo.directory)
        assert report.delivered_count == report.landed_count + report.quarantined_count
        if source.measures == "usage":
            expected = manifest.usage[source.name]
            assert report.delivered_count == expected.delivered, source.name
            assert report.quarantined_by_reason == expected.quarantined, source.name
    lines = raw.cost_lines.c
    month = func.to_char(func.timezone("UTC", lines.charge_period_start), "YYYY-MM")
    billed = select(lines.source, month, func.sum(lines.billed_cost)).group_by(lines.source, month)
    with warehouse.begin() as connection:
        sums = {(name, when): total for name, when, total in connection.execute(billed)}
    assert sums == {
        (name, when): Decimal(total)
        for name, months in manifest.billed.items()
        for when, total in months.items()
    }


def test_a_killed_sandbox_comes_back_with_the_same_data(demo, warehouse, servers):
    gateway = source_of(demo, "gateway")
    pull(gateway, warehouse, DEMO_AS_OF)
    before = servers.running()
    os.kill(before.pid, signal.SIGKILL)
    after = servers.ensure_running()
    assert after.pid != before.pid
    assert (after.aws_url, after.stripe_url) == (before.aws_url, before.stripe_url)
    assert pull(gateway, warehouse, DEMO_AS_OF).delivery_count == 0


def test_a_running_sandbox_is_used_again(servers):
    assert servers.ensure_running() == servers.ensure_running()


def test_a_role_opens_with_its_external_id_only(demo):
    gateway = source_of(demo, "gateway")
    assert open_doors(gateway, "gateway") == []
    stranger = gateway.model_copy(update={"external_id": "somebody-else"})
    sts = boto3.client("sts", endpoint_url=stranger.endpoint_url, region_name="us-east-1")
    with pytest.raises(ClientError, match="AccessDenied"):
        sts.assume_role(
            RoleArn=stranger.role_arn, RoleSessionName="stranger", ExternalId="somebody-else"
        )


@pytest.mark.usefixtures("environment")
def test_a_file_that_is_added_appears_in_its_bucket(addresses):
    place = Path(addresses.company_directory) / "s3" / "acumen-extra"
    place.mkdir(exist_ok=True)
    (place / "late.jsonl").write_bytes(b"{}\n")
    httpx.post(f"{addresses.aws_url}/_sandbox/reload", trust_env=False).raise_for_status()
    s3 = boto3.client("s3", endpoint_url=addresses.aws_url, region_name="us-east-1")
    assert s3.get_object(Bucket="acumen-extra", Key="late.jsonl")["Body"].read() == b"{}\n"


def test_cost_explorer_pages_and_refuses_foreign_tokens(cost_explorer):
    first = cost_explorer.get_cost_and_usage(**asked_for("2026-08-01", "2026-09-01"))
    token = first["NextPageToken"]
    second = cost_explorer.get_cost_and_usage(
        **asked_for("2026-08-01", "2026-09-01", NextPageToken=token)
    )
    count = sum(len(day["Groups"]) for page in (first, second) for day in page["ResultsByTime"])
    assert count > 2_000
    assert not first["ResultsByTime"][0]["Estimated"]
    with pytest.raises(ClientError, match="RequestChangedException"):
        cost_explorer.get_cost_and_usage(
            **asked_for("2026-08-02", "2026-09-01", NextPageToken=token)
        )
    november = cost_explorer.get_cost_and_usage(**asked_for("2026-11-01", "2026-11-02"))
    assert november["ResultsByTime"][0]["Estimated"]


def test_cost_explorer_fails_on_demand(cost_explorer, addresses):
    faults = json.dumps(["LimitExceededException"])
    httpx.post(f"{addresses.aws_url}/_sandbox/faults", content=faults, trust_env=False)
    with pytest.raises(ClientError, match="LimitExceededException"):
        cost_explorer.get_cost_and_usage(**asked_for("2026-08-01", "2026-08-02"))


def test_a_restated_day_is_delivered_anew_and_no_other(demo, warehouse, addresses):
    bill = source_of(demo, "aws_bill")
    pull(bill, warehouse, DEMO_AS_OF)
    answer = httpx.post(f"{addresses.aws_url}/_sandbox/restate", trust_env=False)
    assert answer.json() == ["2026-10-17"]
    assert pull(bill, warehouse, DEMO_AS_OF).delivery_count == 1


def test_mixpanel_lets_only_the_service_account_in(export):
    days = {"from_date": "2026-08-03", "to_date": "2026-08-03"}
    assert export(auth=("somebody", "else"), **days).status_code == 401
    assert export(project_id="1", **days).status_code == 400
    assert export(from_date="2026-08-03").status_code == 400


def test_mixpanel_days_are_inclusive_and_times_in_seconds(export):
    answer = export(from_date="2026-08-03", to_date="2026-08-04", event='["Session Started"]')
    assert answer.headers["content-encoding"] == "gzip"
    events = [json.loads(line) for line in answer.text.split("\n") if line]
    assert {event["event"] for event in events} == {"Session Started"}
    days = {datetime.fromtimestamp(event["properties"]["time"], UTC).date() for event in events}
    assert days == {date(2026, 8, 3), date(2026, 8, 4)}
    one = export(from_date="2026-08-03", to_date="2026-08-03", limit="1", time_in_ms="true")
    assert json.loads(one.text)["properties"]["time"] > 10**12
    assert export(from_date="2020-01-01", to_date="2020-01-02").content == b""


@pytest.mark.parametrize(
    "fault", ["terminated_early", "cut_line", "drop", "status_500", "status_429"]
)
def test_a_broken_export_is_asked_for_again(demo, addresses, fault):
    source = source_of(demo, "product")
    project = mixpanel.MixpanelProject(
        source=source.name,
        project_id=source.project_id,
        username=source.username,
        secret=source.secret.get_secret_value(),
        events=source.events,
        base_url=source.api_base,
        sleep=lambda _: None,
    )

    def delivered():
        day = date(2026, 8, 5)
        return [len(list(found.rows())) for found in mixpanel.deliveries(project, day, day)]

    whole = delivered()
    planned = json.dumps([fault, fault])
    control = f"{addresses.mixpanel_url}/_sandbox/faults"
    httpx.post(control, content=planned, trust_env=False).raise_for_status()
    assert delivered() == whole
    assert whole[0] > 100


def test_mixpanel_limits_can_be_switched_on(export, addresses):
    limits = f"{addresses.mixpanel_url}/_sandbox/limits"
    httpx.post(limits, content="true", trust_env=False).raise_for_status()
    days = {"from_date": "2020-01-01", "to_date": "2020-01-01"}
    statuses = [export(**days).status_code for _ in range(4)]
    httpx.post(limits, content="false", trust_env=False)
    assert 429 in statuses
    assert export(**days).status_code == 200


def test_the_app_database_is_seeded_once_and_only_read(app_database, servers, postgres):
    company = Path(servers.ensure_running().company_directory)
    assert seed_app_database(address_of(postgres, "postgres"), company) == app_database
    url = make_url(app_database)
    connection = psycopg2.connect(url.render_as_string(hide_password=False))
    with connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from usage_events")
        assert cursor.fetchone()[0] > 20_000
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute("delete from usage_events")
    connection.close()
