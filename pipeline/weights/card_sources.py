"""Where the bytes of a model come from, as its card says it: one class a kind of source."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

_UNSHOWN = ("Cc", "Zl", "Zp")  # control characters; separators of lines and paragraphs
_TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"  # turn the direction of writing

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class CardPart(BaseModel):
    """A table of a card: frozen, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @field_validator("*")
    @classmethod
    def _no_control_characters(cls, value: object) -> object:
        """Text of a card is shown to people: it may not move the cursor, forge a line or turn the writing round."""
        if isinstance(value, str) and any(unicodedata.category(c) in _UNSHOWN or c in _TURNING for c in value):
            raise ValueError("has control characters")
        return value


class PackageSource(CardPart):
    """One member of a pinned release file in the Python package index.

    Attributes:
        project: Name of the project in the index.
        version: Its release.
        filename: The release file (wheel or source archive).
        sha256: Of the release file.
        size: Of the release file, in bytes; also the limit on what is fetched.
        member: Path of the wanted file inside the archive.
        member_sha256: Of that file.
        member_size: Of that file, in bytes; also the limit on what is unpacked.
        result_sha256: Of the model after the card's transform.
    """

    kind: Literal["package"]
    project: str
    version: str
    filename: str
    sha256: Sha256
    size: int = Field(gt=0)
    member: str
    member_sha256: Sha256
    member_size: int = Field(gt=0)
    result_sha256: Sha256 | None = None

    def describe(self) -> str:
        """Where the bytes come from, for people."""
        return f"{self.project} {self.version} in the Python package index ({self.filename}, {self.member})"


class NpmSource(CardPart):
    """One member of a pinned package of the npm registry, fetched by the user's own npm; nothing of it is run.

    Attributes:
        package: Name of the package.
        version: Its release.
        sha256: Of the package's archive.
        size: Of the archive, in bytes.
        member: Path of the wanted file inside the archive.
        member_sha256: Of that file.
        member_size: Of that file, in bytes; also the limit on what is unpacked.
        result_sha256: Of the model after the card's transform.
    """

    kind: Literal["npm"]
    package: str = Field(pattern=r"^(@[a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$")
    version: str = Field(pattern=r"^[0-9][0-9A-Za-z.+-]*$")
    sha256: Sha256
    size: int = Field(gt=0)
    member: str
    member_sha256: Sha256
    member_size: int = Field(gt=0)
    result_sha256: Sha256 | None = None

    def describe(self) -> str:
        """Where the bytes come from, for people."""
        return f"{self.package} {self.version} in the npm registry ({self.member})"


class UrlSource(CardPart):
    """A file at an https address.

    Attributes:
        url: Address.
        sha256: Of the file.
        size: Of the file, in bytes; also the limit on what is fetched.
        result_sha256: Of the model after the card's transform; None if nobody has measured it yet.
    """

    kind: Literal["url"]
    url: str
    sha256: Sha256
    size: int = Field(gt=0)
    result_sha256: Sha256 | None = None

    def describe(self) -> str:
        """Where the bytes come from, for people."""
        return self.url


class FileSource(CardPart):
    """A file on this machine.

    Attributes:
        path: Where it is.
        member: Path of the wanted file inside it, if it is an archive.
        sha256: Of the (wanted) file.
        result_sha256: Of the model after the card's transform.
    """

    kind: Literal["file"]
    path: str
    member: str = ""
    sha256: Sha256
    result_sha256: Sha256 | None = None

    def describe(self) -> str:
        """Where the bytes come from, for people."""
        return f"{self.path} ({self.member})" if self.member else self.path


class PackSource(CardPart):
    """One file of an InsightFace pack, fetched by the `insightface` package's own download function.

    Attributes:
        pack: Name of the pack, e.g. `buffalo_l`.
        member: Name of the file in it.
        sha256: Of that file, None where it could not be established.
        result_sha256: Of the model after the card's transform.
    """

    kind: Literal["insightface"]
    pack: str = Field(pattern=r"^[a-z0-9_]+$")
    member: str
    sha256: Sha256 | None = None
    result_sha256: Sha256 | None = None

    def describe(self) -> str:
        """Where the bytes come from, for people."""
        return f"InsightFace pack {self.pack} ({self.member})"


Source = Annotated[PackageSource | NpmSource | UrlSource | FileSource | PackSource, Field(discriminator="kind")]


def file_hash(source: Source) -> str | None:
    """SHA-256 of the file a source gives, before the transform; None where the card does not know it."""
    return source.member_sha256 if isinstance(source, PackageSource | NpmSource) else source.sha256
