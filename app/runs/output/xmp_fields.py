"""What stands in an XMP sidecar: fields of structures in each of its notations, and which regions are ours."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from lxml import etree

NAMESPACES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "digiKam": "http://www.digikam.org/ns/1.0/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "knownface": "urn:knownface:xmp/1.0/",
}
FACE_ID = "knownface:FaceId"  # in the extensions of a region: it is ours


def tag(name: str) -> str:
    """`prefix:name` as the parser says it."""
    prefix, _, local = name.partition(":")
    return f"{{{NAMESPACES[prefix]}}}{local}"


def _levels(structure: Any) -> Iterator[Any]:
    """Where the fields of a structure may stand: on it, or on the rdf:Description in it."""
    yield structure
    inner = structure.find(tag("rdf:Description"))
    if inner is not None:
        yield inner


def field_of(structure: Any, name: str) -> str | None:
    """A field's text: an attribute or an element."""
    for level in _levels(structure):
        if (value := level.get(tag(name))) is not None:
            return str(value)
        if (child := level.find(tag(name))) is not None:
            return str(child.text or "")
    return None


def area_of(item: Any) -> tuple[float, float, float, float] | None:
    """x, y, w, h of a region; None where they cannot be read."""
    for level in _levels(item):
        area = level.find(tag("mwg-rs:Area"))
        if area is not None:
            try:
                x, y, w, h = (float(field_of(area, f"stArea:{key}") or "") for key in ("x", "y", "w", "h"))
            except ValueError:
                return None
            return (x, y, w, h) if all(map(isfinite, (x, y, w, h))) else None
    return None


def is_ours(item: Any) -> bool:
    """Whether a region was put in by us."""
    return face_id_of(item) is not None


def face_id_of(item: Any) -> str | None:
    """Of a region that we have put in; None of another program's."""
    for node in item.iter(etree.Element):
        if node.tag == tag(FACE_ID):
            return str(node.text or "")
        if (value := node.get(tag(FACE_ID))) is not None:
            return str(value)
    return None
