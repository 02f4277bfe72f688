"""BigQuery's data policies. https://cloud.google.com/bigquery/docs/reference/bigquerydatapolicy/rest"""

from __future__ import annotations

import re
from typing import Any

from omnipipe.rehearsal.call import Call
from omnipipe.rehearsal.errors import Refused
from omnipipe.rehearsal.service import Service

service = Service("bigquerydatapolicy", by_number=True, missing={"": "Requested entity was not found."})
# https://cloud.google.com/bigquery/docs/column-data-masking: letters, digits and underscores
_ID = re.compile(r"\w{1,64}", re.ASCII)


@service.checks("dataPolicies")
def check(call: Call, body: dict[str, Any]) -> None:
    """An id of letters, digits and underscores; a kind; and in version 1 the tag that it is for."""
    id_ = call.body.get("dataPolicyId") or call.query.get("dataPolicyId") or ""
    if call.method.verb == "create":
        call.require_form(_ID, id_, f"Invalid data policy id: {id_!r}.")
    if not body.get("dataPolicyType"):
        raise Refused(400, "The data_policy_type must be set.")
    if call.api.version == "v1" and not body.get("policyTag"):
        raise Refused(400, "The policy_tag must be set.")
