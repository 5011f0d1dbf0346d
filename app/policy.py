"""The policy: what an operator demands before somebody is enrolled, how long anything is kept, what is logged.

A TOML file: the one that the settings name, or `policy.toml` in the user's data folder, or else the profile `home`.
Profiles ship in data/policies/.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.config import Settings, parse_toml, read_text
from pipeline.errors import ConfigError, ConsentMissingError
from pipeline.gallery import private
from pipeline.weights import data_dir

if TYPE_CHECKING:
    from pipeline.gallery import NewConsent

PROFILES = ("home", "strict")
FILE = "policy.toml"
MOST_DAYS = 36_525
"""A hundred years: what is counted from today stays within the calendar."""

Decisions = Literal["off", "summary", "each"]
Lookalikes = Literal["off", "warn", "refuse"]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DefaultConsent(_Section):
    """The consent that is recorded where an enrolment names none.

    Attributes:
        purpose: What for.
        basis: The legal basis.
        days: For how long; None for no end.
        text_version: Which wording.
    """

    purpose: str = Field(min_length=1)
    basis: str = "consent"
    days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    text_version: str | None = None


class ConsentPolicy(_Section):
    """What is demanded of a consent.

    Attributes:
        required: Nobody is enrolled without one in force.
        purposes: The purposes there may be; empty for any.
        max_days: How far ahead it may end, and that it has to end; None for no limit.
        default: What is recorded where an enrolment names none.
    """

    required: bool = False
    purposes: tuple[str, ...] = ()
    max_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    default: DefaultConsent | None = None


class EnrolmentPolicy(_Section):
    """What is looked at before a photo is enrolled.

    Attributes:
        lookalikes: `warn` of a photo that looks like somebody else, or unlike the subject's others; `refuse` the
            former; `off`: nobody looks.
    """

    lookalikes: Lookalikes = "warn"


class RetentionPolicy(_Section):
    """How long what is kept.

    Attributes:
        grace_days: Somebody is kept this long after the last consent has ended or was withdrawn.
        max_age_days: Somebody is kept this long after the newest photo was enrolled; None for ever.
        runs_days: A run of `identify` is kept this long after it was touched last; None for ever.
    """

    grace_days: int = Field(default=0, ge=0, le=MOST_DAYS)
    max_age_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)
    runs_days: int | None = Field(default=None, ge=1, le=MOST_DAYS)

    @property
    def grace(self) -> timedelta:
        """`grace_days`."""
        return timedelta(days=self.grace_days)

    @property
    def max_age(self) -> timedelta | None:
        """`max_age_days`."""
        return None if self.max_age_days is None else timedelta(days=self.max_age_days)


class AuditPolicy(_Section):
    """What of searching is logged; changes always are.

    Attributes:
        decisions: `off`; `summary`: how many photos, faces and decisions of which kind; `each`: every photo by its
            SHA-256 and every decision, with whom it names by the random id.
    """

    decisions: Decisions = "off"


class Policy(_Section):
    """A policy.

    Attributes:
        name: What it is called.
        consent: What is demanded of a consent.
        enrolment: What is looked at before a photo is enrolled.
        retention: How long what is kept.
        audit: What of searching is logged.
    """

    name: str = Field(min_length=1)
    consent: ConsentPolicy = ConsentPolicy()
    enrolment: EnrolmentPolicy = EnrolmentPolicy()
    retention: RetentionPolicy = RetentionPolicy()
    audit: AuditPolicy = AuditPolicy()

    @classmethod
    def read(cls, file: Path) -> Self:
        """Reads a policy from its TOML file.

        Raises:
            ConfigError: It cannot be read, or has a key or value that is not allowed.
        """
        values: dict[str, Any] = parse_toml(read_text(file, ConfigError), file, ConfigError)
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ConfigError(f"{file}: {where}: {first['msg']}") from error

    def consent_for(self, given: NewConsent | None) -> NewConsent | None:
        """The consent to record: the one given, or else the default; None where there is neither.

        Raises:
            ConsentMissingError: It is for a purpose that is not allowed, has ended, or does not end in time.
        """
        found = given or self._default()
        if found is None:
            return None
        now, rule = datetime.now(UTC), self.consent
        if rule.purposes and found.purpose not in rule.purposes:
            allowed = ", ".join(rule.purposes)
            raise ConsentMissingError(f"the policy {self.name} knows no purpose {found.purpose!r}: choose {allowed}")
        if found.expires is not None and found.expires <= now:
            raise ConsentMissingError(f"the consent ended on {found.expires:%Y-%m-%d}: nobody is enrolled with that")
        if rule.max_days is not None:
            latest = now + timedelta(days=rule.max_days)
            if found.expires is None or found.expires > latest:
                raise ConsentMissingError(
                    f"the policy {self.name} wants a consent to end by {latest:%Y-%m-%d}: give --consent-until"
                )
        return found

    def _default(self) -> NewConsent | None:
        chosen = self.consent.default
        if chosen is None:
            return None
        from pipeline.gallery import NewConsent

        until = None if chosen.days is None else datetime.now(UTC) + timedelta(days=chosen.days)
        return NewConsent(chosen.purpose, chosen.basis, until, chosen.text_version)


def profile_file(name: str) -> Path:
    """The file of a profile that ships.

    Raises:
        ConfigError: There is no such profile.
    """
    if name not in PROFILES:
        raise ConfigError(f"{name!r} is no policy profile: choose {' or '.join(PROFILES)}, or name a file")
    return data_dir() / "policies" / f"{name}.toml"


def policy_file(settings: Settings) -> Path:
    """The file of the policy in force."""
    if settings.policy:
        return Path(settings.policy).expanduser()
    own = settings.home / FILE
    return own if os.path.lexists(own) else profile_file("home")  # a link to nowhere is no leave to do without


def install(settings: Settings, source: Path) -> Policy:
    """Copies a policy to the place where it is in force; returns it.

    Raises:
        ConfigError: It is no policy, the settings name a file of their own, or it cannot be written.
    """
    chosen = Policy.read(source)
    if settings.policy:
        raise ConfigError(f"the settings name the policy {settings.policy}: change that file, or take the setting out")
    place = settings.home / FILE
    temporary = place.with_name(f"{FILE}.tmp")
    try:
        private.make_folder(settings.home)
        private.new_file(temporary)  # who may write it could let anybody be enrolled
        temporary.write_bytes(source.read_bytes())
        temporary.replace(place)
    except OSError as error:
        raise ConfigError(f"{place}: the policy cannot be written ({error.strerror})") from error
    return chosen


def load_policy(settings: Settings) -> Policy:
    """The policy in force.

    Raises:
        ConfigError: As `Policy.read`; or others may write it, who could let anybody be enrolled and leave no trace.
    """
    file = policy_file(settings)
    if not file.is_relative_to(data_dir()) and file.is_file() and private.others_may(file, private.WRITE):
        raise ConfigError(f"{file}: others may write the policy: run `chmod go-w {file}`, and see that it is yours")
    return Policy.read(file)
