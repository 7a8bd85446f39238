"""Sessions with AWS: the process's own credentials, or a customer's role with its external id."""

import re
import secrets
from collections.abc import Callable
from functools import cache
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.credentials import DeferredRefreshableCredentials
from botocore.exceptions import BotoCoreError, ClientError
from botocore.loaders import Loader, create_loader
from botocore.session import get_session

from connectors.deliveries import SourceUnavailable
from models.settings import AwsAccess

# Bounded: a dead endpoint is reported within a minute, a busy one is given five chances.
_CONFIG = Config(
    connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 5}
)


def aws_client(service: str, access: AwsAccess, source: str) -> Any:
    """Return a client of one AWS service; a role's credentials renew themselves."""
    try:
        session = _session(access)
        if access.role_arn:
            # botocore offers no public way to hand over credentials that renew themselves.
            session._session._credentials = DeferredRefreshableCredentials(
                refresh_using=_role_credentials(access, source), method="sts-assume-role"
            )
        return session.client(service, endpoint_url=access.endpoint_url, config=_CONFIG)
    except (BotoCoreError, ValueError) as error:
        raise SourceUnavailable(
            source, f"AWS: {explain(error)}", "Check region, endpoint_url and the AWS profile"
        ) from error


def _session(access: AwsAccess) -> Any:
    core = get_session()
    core.register_component("data_loader", _descriptions(core.get_config_variable("data_path")))
    return boto3.Session(botocore_session=core, region_name=access.region)


@cache
def _descriptions(path: str | None) -> Loader:
    """Return what reads the descriptions of AWS's services: slowly, so once for all sessions."""
    return create_loader(path)


def _role_credentials(access: AwsAccess, source: str) -> Callable[[], dict[str, str]]:
    def assume() -> dict[str, str]:
        answer = sts_client(access).assume_role(
            RoleArn=access.role_arn,
            RoleSessionName=session_name(source),
            ExternalId=access.external_id,
        )
        credentials = answer["Credentials"]
        return {
            "access_key": credentials["AccessKeyId"],
            "secret_key": credentials["SecretAccessKey"],
            "token": credentials["SessionToken"],
            "expiry_time": credentials["Expiration"].isoformat(),
        }

    return assume


def sts_client(access: AwsAccess) -> Any:
    """Return the client that assumes roles, with the process's own credentials.

    A stand-in or an S3-compatible store answers STS at its own address; Amazon's S3 does not.
    """
    host = urlsplit(access.endpoint_url or "").hostname or ""
    own_address = None if host.endswith("amazonaws.com") else access.endpoint_url
    session = _session(access)
    # A role is the same in every region; a bill's source needs to name none.
    region = session.region_name or "us-east-1"
    return session.client("sts", region_name=region, endpoint_url=own_address, config=_CONFIG)


def session_name(source: str) -> str:
    """Return the name under which CloudTrail of the read account shows us."""
    return re.sub(r"[^\w+=,.@-]", "-", f"meterhouse-{source}", flags=re.ASCII)[:64]


def open_doors(access: AwsAccess, source: str, sts: Any | None = None) -> list[str]:
    """Return what is wrong with a role's trust policy: it must refuse strangers.

    The role is asked for without and with a wrong external id; a role that lets either in would
    be read by anybody who can guess its name.
    """
    if not access.role_arn:
        return []
    client = sts or sts_client(access)
    asked = {"without an external id": {}, "with a wrong external id": {"ExternalId": _stranger()}}
    return [
        f"role {access.role_arn} can be assumed {how}: its trust policy must require sts:ExternalId"
        for how, arguments in asked.items()
        if _lets_in(client, access.role_arn, session_name(source), arguments)
    ]


def _stranger() -> str:
    return f"meterhouse-check-{secrets.token_hex(16)}"


def _lets_in(client: Any, role_arn: str, name: str, arguments: dict[str, str]) -> bool:
    try:
        client.assume_role(RoleArn=role_arn, RoleSessionName=name, DurationSeconds=900, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException"}:
            return False
        raise
    return True


def explain(error: Exception) -> str:
    """Return what went wrong in one line; botocore's messages hold no secret."""
    return " ".join(str(error).split())
