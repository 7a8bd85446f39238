"""The AWS bill: paged, restated days anew, unchanged ones not, within the budget of requests."""

from datetime import UTC, date, datetime
from decimal import Decimal

import httpx
import pytest
from moto.server import ThreadedMotoServer
from sqlalchemy import func, select

from assets.ingestion.bookkeeping import source_state
from assets.ingestion.pulling import pull
from connectors import cost_explorer
from connectors.cost_explorer import CostExplorer
from connectors.deliveries import SourceUnavailable
from models.settings import CostExplorerSource
from models.tables import raw

AS_OF = datetime(2026, 3, 20, 15, tzinfo=UTC)


def source(**settings):
    settings = {"tenant_tag": "tenant", "lookback_days": 3, **settings}
    return CostExplorerSource(name="aws_bill", type="aws_cost_explorer", **settings)


def day(start, *groups, estimated=False):
    return {
        "TimePeriod": {"Start": start, "End": "unused"},
        "Total": {},
        "Groups": [
            {
                "Keys": [f"tenant${tenant}", service],
                "Metrics": {
                    "UnblendedCost": {"Amount": amount, "Unit": "USD"},
                    "AmortizedCost": {"Amount": amount + "1", "Unit": "USD"},
                },
            }
            for tenant, service, amount in groups
        ],
        "Estimated": estimated,
    }


class Api:
    """Answers of Cost Explorer by the month asked for, in pages."""

    def __init__(self, *days, page_size=100):
        self.days = list(days)
        self.page_size = page_size
        self.requests = []

    def get_cost_and_usage(self, **request):
        self.requests.append(request)
        period = request["TimePeriod"]
        found = [
            d for d in self.days if period["Start"] <= d["TimePeriod"]["Start"] < period["End"]
        ]
        position = int(request.get("NextPageToken", 0))
        page = {"ResultsByTime": found[position : position + self.page_size]}
        if position + self.page_size < len(found):
            page["NextPageToken"] = str(position + self.page_size)
        return page


@pytest.fixture
def serve(monkeypatch):
    def serve(api):
        monkeypatch.setattr(cost_explorer, "aws_client", lambda *_: api)
        return api

    return serve


def current_cost(warehouse):
    """The sum over the latest version of every day, as the journal takes it."""
    deliveries, lines = raw.deliveries.c, raw.cost_lines.c
    with warehouse.begin() as connection:
        latest = select(func.max(deliveries.delivery_id)).group_by(deliveries.object)
        statement = select(func.sum(lines.billed_cost)).where(lines.delivery_id.in_(latest))
        return connection.execute(statement).scalar()


def test_a_bill_lands_by_day_with_exact_amounts_and_tags(warehouse, serve):
    api = serve(
        Api(
            day("2026-03-17", ("acme", "S3", "0.1234567890123"), ("", "EC2", "-5.00")),
            day("2026-03-18", estimated=True),
        )
    )
    report = pull(source(), warehouse, AS_OF)
    assert (report.delivery_count, report.landed_count, report.rounded_count) == (2, 2, 1)
    with warehouse.begin() as connection:
        first, second = connection.execute(
            select(raw.cost_lines).order_by(raw.cost_lines.c.row_number)
        ).all()
    assert (first.billed_cost, first.effective_cost) == (
        Decimal("0.123456789012"),
        Decimal("0.123456789012"),
    )
    assert (first.tags, second.tags) == ({"tenant": "acme"}, {})
    assert (second.service_name, second.billed_cost) == ("EC2", Decimal("-5"))
    assert first.charge_period_start == datetime(2026, 3, 17, tzinfo=UTC)
    assert first.charge_period_end == datetime(2026, 3, 18, tzinfo=UTC)
    assert first.billing_period_end == datetime(2026, 4, 1, tzinfo=UTC)
    assert api.requests[0]["TimePeriod"] == {"Start": "2026-03-17", "End": "2026-03-20"}
    assert api.requests[0]["GroupBy"] == [
        {"Type": "TAG", "Key": "tenant"},
        {"Type": "DIMENSION", "Key": "SERVICE"},
    ]


def test_pages_are_read_to_their_end_even_within_a_day(warehouse, serve):
    halves = [
        day("2026-03-17", ("acme", "S3", "1")),
        day("2026-03-17", ("globex", "S3", "2")),
        day("2026-03-18", ("acme", "S3", "4")),
    ]
    api = serve(Api(*halves, page_size=1))
    assert pull(source(), warehouse, AS_OF).delivery_count == 2
    assert len(api.requests) == 3
    assert current_cost(warehouse) == 7


def test_unchanged_days_land_nothing_and_restated_ones_replace(warehouse, serve):
    api = serve(Api(day("2026-03-17", ("acme", "S3", "1")), day("2026-03-18", ("acme", "S3", "2"))))
    pull(source(), warehouse, AS_OF)
    report = pull(source(), warehouse, AS_OF)
    assert (report.delivery_count, report.skipped_count) == (0, 2)
    original = api.days[0]
    api.days[0] = day("2026-03-17", ("acme", "S3", "1.5"))
    assert pull(source(), warehouse, AS_OF).delivery_count == 1
    assert current_cost(warehouse) == Decimal("3.5")
    api.days[0] = original
    assert pull(source(), warehouse, AS_OF).delivery_count == 1
    assert current_cost(warehouse) == 3
    assert pull(source(), warehouse, AS_OF).delivery_count == 0


def test_a_day_whose_cost_vanished_is_restated_to_nothing(warehouse, serve):
    api = serve(Api(day("2026-03-17", ("acme", "S3", "1"))))
    pull(source(), warehouse, AS_OF)
    api.days = [day("2026-03-17")]
    assert pull(source(), warehouse, AS_OF).delivery_count == 1
    assert current_cost(warehouse) is None


def test_the_end_of_an_estimate_is_news(warehouse, serve):
    api = serve(Api(day("2026-03-17", ("acme", "S3", "1"), estimated=True)))
    pull(source(), warehouse, AS_OF)
    api.days = [day("2026-03-17", ("acme", "S3", "1"))]
    assert pull(source(), warehouse, AS_OF).delivery_count == 1


def test_the_budget_of_requests_is_kept(warehouse, serve):
    days = [day(f"2026-03-{number:02d}", ("acme", "S3", "1")) for number in range(10, 20)]
    api = serve(Api(*days, page_size=2))
    with pytest.raises(SourceUnavailable, match=r"its 3 requests .*Raise max_requests_per_run"):
        pull(source(lookback_days=15, max_requests_per_run=3), warehouse, AS_OF)
    assert len(api.requests) == 3
    assert current_cost(warehouse) is None
    assert source_state(warehouse, "aws_bill").complete_until is None
    assert pull(source(lookback_days=15), warehouse, AS_OF).delivery_count == 10


def test_a_pull_reaches_back_to_where_the_last_one_ended(warehouse, serve):
    api = serve(Api())
    pull(source(start=date(2026, 2, 25)), warehouse, datetime(2026, 3, 2, tzinfo=UTC))
    assert [request["TimePeriod"] for request in api.requests] == [
        {"Start": "2026-02-25", "End": "2026-03-01"},
        {"Start": "2026-03-01", "End": "2026-03-02"},
    ]
    api.requests.clear()
    pull(source(), warehouse, AS_OF)
    assert api.requests[0]["TimePeriod"] == {"Start": "2026-03-02", "End": "2026-03-20"}


def test_a_window_is_asked_for_as_it_is(warehouse, serve):
    api = serve(Api())
    window = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    pull(source(), warehouse, AS_OF, window)
    assert [request["TimePeriod"] for request in api.requests] == [
        {"Start": "2026-01-01", "End": "2026-02-01"}
    ]


def test_other_groupings_and_metrics(serve):
    group = {
        "Keys": ["eu-central-1"],
        "Metrics": {"NetUnblendedCost": {"Amount": "1", "Unit": "USD"}},
    }
    result = {**day("2026-03-17"), "Groups": [group]}
    serve(Api(result))
    settings = source(tenant_tag=None, group_by="REGION", metric="NetUnblendedCost")
    [found] = CostExplorer(settings).deliveries(date(2026, 3, 17), date(2026, 3, 18))
    [(_, row)] = found.rows()
    assert (row["RegionId"], row["ServiceName"], row["Tags"]) == ("eu-central-1", "AWS", {})
    assert (row["BilledCost"], row["EffectiveCost"]) == ("1", "1")


def test_the_real_protocol(warehouse, monkeypatch):
    """Through boto3 against moto, which keeps unknown keys such as the token of the next page."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    pages = [
        {"ResultsByTime": [day("2026-03-17", ("acme", "S3", "1.10"))], "NextPageToken": "two"},
        {"ResultsByTime": [day("2026-03-18", ("acme", "S3", "2.20"))]},
    ]
    seeds = {"results": pages}
    httpx.post(f"{url}/moto-api/static/ce/cost-and-usage-results", json=seeds).raise_for_status()
    role = {"role_arn": "arn:aws:iam::123456789012:role/reader", "external_id": "mh-1"}
    try:
        report = pull(source(endpoint_url=url, **role), warehouse, AS_OF)
        assert report.delivery_count == 2
        assert current_cost(warehouse) == Decimal("3.30")
    finally:
        server.stop()


def test_a_dead_endpoint_is_told(warehouse, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setattr("connectors.aws_session._CONFIG", None)
    with pytest.raises(SourceUnavailable, match=r"Cost Explorer: .*Check the credentials"):
        pull(source(endpoint_url="http://127.0.0.1:1"), warehouse, AS_OF)
