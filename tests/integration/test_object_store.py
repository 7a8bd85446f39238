"""S3 and local files: every version of an object lands once, a broken connection nothing."""

import gzip
import socket
from datetime import UTC, datetime

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from sqlalchemy import select

from assets.ingestion.bookkeeping import source_state
from assets.ingestion.checking import check_source
from assets.ingestion.in_flight import MOST_IN_FLIGHT
from assets.ingestion.pulling import pull
from connectors import aws_session, object_store
from connectors.aws_session import aws_client, open_doors, session_name
from connectors.deliveries import SourceUnavailable
from connectors.object_store import S3Stream
from models.settings import AwsAccess, FileSource, S3Source
from models.tables import ops, raw

AS_OF = datetime(2026, 4, 1, tzinfo=UTC)
LINE = (
    b'{"id": "%d", "timestamp": "2026-03-01T00:00:00Z", "tenant_id": "acme",'
    b' "dimension_id": "calls", "value": 1}\n'
)


@pytest.fixture(scope="module")
def moto():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(moto, monkeypatch):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    client = boto3.client("s3", endpoint_url=moto, region_name="us-east-1")
    client.create_bucket(Bucket="usage")
    yield client
    bucket = boto3.resource("s3", endpoint_url=moto, region_name="us-east-1").Bucket("usage")
    bucket.objects.all().delete()
    bucket.delete()


def source(moto, **settings):
    settings = {"prefix": "in/", "region": "us-east-1", **settings}
    return S3Source(name="gateway", type="s3", bucket="usage", endpoint_url=moto, **settings)


def lines(*numbers):
    return b"".join(LINE % number for number in numbers)


def deliveries(warehouse):
    table = raw.deliveries.c
    with warehouse.begin() as connection:
        statement = select(table.object, table.delivered_count).order_by(table.delivery_id)
        return [tuple(row) for row in connection.execute(statement)]


def test_objects_below_the_prefix_land_once(moto, s3, warehouse):
    s3.put_object(Bucket="usage", Key="in/a.jsonl", Body=lines(1, 2))
    s3.put_object(Bucket="usage", Key="in/b.jsonl.gz", Body=gzip.compress(lines(3)))
    s3.put_object(Bucket="usage", Key="in/_SUCCESS", Body=b"")
    s3.put_object(Bucket="usage", Key="in/folder/", Body=b"")
    s3.put_object(Bucket="usage", Key="elsewhere/c.jsonl", Body=lines(4))
    first = pull(source(moto), warehouse, AS_OF)
    assert (first.delivery_count, first.delivered_count, first.landed_count) == (2, 3, 3)
    assert first.complete_until == AS_OF
    second = pull(source(moto), warehouse, AS_OF)
    assert (second.delivery_count, second.skipped_count, second.delivered_count) == (0, 2, 0)
    s3.put_object(Bucket="usage", Key="in/a.jsonl", Body=lines(1, 2, 5))
    assert pull(source(moto), warehouse, AS_OF).delivered_count == 3
    assert deliveries(warehouse) == [("in/a.jsonl", 2), ("in/b.jsonl.gz", 1), ("in/a.jsonl", 3)]
    with warehouse.begin() as connection:
        assert len(connection.execute(select(ops.pulls)).all()) == 2


def test_listings_of_more_than_a_page_are_read_to_their_end(moto, s3, warehouse, monkeypatch):
    monkeypatch.setattr(object_store, "PAGE_OBJECTS", 2)
    for number in range(5):
        s3.put_object(Bucket="usage", Key=f"in/{number:05d}.jsonl", Body=b"")
    assert pull(source(moto), warehouse, AS_OF).delivery_count == 5


def test_a_name_without_format_fails_the_pull_but_not_its_neighbours(moto, s3, warehouse):
    s3.put_object(Bucket="usage", Key="in/a.txt", Body=lines(1))
    s3.put_object(Bucket="usage", Key="in/b.jsonl", Body=lines(2))
    with pytest.raises(SourceUnavailable, match=r"in/a\.txt tells no format.*Set `format"):
        pull(source(moto), warehouse, AS_OF)
    assert deliveries(warehouse) == [("in/b.jsonl", 1)]
    assert source_state(warehouse, "gateway").complete_until is None
    assert pull(source(moto, format="jsonl"), warehouse, AS_OF).landed_count == 1


@pytest.mark.usefixtures("s3")
def test_a_missing_bucket_and_a_dead_server_say_what_to_do(moto, warehouse, monkeypatch):
    with pytest.raises(SourceUnavailable, match=r"NoSuchBucket.*Check bucket"):
        pull(source(moto).model_copy(update={"bucket": "other"}), warehouse, AS_OF)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr(aws_session, "_CONFIG", None)
    with pytest.raises(SourceUnavailable, match="Could not connect"):
        pull(source(dead), warehouse, AS_OF)
    assert deliveries(warehouse) == []


def test_a_connection_that_breaks_is_no_end_of_the_file(moto, s3, warehouse, monkeypatch):
    s3.put_object(Bucket="usage", Key="in/a.jsonl", Body=lines(*range(5)))

    class Breaking:
        def __init__(self, body):
            self.reads = iter([body.read()])

        def read(self, _):
            try:
                return next(self.reads)
            except StopIteration:
                raise ConnectionResetError from None

        def close(self):
            pass

    monkeypatch.setattr(S3Stream, "__init__", _breaking_stream(S3Stream.__init__, Breaking))
    with pytest.raises(SourceUnavailable, match=r"the connection broke while in/a\.jsonl"):
        pull(source(moto), warehouse, AS_OF)
    assert deliveries(warehouse) == []
    monkeypatch.undo()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    assert pull(source(moto), warehouse, AS_OF).landed_count == 5


def _breaking_stream(original, breaking):
    def init(self, body, source, name):
        original(self, breaking(body), source, name)

    return init


def test_an_object_that_changes_while_being_read_waits_for_the_next_pull(moto, s3, warehouse):
    """The one that changes is beyond those in flight: it is opened when another has landed."""
    names = [f"in/{number}.jsonl" for number in range(MOST_IN_FLIGHT + 1)]
    for number, name in enumerate(names):
        s3.put_object(Bucket="usage", Key=name, Body=lines(number))

    def overwrite(*_):
        s3.put_object(Bucket="usage", Key=names[-1], Body=lines(99))

    with pytest.raises(SourceUnavailable, match=rf"{names[-1]} changed"):
        pull(source(moto), warehouse, AS_OF, progress=overwrite)
    assert pull(source(moto), warehouse, AS_OF).landed_count == 1


def test_a_role_is_assumed_with_its_external_id(moto, s3, warehouse):
    s3.put_object(Bucket="usage", Key="in/a.jsonl", Body=lines(1))
    role = "arn:aws:iam::123456789012:role/meterhouse"
    asked = []
    client = aws_client("s3", AwsAccess(endpoint_url=moto, region="us-east-1"), "gateway")
    assert client.list_buckets()["Buckets"]
    import botocore.client

    original = botocore.client.BaseClient._make_api_call

    def recording(self, name, arguments):
        if name == "AssumeRole":
            asked.append(arguments)
        return original(self, name, arguments)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.client.BaseClient, "_make_api_call", recording)
        pull(source(moto, role_arn=role, external_id="mh-1"), warehouse, AS_OF)
    assert asked == [
        {"RoleArn": role, "RoleSessionName": "meterhouse-gateway", "ExternalId": "mh-1"}
    ]


def test_a_role_needs_an_external_id():
    with pytest.raises(ValueError, match="external_id"):
        AwsAccess(role_arn="arn:aws:iam::123456789012:role/x")


class Sts:
    """A trust policy: which external ids it lets in."""

    def __init__(self, lets_in):
        self.lets_in = lets_in

    def assume_role(self, **arguments):
        if not self.lets_in(arguments.get("ExternalId")):
            raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole")


@pytest.mark.parametrize(
    ("lets_in", "count"),
    [
        (lambda given: given == "mh-1", 0),
        (lambda given: given is not None, 1),
        (lambda given: given in (None, "mh-1"), 1),
        (lambda _: True, 2),
    ],
)
def test_a_role_that_lets_strangers_in_is_told(lets_in, count):
    access = AwsAccess(role_arn="arn:aws:iam::123456789012:role/x", external_id="mh-1")
    assert len(open_doors(access, "gateway", Sts(lets_in))) == count


def test_session_names_fit_what_sts_takes():
    assert session_name("a b/ü" + "x" * 100) == ("meterhouse-a-b--" + "x" * 100)[:64]


def files(path, **settings):
    return FileSource(name="logs", type="file", path=path, **settings)


def test_files_are_found_by_wildcards_and_land_once(tmp_path, warehouse):
    (tmp_path / "2026").mkdir()
    (tmp_path / "a.jsonl").write_bytes(lines(1))
    (tmp_path / "2026" / "b.jsonl").write_bytes(lines(2))
    report = pull(files("**/*.jsonl"), warehouse, AS_OF, directory=tmp_path)
    assert report.landed_count == 2
    (tmp_path / "a.jsonl").touch()
    assert pull(files("**/*.jsonl"), warehouse, AS_OF, directory=tmp_path).delivery_count == 0
    with (tmp_path / "a.jsonl").open("ab") as file:
        file.write(lines(3))
    assert pull(files("**/*.jsonl"), warehouse, AS_OF, directory=tmp_path).delivered_count == 2


def test_a_workspace_that_moves_lands_nothing_again(tmp_path, warehouse):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "a.jsonl").write_bytes(lines(1))
    pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    report = pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path / "there")
    assert (report.delivery_count, report.skipped_count) == (0, 1)
    assert deliveries(warehouse) == [("a.jsonl", 1)]


def test_a_file_that_may_not_be_read_is_told(tmp_path, warehouse, monkeypatch):
    (tmp_path / "a.jsonl").write_bytes(lines(1))

    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("connectors.object_store.hashlib.file_digest", refuse)
    with pytest.raises(SourceUnavailable, match=r"a\.jsonl: Permission denied"):
        pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path)


def test_a_file_that_is_not_there_is_told(tmp_path, warehouse):
    with pytest.raises(SourceUnavailable, match="there is no file"):
        pull(files("a.jsonl"), warehouse, AS_OF, directory=tmp_path)
    assert pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path).delivery_count == 0


def test_a_truncated_file_lands_up_to_the_break_and_its_rest_later(tmp_path, warehouse):
    whole = gzip.compress(lines(*range(20_000)))
    (tmp_path / "a.jsonl.gz").write_bytes(whole[: len(whole) // 2])
    report = pull(files("*.gz"), warehouse, AS_OF, directory=tmp_path)
    assert report.quarantined_by_reason == {"unreadable_file": 1}
    assert 0 < report.landed_count < 20_000
    (tmp_path / "a.jsonl.gz").write_bytes(whole)
    assert pull(files("*.gz"), warehouse, AS_OF, directory=tmp_path).landed_count == 20_000


def test_the_watermark_is_never_in_the_future_and_never_moves_back(tmp_path, warehouse):
    later = datetime(2100, 1, 1, tzinfo=UTC)
    before = datetime.now(UTC)
    report = pull(files("*.jsonl"), warehouse, later, directory=tmp_path)
    assert before <= report.complete_until <= datetime.now(UTC)
    pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path)
    assert source_state(warehouse, "logs").complete_until == report.complete_until


def test_an_old_as_of_instant_does_not_refuse_the_records_of_today(tmp_path, warehouse):
    today = datetime.now(UTC).date().isoformat().encode()
    (tmp_path / "a.jsonl").write_bytes(lines(1).replace(b"2026-03-01", today))
    assert pull(files("*.jsonl"), warehouse, AS_OF, directory=tmp_path).landed_count == 1


def test_a_prefix_with_nothing_in_it_is_remarked(moto, s3, tmp_path):
    s3.put_object(Bucket="usage", Key="gateway/a.jsonl", Body=b"{}")
    assert check_source(source(moto, prefix="gateway/"), tmp_path) == []
    [problem] = check_source(source(moto, prefix="gatway/"), tmp_path)
    assert "there is nothing in s3://usage/gatway/" in problem
