"""XML bodies as values, so that a path names what is in them.

An element with nothing but text is that text. Every other is an object:

==============  ======================================================================================================
``@name``       an attribute; of one in a namespace the name is ``@{namespace}name``
``name``        the list of all children of this name, in their order: ``$.order.item[*].price[*]``
``#order``      where children have different names: all these names, in their order
``#text``       its text; a list where children stand between its pieces
``#namespace``  its namespace, where that is another than its parent's
==============  ======================================================================================================

The body is an object of its root: ``$.order``. Values are texts, as XML has no numbers. White space around texts,
comments, processing instructions and prefixes mean nothing. (`gateway.shadow.comparison` looks at ``#order`` with care:
a child that is missing is one difference, not two.)

A document type is refused, so nothing is ever expanded or fetched: such a body is compared as a text.
"""

from __future__ import annotations

import codecs
import re
from typing import Any, Final
from xml.parsers import expat

from gateway.shadow.texts import decode_text

ORDER: Final = "#order"

_DEEPEST: Final = 100
"""Elements within elements; whoever nests deeper is compared as a text."""

_MOST_ELEMENTS: Final = 100_000
"""In a body; so it is with one that has more."""

_DECLARATION: Final = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*\sencoding\s*=\s*["']([A-Za-z0-9_-]+)""")

# What expat puts between a namespace and a name; no name has it.
_BRACE: Final = "}"


class _Element:
    __slots__ = ("_attributes", "_children", "_is_foreign", "_order", "name", "namespace", "pieces")

    def __init__(self, name: str, attributes: dict[str, str], parent: _Element | None) -> None:
        self.namespace, _, self.name = name.rpartition(_BRACE)
        self._attributes = attributes
        self._children: dict[str, list[object]] = {}
        self._order: list[str] = []
        self._is_foreign = self.namespace != (parent.namespace if parent is not None else "")
        self.pieces: list[str] = []
        """Of its text, without those that are white space only."""

    def add(self, name: str, value: object) -> None:
        """A child has ended."""
        self._children.setdefault(name, []).append(value)
        self._order.append(name)

    def fold(self) -> object:
        """All of it; see the module."""
        text = self.pieces[0] if len(self.pieces) == 1 else self.pieces or ""
        value: dict[str, object] = {f"@{_name(name)}": found for name, found in self._attributes.items()}
        if self._is_foreign:
            value["#namespace"] = self.namespace
        value.update(self._children)
        if not value:
            return text
        if len(self._children) > 1:
            value[ORDER] = self._order
        if text:
            value["#text"] = text
        return value


class _Builder:
    """Takes what expat tells, and makes a value of it."""

    def __init__(self) -> None:
        self.root: dict[str, object] = {}
        self._open: list[_Element] = []
        self._text: list[str] = []
        self._count = 0

    def begin(self, name: str, attributes: dict[str, str]) -> None:
        self._end_text()
        self._count += 1
        if len(self._open) == _DEEPEST or self._count > _MOST_ELEMENTS:
            raise ValueError("nested too deep, or too many elements")
        self._open.append(_Element(name, attributes, self._open[-1] if self._open else None))

    def end(self, _name: str) -> None:
        self._end_text()
        element = self._open.pop()
        if self._open:
            self._open[-1].add(element.name, element.fold())
        else:
            self.root = {element.name: element.fold()}

    def take_text(self, text: str) -> None:
        self._text.append(text)

    def refuse(self, *_: Any) -> None:
        raise ValueError("a document type")

    def _end_text(self) -> None:
        text = "".join(self._text).strip()
        self._text.clear()
        if text:
            self._open[-1].pieces.append(text)


def read_xml(body: bytes, charset: str = "") -> dict[str, object]:
    """The value of a body. Raises ValueError where it is not well-formed, or more than is read here."""
    builder = _Builder()
    try:
        parser = expat.ParserCreate(None, _BRACE)
        parser.buffer_text = True
        parser.StartElementHandler = builder.begin
        parser.EndElementHandler = builder.end
        parser.CharacterDataHandler = builder.take_text
        parser.StartDoctypeDeclHandler = builder.refuse
        parser.Parse(_decode(body, charset), True)
    except expat.ExpatError as error:
        raise ValueError(str(error)) from error
    return builder.root


def _decode(body: bytes, charset: str) -> str:
    """As text, so that expat need not know the charset: RFC 7303, section 3, says where it is told."""
    if not charset and body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        charset = "utf-16"
    told = _DECLARATION.match(body)
    return decode_text(body, charset or (told[1].decode().lower() if told is not None else ""))


def _name(attribute: str) -> str:
    return f"{{{attribute}" if _BRACE in attribute else attribute
