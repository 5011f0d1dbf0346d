"""One of the clients of `scripts/bench service`: asks, and keeps its own book of what was acknowledged."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from app.client import Client, Retry
from app.photos import Upload
from pipeline.errors import KnownfaceError, ServiceUnreachableError, SubjectNotFoundError

#: How often each verb is asked for, of a hundred.
MIX = {"identify": 45, "enrol": 20, "remove": 15, "verify": 10, "subject": 10}


@dataclass
class Book:
    """What a client has seen.

    Attributes:
        held: Subjects that were acknowledged, and their sample.
        gone: Subjects whose removal was acknowledged.
        open: Subjects of whom nothing is known: the answer was lost.
        times: (verb, when it was asked, seconds until the answer), in seconds of `time.monotonic`.
        errors: What else was answered, by kind.
        lost: What was acknowledged and then not so, in words.
    """

    held: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    times: list[tuple[str, float, float]] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)


class Asker:
    """A client that asks for one thing after the other.

    Args:
        number: Which one of them.
        url: Of the server.
        photos: Photos that show one face each.
        retry: How patient it is.
    """

    def __init__(self, number: int, url: str, photos: list[bytes], retry: Retry) -> None:
        self.book = Book()
        self._number, self._photos, self._names = number, photos, count()
        self._chance = random.Random(number)  # noqa: S311 - who asks for what
        self._client = Client(url, retry=retry)

    def run(self, until: float) -> Book:
        """Asks until then (`time.monotonic`)."""
        verbs: dict[str, Callable[[], None]] = {name: getattr(self, f"_{name}") for name in MIX}
        with self._client:
            while time.monotonic() < until:
                (verb,) = self._chance.choices(list(MIX), list(MIX.values()))
                verb = "enrol" if verb == "remove" and not self.book.held else verb
                at = time.monotonic()
                try:
                    verbs[verb]()
                except KnownfaceError as error:
                    code = getattr(error, "problem", "") or error.code
                    self.book.errors[f"{verb}: {code}"] += 1
                else:
                    self.book.times.append((verb, at, time.monotonic() - at))
        return self.book

    def _photo(self) -> Upload:
        """A photo whose bytes were never sent before: what follows the end of a JPEG is not looked at."""
        number = next(self._names)
        data = self._photos[(self._number + number) % len(self._photos)]
        return Upload(f"{self._number:02d}-{number}.jpg", data + f"\0{self._number}-{number}".encode())

    def _enrol(self) -> None:
        photo = self._photo()
        name = f"client {photo.name.removesuffix('.jpg')}"
        try:
            (row,) = self._client.enrol(name, [photo])
        except ServiceUnreachableError:
            self.book.open.add(name)
            raise
        if row.error is not None:
            raise row.error
        assert row.sample_id is not None
        self.book.held[name] = row.sample_id

    def _remove(self) -> None:
        name = self._chance.choice(list(self.book.held))
        del self.book.held[name]
        try:
            self._client.remove(name)
        except ServiceUnreachableError:
            self.book.open.add(name)
            raise
        except SubjectNotFoundError:
            self.book.lost.append(f"{name} was enrolled, and is not there to be removed")
        self.book.gone.add(name)

    def _identify(self) -> None:
        (row,) = self._client.identify([self._photo()])
        if row.error is not None:
            raise row.error
        assert row.decisions

    def _verify(self) -> None:
        photo = self._photo()
        if self._client.verify(photo, photo).kind != "match":
            self.book.errors["verify: a photo is not itself"] += 1

    def _subject(self) -> None:
        """Reads what it wrote: who was enrolled is there, who was removed is not."""
        if self.book.held and self._chance.random() < 0.7:
            name = self._chance.choice(list(self.book.held))
            found = [one.id for one in self._client.subject(name).samples]
            if found != [self.book.held[name]]:
                self.book.lost.append(f"{name} has the samples {found}")
        elif self.book.gone:
            name = self._chance.choice(list(self.book.gone))
            try:
                self._client.subject(name)
            except SubjectNotFoundError:
                return
            self.book.lost.append(f"{name} was removed, and is there")


def compare(books: list[Book], client: Client) -> list[str]:
    """Holds what every client knows against what the server has by now; what does not fit, in words."""
    there = {one.name for one in client.subjects(search="client ")}
    held = {name: sample for book in books for name, sample in book.held.items()}
    open_ = set().union(*(book.open for book in books))
    wrong = [text for book in books for text in book.lost]
    wrong += [f"{name} was enrolled, and is gone" for name in held.keys() - there]
    wrong += [f"{name} is there, and nobody enrolled it, or it was removed" for name in there - held.keys() - open_]
    for name in sorted(held.keys() & there):
        found = [one.id for one in client.subject(name).samples]
        if found != [held[name]]:
            wrong.append(f"{name} has the samples {found}")
    return wrong
