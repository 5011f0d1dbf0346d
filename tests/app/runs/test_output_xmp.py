"""app.runs.output.xmp: MWG regions of the stored image; what others wrote stays; another program reads them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import PIL.Image
import pytest
from lxml import etree
from PIL import ImageOps

from app.runs.output.xmp import stored_point, write_xmp
from app.runs.records import FaceRow
from tests.result_rows import MadeRun, face, unknown

Photo = Callable[..., Path]
HW = (60, 100)
NS = {
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "a": "http://ns.adobe.com/xmp/sType/Area#",
    "d": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
}
#: As another program writes it: attributes for fields, a region of its own, a rating, a keyword, a comment.
THEIRS = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:digiKam="http://www.digikam.org/ns/1.0/"
    xmlns:mwg-rs="http://www.metadataworkinggroup.com/schemas/regions/" xmlns:stArea="http://ns.adobe.com/xmp/sType/Area#"
    xmlns:stDim="http://ns.adobe.com/xap/1.0/sType/Dimensions#" xmp:Rating="4"><!-- kept -->
   <digiKam:TagsList><rdf:Seq><rdf:li>People/Zoë</rdf:li><rdf:li>Places/Rome</rdf:li></rdf:Seq></digiKam:TagsList>
   <mwg-rs:Regions rdf:parseType="Resource">
    <mwg-rs:AppliedToDimensions stDim:w="100" stDim:h="60" stDim:unit="pixel"/>
    <mwg-rs:RegionList><rdf:Bag><rdf:li><rdf:Description mwg-rs:Name="Zoë" mwg-rs:Type="Face">
      <mwg-rs:Area stArea:x="0.85" stArea:y="0.5" stArea:w="0.1" stArea:h="0.2" stArea:unit="normalized"/>
    </rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList>
   </mwg-rs:Regions>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


@pytest.fixture
def photo(tmp_path: Path) -> Photo:
    """A JPEG, stored `HW`, that says which way up it is."""

    def make(name: str = "a.jpg", orientation: int = 1, form: str = "JPEG") -> Path:
        exif = PIL.Image.Exif()
        exif[0x0112] = orientation
        file = tmp_path / name
        PIL.Image.new("RGB", HW[::-1], crc32(name.encode()) % 255).save(file, form, exif=exif)
        return file

    return make


def at(photo: Path, box: tuple[float, ...], number: int = 1, **values: Any) -> FaceRow:
    sha256 = hashlib.sha256(photo.read_bytes()).hexdigest()
    return replace(face(str(photo), number, sha256=sha256, image_hw=HW, **values), box=box)  # type: ignore[arg-type]


def regions(file: Path) -> list[tuple[str, list[float]]]:
    root = etree.parse(file)
    found = []
    for item in root.iterfind(".//rs:RegionList/rdf:Bag/rdf:li", NS):
        level = item.find("rdf:Description", NS)
        level = item if level is None else level
        area = level.find("rs:Area", NS)
        numbers = [float(area.get(f"{{{NS['a']}}}{k}") or area.findtext(f"a:{k}", namespaces=NS)) for k in "xywh"]
        found.append((level.get(f"{{{NS['rs']}}}Name") or level.findtext("rs:Name", namespaces=NS), numbers))
    return found


def listed(file: Path, name: str) -> list[str]:
    return [li.text or "" for li in etree.parse(file).iterfind(f".//{{*}}{name}/*/rdf:li", NS)]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "TIFF"])
def test_regions_are_those_of_the_stored_photo(photo: Photo, orientation: int, form: str) -> None:
    file = photo(f"a.{form.lower()}", orientation, form)
    stored = np.zeros((*HW, 3), np.uint8)
    stored[10:20, 30:70] = 255  # in the stored photo; where Pillow shows it is the oracle
    picture = PIL.Image.fromarray(stored)
    picture.getexif()[0x0112] = orientation
    upright = np.asarray(ImageOps.exif_transpose(picture))[..., 0]
    ys, xs = np.nonzero(upright)
    row = at(file, (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
    row = replace(row, image_hw=(upright.shape[0], upright.shape[1]))
    assert write_xmp(MadeRun([row])).failed == []
    sidecar = file.with_name(file.name + ".xmp")
    ((name, numbers),) = regions(sidecar)
    assert name == "Ann"
    assert numbers == pytest.approx([0.5, 0.25, 0.4, 1 / 6], abs=1e-6)
    size = etree.parse(sidecar).find(".//rs:AppliedToDimensions", NS)
    assert [size.findtext(f"d:{k}", namespaces=NS) for k in ("w", "h", "unit")] == ["100", "60", "pixel"]


def test_a_stored_point_of_each_orientation() -> None:
    points = [stored_point(0.1, 0.3, orientation) for orientation in range(1, 9)]
    expected = [(0.1, 0.3), (0.9, 0.3), (0.9, 0.7), (0.1, 0.7), (0.3, 0.1), (0.3, 0.9), (0.7, 0.9), (0.7, 0.1)]
    assert np.allclose(points, expected)


def test_names_go_where_programs_look_and_the_photo_stays(photo: Photo) -> None:
    file, other = photo("a.jpg"), photo("film.mp4")
    before = file.read_bytes(), file.stat().st_mtime_ns
    file.chmod(0o640)
    rows = [at(file, (-5, 0, 20, 30), 1, subject="AC/DC | Zoë <&>"), at(file, (50, 30, 70, 50), 2, subject="Bo")]
    run = MadeRun([*rows, unknown(str(file), 3, sha256=rows[0].sha256), face(str(other), start_s=0.0, end_s=1.0)])
    done = write_xmp(run)
    assert (done.written, done.failed) == (1, [])
    sidecar = Path(f"{file}.xmp")
    assert listed(sidecar, "PersonInImage") == ["AC/DC | Zoë <&>", "Bo"]
    assert listed(sidecar, "TagsList") == ["People/AC_DC | Zoë <&>", "People/Bo"]
    assert listed(sidecar, "hierarchicalSubject") == ["People|AC/DC _ Zoë <&>", "People|Bo"]
    assert regions(sidecar)[0] == ("AC/DC | Zoë <&>", [0.1, 0.25, 0.2, 0.5])
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before
    if os.name == "posix":
        assert stat.S_IMODE(sidecar.stat().st_mode) == 0o640, "as readable as the photo"
    text = sidecar.read_bytes()
    again = write_xmp(run)
    assert (again.written, again.unchanged) == (0, 1)
    assert sidecar.read_bytes() == text


def test_what_others_wrote_stays_and_ours_is_replaced(photo: Photo) -> None:
    file = photo()
    sidecar = Path(f"{file}.xmp")
    sidecar.write_text(THEIRS, "utf-8")
    theirs = etree.tostring(etree.fromstring(THEIRS.encode()))
    write_xmp(MadeRun([at(file, (10, 10, 30, 30), subject="Ann")]))
    assert [name for name, _ in regions(sidecar)] == ["Zoë", "Ann"]
    assert listed(sidecar, "TagsList") == ["People/Zoë", "Places/Rome", "People/Ann"]
    text = sidecar.read_text("utf-8")
    assert 'xmp:Rating="4"' in text
    assert "<!-- kept -->" in text
    assert text.startswith("<?xpacket begin")
    assert text.rstrip().endswith('<?xpacket end="w"?>')

    done = write_xmp(MadeRun([at(file, (10, 10, 30, 30), subject="Bo")]))
    assert done.written == 1
    assert [name for name, _ in regions(sidecar)] == ["Zoë", "Bo"]
    assert listed(sidecar, "TagsList") == ["People/Zoë", "Places/Rome", "People/Bo"]
    text = sidecar.read_text("utf-8")
    assert write_xmp(MadeRun([at(file, (10, 10, 30, 30), subject="Bo")])).unchanged == 1
    assert sidecar.read_text("utf-8") == text

    write_xmp(MadeRun([unknown(str(file))]))
    assert etree.tostring(etree.parse(sidecar).getroot()) == theirs, "ours is out again"


def test_somebody_elses_name_for_the_same_face_holds(photo: Photo) -> None:
    file = photo()
    sidecar = Path(f"{file}.xmp")
    sidecar.write_text(THEIRS, "utf-8")
    done = write_xmp(MadeRun([at(file, (80, 25, 90, 37), subject="Ann")]))
    assert (done.theirs, done.unchanged) == (1, 1)
    assert [name for name, _ in regions(sidecar)] == ["Zoë"]


def test_a_name_that_was_there_is_not_taken_out(photo: Photo) -> None:
    file = photo()
    sidecar = Path(f"{file}.xmp")
    sidecar.write_text(THEIRS, "utf-8")
    write_xmp(MadeRun([at(file, (10, 10, 30, 30), subject="Zoë")]))
    write_xmp(MadeRun([unknown(str(file))]))
    assert listed(sidecar, "TagsList") == ["People/Zoë", "Places/Rome"]


def test_a_sidecar_of_nothing_is_removed(photo: Photo) -> None:
    file = photo()
    write_xmp(MadeRun([at(file, (10, 10, 30, 30))]))
    done = write_xmp(MadeRun([unknown(str(file))]))
    assert done.removed == 1
    assert not Path(f"{file}.xmp").exists()
    assert write_xmp(MadeRun([unknown(str(file))])).failed == []


BOMB = """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "lol"><!ENTITY b "&a;&a;">]><x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="&b;"/></rdf:RDF>
</x:xmpmeta>"""

#: A document type in an encoding whose bytes do not show it, with an entity that canonical XML cannot hold.
HIDDEN = BOMB.replace('"1.0"?>', '"1.0" encoding="UTF-7"?>').replace("<!", "+ADw-!").encode()
RELATIVE = b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><a xmlns="../b"/></rdf:RDF>'


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB.encode(), "document type"),
        (BOMB.encode("utf-16"), "not in UTF-8"),
        (b"", "not well-formed"),
        (HIDDEN, "not well-formed"),
        (RELATIVE, "cannot be compared"),
        (b"<x><y></x>", "not well-formed"),
        (b"<svg/>", "is no XMP"),
        (b"ssh-rsa AAAA", "not well-formed"),
    ],
)
def test_what_is_no_sidecar_is_left_as_it_is(photo: Photo, content: bytes, said: str) -> None:
    file = photo()
    sidecar = Path(f"{file}.xmp")
    sidecar.write_bytes(content)
    ((path, message),) = write_xmp(MadeRun([at(file, (10, 10, 30, 30))])).failed
    assert path == str(file)
    assert said in message
    assert sidecar.read_bytes() == content


def test_links_changed_and_missing_photos_are_rows(photo: Photo, tmp_path: Path) -> None:
    linked, changed, gone = photo("linked.jpg"), photo("changed.jpg"), photo("gone.jpg")
    target = tmp_path / "target.xml"
    target.write_text(THEIRS, "utf-8")
    Path(f"{linked}.xmp").symlink_to(target)
    run = MadeRun([at(one, (10, 10, 30, 30)) for one in (linked, changed, gone)])
    changed.write_bytes(changed.read_bytes() + b"more")
    gone.unlink()
    messages = [message for _, message in write_xmp(run).failed]
    assert ["regular file" in messages[0], "changed since" in messages[1], "gone.jpg" in messages[2]] == [True] * 3
    assert target.read_text("utf-8") == THEIRS
    assert len(list(tmp_path.glob("*.xmp"))) == 1


def test_a_sidecar_by_stem_belongs_to_one_photo(photo: Photo) -> None:
    one, other = photo("a.jpg"), photo("a.png", form="PNG")
    rows = [at(one, (10, 10, 30, 30)), at(other, (10, 10, 30, 30))]
    done = write_xmp(MadeRun(rows), naming="stem")
    assert (done.written, [path for path, _ in done.failed]) == (1, [str(other)])
    assert one.with_suffix(".xmp").is_file()


def test_exiftool_reads_it(photo: Photo) -> None:
    exiftool = shutil.which("exiftool")
    if exiftool is None:
        pytest.skip("exiftool is not installed (Debian: apt-get install libimage-exiftool-perl)")
    file = photo()
    sidecar = Path(f"{file}.xmp")
    sidecar.write_text(THEIRS, "utf-8")
    write_xmp(MadeRun([at(file, (10, 10, 30, 30), subject="Ann")]))
    command = [exiftool, "-j", "-struct", "-validate", "-warning", "-a", "-XMP:all", str(sidecar)]
    (said,) = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    assert "Warning" not in said
    assert said["PersonInImage"] == ["Ann"]
    assert said["TagsList"] == ["People/Zoë", "Places/Rome", "People/Ann"]
    assert said["HierarchicalSubject"] == ["People|Ann"]
    assert said["Rating"] == 4
    info = said["RegionInfo"]
    assert info["AppliedToDimensions"] == {"W": 100, "H": 60, "Unit": "pixel"}
    assert [(r["Name"], r["Type"]) for r in info["RegionList"]] == [("Zoë", "Face"), ("Ann", "Face")]
    assert info["RegionList"][1]["Area"] == {"X": 0.2, "Y": 1 / 3, "W": 0.2, "H": 1 / 3, "Unit": "normalized"} | {
        "Y": 0.333333,
        "H": 0.333333,
    }
