"""Emulators that the user's environment names, as Google's own clients find them."""

from collections.abc import Mapping

EMULATORS = {
    "bigquery.googleapis.com": "BIGQUERY_EMULATOR_HOST",
    "pubsub.googleapis.com": "PUBSUB_EMULATOR_HOST",
    "storage.googleapis.com": "STORAGE_EMULATOR_HOST",
}
"""Hosts of Google's, and the variable by which its own clients are told of an emulator."""


def configured_endpoints(variables: Mapping[str, str]) -> dict[str, str]:
    """The endpoints of the emulators that environment variables name, as HOST:PORT or as a URL."""
    found = {host: variables[name] for host, name in EMULATORS.items() if variables.get(name)}
    return {host: value if "://" in value else f"http://{value}" for host, value in found.items()}
