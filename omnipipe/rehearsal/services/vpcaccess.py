"""Serverless VPC Access. https://cloud.google.com/vpc/docs/reference/vpcaccess/rest"""

from __future__ import annotations

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.service import Service
from omnipipe.rehearsal.store import Record

service = Service(
    "vpcaccess",
    missing={"connectors": "The connector is not found."},
    defaults={"connectors": {"machineType": "e2-micro", "minThroughput": 200, "maxThroughput": 300}},
)


@service.fills("connectors")
def connector(call: Call, record: Record) -> None:
    """An instance carries 100 Mbit/s: https://cloud.google.com/vpc/docs/serverless-vpc-access#scaling"""
    body = record.body
    body.setdefault("minInstances", body["minThroughput"] // 100)
    body.setdefault("maxInstances", body["maxThroughput"] // 100)
