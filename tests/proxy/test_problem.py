"""The gateway's own answers are problem documents."""

from __future__ import annotations

import json

from gateway.errors import BadRequest, NoRoute
from gateway.proxy.problem import problem_response


def test_a_problem_names_itself_and_the_request() -> None:
    """RFC 9457, with the request's ID."""
    head, _, body = problem_response(
        BadRequest("two Hosts"), b"id-1", method=b"GET", ours=b"X-A: b\r\n", keep_alive=False
    ).partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")

    assert lines[0] == b"HTTP/1.1 400 Bad Request"
    assert {b"Content-Type: application/problem+json", b"X-Request-ID: id-1", b"X-A: b", b"Connection: close"} <= set(
        lines
    )
    assert b"Content-Length: %d" % len(body) in lines
    assert json.loads(body) == {
        "type": "about:blank",
        "title": "Bad Request",
        "status": 400,
        "detail": "two Hosts",
        "request_id": "id-1",
    }


def test_the_answer_to_a_head_has_no_body() -> None:
    """Its length is that of the document all the same."""
    answer = problem_response(NoRoute("none"), b"1", method=b"HEAD", ours=b"", keep_alive=True)

    assert answer.endswith(b"\r\n\r\n")
    assert b"Connection" not in answer
