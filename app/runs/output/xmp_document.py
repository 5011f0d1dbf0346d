"""An XMP sidecar as a document: names and face regions are put in, and what other programs wrote stays.

Face regions follow the Metadata Working Group's Guidelines for Handling Image Metadata 2.0 (2010), section 5.9: centre
and size of each, as shares of the *stored* image, before its Exif orientation is applied. The serialisation is that of
XMP (ISO 16684-1:2019); all three of its notations of a structure are read.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from app.runs.output.xmp_fields import FACE_ID, NAMESPACES, area_of, face_id_of, field_of, is_ours, tag

_LISTS = {"Iptc4xmpExt:PersonInImage": "Bag", "digiKam:TagsList": "Seq", "lr:hierarchicalSubject": "Bag"}
_ADDED = "knownface:Added"  # what we have put into those lists, so that it can be taken out again
_SAME = 0.5  # intersection over union from which two regions are of one face
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="Knownface">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"/></x:xmpmeta><?xpacket end="w"?>'
)


class XmpError(ValueError):
    """A sidecar that cannot be merged with; the message says why, as the end of `<file>: `."""


@dataclass(frozen=True, slots=True)
class Region:
    """A named face.

    Attributes:
        name: Whose.
        face_id: Its stable name.
        x, y: Centre, as shares of width and height of the stored image.
        w, h: Size, likewise.
    """

    name: str
    face_id: str
    x: float
    y: float
    w: float
    h: float

    def overlap(self, other: tuple[float, float, float, float]) -> float:
        """Intersection over union with another region (x, y, w, h)."""
        x, y, w, h = other
        across = min(self.x + self.w / 2, x + w / 2) - max(self.x - self.w / 2, x - w / 2)
        down = min(self.y + self.h / 2, y + h / 2) - max(self.y - self.h / 2, y - h / 2)
        both = max(across, 0.0) * max(down, 0.0)
        return both / max(self.w * self.h + w * h - both, 1e-12)


class Sidecar:
    """One document.

    Args:
        data: The file's bytes; None for a new one.

    Raises:
        XmpError: It is no XMP, is not in UTF-8, or has a document type.
    """

    def __init__(self, data: bytes | None) -> None:
        self._new = data is None
        source = _EMPTY.encode() if data is None else data
        if b"\0" in source:
            raise XmpError("is not in UTF-8")
        if b"<!" in source.replace(b"<!--", b"").replace(b"<![CDATA[", b""):
            raise XmpError("has a document type, which no XMP has")
        parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, encoding="utf-8")
        try:
            self._tree = etree.ElementTree(etree.fromstring(source, parser))
        except etree.XMLSyntaxError as error:
            raise XmpError(f"is not well-formed ({error.msg})") from error
        if self._tree.docinfo.doctype or next(self._tree.iter(etree.Entity), None) is not None:
            raise XmpError("has a document type, which no XMP has")
        root = self._tree.getroot()
        found = root if root.tag == tag("rdf:RDF") else root.find(tag("rdf:RDF"))
        if found is None:
            raise XmpError("is no XMP")
        self._rdf = found
        self._source = source
        try:
            self._canonical = etree.tostring(self._tree, method="c14n")
        except etree.C14NError as error:  # a namespace that is a relative address
            raise XmpError("cannot be compared with what it would become") from error

    def update(self, regions: Sequence[Region], stored_hw: tuple[int, int] | None) -> int:
        """Puts these names and regions in, in place of those that were put in before.

        A region of another program that has a name and covers the same face holds: ours is left out, with its name.

        Args:
            regions: Those wanted; none takes ours out.
            stored_hw: Height and width of the stored image; None where there are no regions.

        Returns:
            How many were left out.
        """
        self._take_out()
        self._prune()
        if self.empty:  # nothing of anybody else's: laid out as a new one
            self._new, self._tree = True, etree.ElementTree(etree.fromstring(_EMPTY.encode()))
            self._rdf = self._tree.getroot()[0]
        theirs = [
            area for item in self._items("mwg-rs:Regions") if field_of(item, "mwg-rs:Name") and (area := area_of(item))
        ]
        wanted = [one for one in regions if all(one.overlap(area) < _SAME for area in theirs)]
        if wanted and stored_hw is not None:
            self._add_regions(wanted, stored_hw, keep_size=bool(theirs))
            self._add_names(list(dict.fromkeys(one.name for one in wanted)))
        return len(regions) - len(wanted)

    def take_away(self, name: str, faces: Collection[str]) -> None:
        """Takes out what we have put in of one person: regions of the name or of these faces, and names in lists.

        Args:
            name: Whose.
            faces: Their faces, which may stand there under another name that they had.
        """
        gone, stay = {name}, set()
        for item in self._items("mwg-rs:Regions"):
            named = field_of(item, "mwg-rs:Name") or ""
            if is_ours(item) and (named == name or face_id_of(item) in faces):
                gone.add(named)
                item.getparent().remove(item)
            else:
                stay.add(named)
        gone -= stay - {name}
        values = {(key, value) for one in gone for key, value in zip(_LISTS, _entries(one), strict=True)}
        for added in self._items(_ADDED):
            key, _, value = (added.text or "").partition("=")
            if (key, value) in values:
                for item in self._items(key):
                    if item.text == value:
                        item.getparent().remove(item)
                added.getparent().remove(added)
        self._prune()

    @property
    def empty(self) -> bool:
        """Whether nothing is in it."""
        return not len(self._rdf)

    def data(self) -> bytes:
        """The file's bytes, UTF-8: those it had, where nothing has changed."""
        if not self._new and etree.tostring(self._tree, method="c14n") == self._canonical:
            return self._source
        if self._new:
            etree.indent(self._rdf.getparent(), " ")
        return bytes(etree.tostring(self._tree, encoding="utf-8", xml_declaration=False)) + b"\n"

    # --- reading

    def _property(self, name: str) -> Any:
        return next((d.find(tag(name)) for d in self._descriptions() if d.find(tag(name)) is not None), None)

    def _descriptions(self) -> Any:
        return self._rdf.findall(tag("rdf:Description"))

    def _items(self, name: str) -> list[Any]:
        """The items of a list, or of the region list below `mwg-rs:Regions`."""
        found = self._property(name)
        holder = found if found is None or name != "mwg-rs:Regions" else found.find(f".//{tag('mwg-rs:RegionList')}")
        return [] if holder is None else [item for box in holder for item in box if item.tag == tag("rdf:li")]

    # --- changing

    def _take_out(self) -> None:
        for item in self._items("mwg-rs:Regions"):
            if is_ours(item):
                item.getparent().remove(item)
        for entry in [(item.text or "").partition("=") for item in self._items(_ADDED)]:
            for item in self._items(entry[0]) if entry[0] in _LISTS else ():
                if item.text == entry[2]:
                    item.getparent().remove(item)
        for item in self._items(_ADDED):
            item.getparent().remove(item)

    def _container(self, name: str, kind: str) -> Any:
        """The rdf:Bag or rdf:Seq of a list, made if need be."""
        found = self._property(name)
        if found is None:
            found = etree.SubElement(self._description(name.partition(":")[0]), tag(name))
        boxes = (box for box in found if box.tag in {tag(f"rdf:{k}") for k in ("Bag", "Seq", "Alt")})
        box = next(boxes, None)
        return etree.SubElement(found, tag(f"rdf:{kind}")) if box is None else box

    def _description(self, *prefixes: str) -> Any:
        """A new rdf:Description about the same thing as those that are there."""
        about = next((d.get(tag("rdf:about")) for d in self._descriptions()), None) or ""
        names = {prefix: NAMESPACES[prefix] for prefix in prefixes}
        made = etree.SubElement(self._rdf, tag("rdf:Description"), nsmap=names)
        made.set(tag("rdf:about"), about)
        return made

    def _add_regions(self, regions: Sequence[Region], stored_hw: tuple[int, int], *, keep_size: bool) -> None:
        holder = self._property("mwg-rs:Regions")
        if holder is None:
            description = self._description("mwg-rs", "stArea", "stDim", "knownface")
            holder = _structure(description, "mwg-rs:Regions")
        inner = holder.find(tag("rdf:Description"))
        fields = holder if inner is None else inner
        size = fields.find(tag("mwg-rs:AppliedToDimensions"))
        if size is None or not keep_size:
            if size is not None:
                fields.remove(size)
            size = _structure(fields, "mwg-rs:AppliedToDimensions", first=True)
            for key, value in (("w", stored_hw[1]), ("h", stored_hw[0]), ("unit", "pixel")):
                etree.SubElement(size, tag(f"stDim:{key}")).text = str(value)
        listed = fields.find(tag("mwg-rs:RegionList"))
        if listed is None:
            listed = etree.SubElement(fields, tag("mwg-rs:RegionList"))
        box = etree.SubElement(listed, tag("rdf:Bag")) if not len(listed) else listed[0]
        for region in regions:
            _add_region(box, region)

    def _add_names(self, names: Sequence[str]) -> None:
        added = []
        for name in names:
            for (key, kind), value in zip(_LISTS.items(), _entries(name), strict=True):
                if all(item.text != value for item in self._items(key)):
                    etree.SubElement(self._container(key, kind), tag("rdf:li")).text = value
                    added.append(f"{key}={value}")
        for entry in added:
            etree.SubElement(self._container(_ADDED, "Bag"), tag("rdf:li")).text = entry

    def _prune(self) -> None:
        """Removes lists that are empty, and what is empty without them."""
        for name in (*_LISTS, _ADDED, "mwg-rs:Regions"):
            found = self._property(name)
            if found is not None and not self._items(name):
                description = found.getparent()
                description.remove(found)
                if not len(description) and set(description.attrib) <= {tag("rdf:about")}:
                    self._rdf.remove(description)


def _entries(name: str) -> tuple[str, str, str]:
    """A name as it stands in each of the lists."""
    return name, f"People/{name.replace('/', '_')}", f"People|{name.replace('|', '_')}"


def _structure(parent: Any, name: str, *, first: bool = False) -> Any:
    made = etree.Element(tag(name))
    made.set(tag("rdf:parseType"), "Resource")
    parent.insert(0 if first else len(parent), made)
    return made


def _add_region(box: Any, region: Region) -> None:
    names = {prefix: NAMESPACES[prefix] for prefix in ("mwg-rs", "stArea", "knownface")}
    item = etree.SubElement(box, tag("rdf:li"), nsmap=names)
    item.set(tag("rdf:parseType"), "Resource")
    area = _structure(item, "mwg-rs:Area")
    for key in ("x", "y", "w", "h"):
        etree.SubElement(area, tag(f"stArea:{key}")).text = f"{getattr(region, key):.6f}"
    etree.SubElement(area, tag("stArea:unit")).text = "normalized"
    etree.SubElement(item, tag("mwg-rs:Name")).text = region.name
    etree.SubElement(item, tag("mwg-rs:Type")).text = "Face"
    extensions = _structure(item, "mwg-rs:Extensions")
    etree.SubElement(extensions, tag(FACE_ID)).text = region.face_id
