"""INTERFACE SKETCH while the lead writes the real one: the fields and methods below are fixed."""
from __future__ import annotations

class RequestHead:
    """The head of one request, as received. Values are found when asked for, not collected beforehand."""

    method: bytes        # b"GET"
    target: bytes        # as received: b"/api/orders/1?x=2"
    path: bytes          # raw, percent-encoded, before "?": b"/api/orders/1"; always begins with b"/"
    query: bytes         # after "?", b"" when there is none
    host: bytes          # lower-case, without port; b"" for HTTP/1.0 without Host

    def header(self, name: bytes) -> bytes | None:
        """The first value of the header ``name`` (given lower-case), outer white space off; None when absent."""

def parse_request(head: bytes) -> RequestHead:
    """Read and judge a request's head (request line to the empty line, CRLF CRLF included).

    Raises BadRequest.
    """
