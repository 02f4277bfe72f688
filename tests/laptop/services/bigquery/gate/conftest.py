"""The gate before an application that stands in the emulator's place."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bqemulator.catalog.memory_repository import MemoryCatalogRepository

from omnipipe.laptop.cloud import Cloud
from omnipipe.laptop.iam.bindings import CUSTOM_ROLE
from omnipipe.laptop.iam.gate import Gate
from omnipipe.laptop.iam.tokens import CLOUD_PLATFORM
from omnipipe.laptop.registry import Resource
from omnipipe.laptop.services.bigquery.gate.middleware import BigQueryGate
from omnipipe.laptop.services.bigquery.gate.tags import PolicyTags
from tests.laptop.conftest import PROJECT, grant

WHO = f"dbt@{PROJECT}.iam.gserviceaccount.com"
API = f"/bigquery/v2/projects/{PROJECT}"


class Before:
    """A gate before an application that notes what reaches it, and answers what it is told to."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self.cloud = cloud
        self.reached: list[tuple[str, str, bytes]] = []
        self.catalog = MemoryCatalogRepository()
        self.tags = PolicyTags(folder / "tags.json")
        self.answers: tuple[int, list[bytes]] = (200, [b'{"jobReference":{"projectId":"p","jobId":"made"}}'])
        gate = Gate(cloud.registry, cloud.tokens, PROJECT)
        context: Any = SimpleNamespace(catalog=self.catalog)
        self._gate = BigQueryGate(self._take, context, gate, cloud.registry, self.tags)

    async def _take(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        self.reached.append((scope["method"], scope["path"], body))
        status, parts = self.answers
        length = str(sum(map(len, parts))).encode()
        await send({"type": "http.response.start", "status": status, "headers": [(b"content-length", length)]})
        for part in parts:
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def permit(self, *permissions: str, to: str = WHO) -> None:
        """Give an account exactly these permissions, on the project."""
        role = f"projects/{PROJECT}/roles/{to.partition('@')[0]}"
        self.cloud.registry.put(Resource(CUSTOM_ROLE, role, {"permissions": list(permissions)}, {}, role))
        grant(self.cloud, "gcp:projects/iAMMember:IAMMember", role, to)

    def ask(self, method: str, path: str, body: Any = None, query: str = "", token: str | None = "") -> Any:
        """Send a request, its body in two parts; returns the status and the answer's JSON."""
        start, *parts = self.messages(method, path, body, query, token)
        content = b"".join(part["body"] for part in parts)
        assert [value for name, value in start["headers"] if name == b"content-length"] == [b"%d" % len(content)]
        return start["status"], json.loads(content) if content else None

    def messages(self, method: str, path: str, body: Any = None, query: str = "", token: str | None = "") -> Any:
        """Send a request; returns what the caller is sent."""
        if token == "":
            token = self.cloud.tokens.issue(WHO, CLOUD_PLATFORM)
        headers = [(b"authorization", f"Bearer {token}".encode())] if token else []
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": headers,
        }
        content = b"" if body is None else json.dumps(body).encode()
        parts = [
            {"type": "http.request", "body": content[:10], "more_body": True},
            {"type": "http.request", "body": content[10:], "more_body": False},
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            return parts.pop(0) if parts else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        asyncio.run(self._gate(scope, receive, send))
        return sent


@pytest.fixture
def before(cloud: Cloud, tmp_path: Path) -> Before:
    return Before(cloud, tmp_path)
