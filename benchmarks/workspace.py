"""A workspace that bills every tenant of a data set, and the S3 that it reads from."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from benchmarks.generator import Shape
from benchmarks.measuring import ROOT, StepFailed

BUCKET = "usage"
PREFIX = "daily/"
KEYS = {"AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark"}
UNIT_AMOUNT = "0.0001"


def write_catalog(directory: Path, shape: Shape) -> Path:
    """Write a catalog in which every dimension is priced and every tenant is a customer's."""
    directory.mkdir(parents=True, exist_ok=True)
    price = {"model": "per_unit", "unit_amount": UNIT_AMOUNT}
    content: dict[str, Any] = {
        "dimensions": [
            {"id": dimension, "name": dimension, "unit": "unit", "aggregation": "sum"}
            for dimension in shape.dimension_ids
        ],
        "plans": [
            {
                "id": "all",
                "name": "Everything",
                "currency": "USD",
                "charges": [
                    {"id": dimension, "name": dimension, "dimension": dimension, "price": price}
                    for dimension in shape.dimension_ids
                ],
            }
        ],
        "customers": [_customer(tenant) for tenant in shape.tenant_ids],
    }
    # JSON is YAML.
    (directory / "catalog.yml").write_text(json.dumps(content, indent=1))
    return directory


def write_workspace(directory: Path, shape: Shape, warehouse: str, s3: str) -> Path:
    """Write a workspace whose one source is the bucket of the stand-in."""
    write_catalog(directory / "catalog", shape)
    # Addresses hold a password, and are read by the product from this file alone.
    values = {**KEYS, "BENCHMARK_WAREHOUSE": warehouse}
    source = {
        "name": "bench",
        "type": "s3",
        "bucket": BUCKET,
        "prefix": PREFIX,
        "region": "us-east-1",
        "endpoint_url": s3,
    }
    settings = {
        "company": {"name": "Benchmark"},
        "warehouse": {"url": "${BENCHMARK_WAREHOUSE}"},
        "sources": [source],
    }
    (directory / "meterhouse.yml").write_text(json.dumps(settings, indent=1))
    (directory / ".env").touch(mode=0o600)
    (directory / ".env").write_text("".join(f"{name}='{values[name]}'\n" for name in values))
    return directory


def _customer(tenant: str) -> Mapping[str, Any]:
    return {
        "id": tenant,
        "name": tenant,
        "tenants": [tenant],
        "email": f"{tenant}@example.com",
        "country": "US",
        "contracts": [{"id": f"{tenant}-2026", "plan": "all", "start": "2026-10-01"}],
    }


class StandIn:
    """S3 in a process of its own, with what lies in a folder."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.url = ""

    def clear(self) -> None:
        """Forget what earlier measurements put there."""
        shutil.rmtree(self._directory, ignore_errors=True)
        # The stand-in speaks for Cost Explorer as well, and has a bill, here an empty one.
        bill = self._directory / "cost_explorer" / "bill.jsonl"
        bill.parent.mkdir(parents=True)
        bill.touch()

    def add(self, file: Path, key: str) -> None:
        """Put a file into the bucket, and into the server if it runs."""
        place = self._directory / "s3" / BUCKET / PREFIX / key
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        os.link(file, place)
        if self.url:
            httpx.post(f"{self.url}/_sandbox/reload", timeout=60).raise_for_status()

    @contextmanager
    def running(self) -> Iterator[None]:
        """Serve the folder for as long as the context lasts."""
        command = [sys.executable, "-m", "benchmarks.stand_in", str(self._directory)]
        with subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            self.url = process.stdout.readline().strip()
            if not self.url:
                raise StepFailed("the stand-in for S3 did not start")
            try:
                yield
            finally:
                self.url = ""
                # The end of its input is what it waits for.
                process.communicate()
