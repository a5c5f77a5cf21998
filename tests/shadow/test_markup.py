from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.shadow.markup import read_xml

BOMB = b'<!DOCTYPE a [<!ENTITY x "haha"><!ENTITY y "&x;&x;&x;">]><a>&y;</a>'


def test_a_path_names_what_is_in_a_document() -> None:
    """An element with nothing but text is that text, children are lists by name."""
    body = b"""
        <order id="7"><item sku="a"><price>10.00</price></item><item><price>5</price><note/></item></order>
    """

    assert read_xml(body.strip()) == {
        "order": {
            "@id": "7",
            "item": [
                {"@sku": "a", "price": ["10.00"]},
                {"price": ["5"], "note": [""], "#order": ["price", "note"]},
            ],
        }
    }


@pytest.mark.parametrize(
    "other",
    [
        b"<a><b>1</b><c k='v' l='w'/></a>",
        b"<a>\n  <b> 1\n</b>\n  <c l='w' k='v'></c>\n</a>",
        b"<?xml version='1.0'?><a><!-- x --><b><![CDATA[1]]></b><?go?><c k='&#118;' l='w'/></a>",
        b"<?xml version='1.0' encoding='iso-8859-1'?><a><b>1</b><c k='v' l='w'/></a>",
        "<a><b>1</b><c k='v' l='w'/></a>".encode("utf-16"),
    ],
)
def test_two_ways_to_write_the_same_are_the_same(other: bytes) -> None:
    """Layout, comments, the order of attributes and encodings mean nothing."""
    assert read_xml(other) == read_xml(b"<a><b>1</b><c k='v' l='w'/></a>")


def test_prefixes_mean_nothing_but_namespaces_do() -> None:
    """A namespace is told where it is another than the parent's."""
    first = read_xml(b'<s:a xmlns:s="urn:1"><s:b/><c xmlns="urn:2" s:d="e"/></s:a>')

    assert first == read_xml(b'<a xmlns="urn:1" xmlns:x="urn:1"><b/><o:c xmlns:o="urn:2" x:d="e"/></a>')
    assert first == {
        "a": {"#namespace": "urn:1", "b": [""], "c": [{"@{urn:1}d": "e", "#namespace": "urn:2"}], "#order": ["b", "c"]}
    }


def test_texts_between_children_are_kept() -> None:
    """Mixed content loses none of its pieces, and knows the order of its children."""
    assert read_xml(b"<p>one <b>two</b> three <i>four</i></p>") == {
        "p": {"b": ["two"], "i": ["four"], "#order": ["b", "i"], "#text": ["one", "three"]}
    }


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"no markup",
        b"<a>",
        b"<a></b>",
        BOMB,
        b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
        b"<a>" * 101 + b"</a>" * 101,
        b"<?xml version='1.0' encoding='unicode_escape'?><a/>",
        b"<a>\xff</a>",
        b"<a>" + b"<b/>" * 100_000 + b"</a>",
    ],
)
def test_what_is_not_well_formed_or_not_harmless_is_refused(body: bytes) -> None:
    """Nothing is expanded, nothing fetched, and Python's odd codecs are out of reach."""
    with pytest.raises(ValueError):
        read_xml(body)


def test_a_long_text_is_one_text() -> None:
    """However many pieces the parser hands over."""
    assert read_xml(b"<a>" + b"xy &amp; " * 20_000 + b"z</a>") == {"a": "xy & " * 20_000 + "z"}


@given(
    st.lists(st.sampled_from([b"<a>", b"</a>", b"<a b='c'/>", b"x", b"&lt;", b"&x;", b"<!--", b"<![CDATA[", b"\xff"]))
)
def test_bytes_are_read_or_refused(pieces: list[bytes]) -> None:
    """Nothing else comes of any of them."""
    try:
        read_xml(b"".join(pieces))
    except ValueError:
        return
