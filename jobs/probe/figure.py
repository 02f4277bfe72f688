"""One measured figure, as the metrics of the platform read it from the log."""

import logging
from dataclasses import dataclass

_log = logging.getLogger("probe")


@dataclass(frozen=True)
class Figure:
    """A value of ``subject``, such as a table or a slot; ``text`` says in words what ``name`` measures."""

    name: str
    subject: str
    value: float
    text: str

    def log(self) -> None:
        """Write it as one line. Log-based metrics extract ``value`` by ``figure`` and ``subject``."""
        value = round(max(self.value, 0), 3)  # two clocks may differ by a moment
        _log.info(
            "%s of %s: %s",
            self.text,
            self.subject,
            value,
            extra={"fields": {"figure": self.name, "subject": self.subject, "value": value}},
        )
