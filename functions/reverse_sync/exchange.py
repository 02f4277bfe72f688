"""One HTTP exchange with a receiver that is not trusted: its address is checked, its time and its answer are bounded.

The standard library's client on a socket of our own: a timeout of requests or urllib3 is for each wait, so that a
byte a second has no end; and a host is judged by the address that is connected to, since a name may lead elsewhere
at the next look-up (https://owasp.org/www-community/attacks/Server_Side_Request_Forgery).
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import certifi

_CONNECT_S = 3.0
# From the look-up of the name to the end of the answer.
_EXCHANGE_S = 15.0
# What is read of an answer's body: enough for a person to see why.
_ANSWER_BYTES = 4096
# Reserved characters of RFC 3986, and the percent sign of what is encoded already.
_IN_A_TARGET = "!#$%&'()*+,/:;=?@[]~"
# https://www.rfc-editor.org/rfc/rfc6052#section-2.1
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class NotSent(Exception):
    """The request did not leave: there was no connection."""


class AddressRefused(NotSent):
    """The host leads to an address that is not asked."""


class NoAnswer(Exception):
    """There is no whole answer. The receiver may have got the request."""


@dataclass(frozen=True)
class Reply:
    """An answer: the beginning of its body as text."""

    status: int
    retry_after: str | None
    text: str


class Connection(http.client.HTTPConnection):
    """A connection that is kept open from one exchange to the next, for one thread.

    Proxies are not used. A look-up of the host's name counts, but is not cut short: the system's resolver ends it.
    """

    def __init__(self, url: str, *, allow_private: bool) -> None:
        """Get ready to post to ``url``; ``allow_private`` takes addresses that are not of the public internet.

        Raises ValueError for a URL that is not http(s), has no host, or has a user in it.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("it must begin with https:// (or http:// in a private network) and name a host")
        if parts.username is not None or parts.password is not None:
            raise ValueError("it must not hold a user or a password: messages are signed")
        parts.hostname.encode("idna")  # raises what a look-up would raise
        self._tls = ssl.create_default_context(cafile=certifi.where()) if parts.scheme == "https" else None
        if self._tls:
            self._tls.sslsocket_class = _TimedTls
        self._allow_private = allow_private
        self._target = quote(parts.path or "/", _IN_A_TARGET)
        self._target += f"?{quote(parts.query, _IN_A_TARGET)}" if parts.query else ""
        self._ends = 0.0
        self.default_port = 443 if self._tls else 80  # which the header Host leaves out
        super().__init__(parts.hostname, parts.port or self.default_port)

    def post(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request and return the answer; a redirect is an answer like any other.

        Raises NotSent when there is no connection, and NoAnswer when the answer does not come, is cut off, or does
        not end in time.
        """
        self._ends = time.monotonic() + _EXCHANGE_S
        try:
            if self.sock is None:
                self.connect()
            connected: Any = self.sock  # one of the two classes below
            connected.settimeout(_left(self._ends))
            connected.ends = self._ends
        except OSError as error:
            self.close()
            raise NotSent(f"no connection: {error}") from error
        try:
            self.request("POST", self._target, body, dict(headers))
            response = self.getresponse()
            if connected.over:  # the client takes the end of the connection for the end of the headers
                raise http.client.IncompleteRead(b"")
            text = self._read(response)
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise NoAnswer(_cause(error)) from error
        return Reply(response.status, response.getheader("retry-after"), text)

    def connect(self) -> None:
        """Connect to the first address of the host that answers. Raises AddressRefused, or OSError."""
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        failure: OSError = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in addresses:
            if not self._allow_private and not is_public(str(address[0])):
                raise AddressRefused(f"{self.host} leads to {address[0]}, which is not of the public internet")
            plain = _Timed(family, kind, protocol)
            try:
                plain.settimeout(min(_CONNECT_S, _left(self._ends)))
                plain.connect(address)
                plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                plain.settimeout(_left(self._ends))
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host) if self._tls else plain
            except OSError as error:
                plain.close()
                failure = error
                continue
            return
        raise failure

    def _read(self, response: http.client.HTTPResponse) -> str:
        body = response.read(_ANSWER_BYTES)
        if len(body) < _ANSWER_BYTES and response.length:
            raise http.client.IncompleteRead(body, response.length)
        if not response.isclosed() or response.will_close:  # there is more of it, which nobody reads
            self.close()
        return body.decode(errors="replace")


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also by what an IPv6 form of an IPv4 address leads to."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv6Address):
        within = found.ipv4_mapped or found.sixtofour or (found.teredo and found.teredo[1])
        if found in _NAT64:
            within = ipaddress.IPv4Address(found.packed[-4:])
        if within and not is_public(str(within)):
            return False
        if found.ipv4_mapped:
            return True
    return found.is_global and not found.is_multicast


class _Timed(socket.socket):
    """A socket whose reading ends at a moment of time.monotonic(), and that knows when the other side has ended it."""

    ends, over = 0.0, False

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        self.settimeout(_left(self.ends))
        count = super().recv_into(buffer, nbytes, flags)
        self.over = count == 0
        return count


class _TimedTls(ssl.SSLSocket):
    """The same within TLS."""

    ends, over = 0.0, False

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        self.settimeout(_left(self.ends))
        count = super().recv_into(buffer, nbytes, flags)
        self.over = count == 0
        return count


def _left(ends: float) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError(f"no whole answer within {_EXCHANGE_S:g} s")
    return left


def _cause(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"no whole answer within {_EXCHANGE_S:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the answer was cut off"
    return str(error) or type(error).__name__
