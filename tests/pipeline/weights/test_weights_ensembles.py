"""Ensembles among the models: what their cards may say, when they are installed, and what their identity covers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from weights_helpers import FACE, FREE, embedder, sha

from pipeline.errors import CardError, ModelDamagedError, ModelMissingError
from pipeline.weights import Card, Member, ModelStore, load_cards
from pipeline.weights.add import write_card
from pipeline.weights.card_sources import FileSource
from pipeline.weights.ensembles import ensemble_sha256, read_label

PARTS = [{"name": "one.a", "weight": 0.4, "flip": True}, {"name": "two.b", "weight": 0.6}]


def ensemble(**changes: Any) -> Card:
    values: dict[str, Any] = {
        "name": "one.a+flip+two.b",
        "task": "embedder",
        "family": "ensemble",
        "dimension": 8,
        "members": PARTS,
        "licence": FREE,
    }
    return Card.model_validate({**values, **changes})


def network(name: str, file: Path, **changes: Any) -> Card:
    source = FileSource(kind="file", path=str(file), sha256=sha(file.read_bytes()))
    card = Card(
        name=name,
        task="embedder",
        family="arcface",
        sources=(source,),
        preprocessing=FACE,
        dimension=4,
        licence=FREE,
    )
    return card.model_copy(update=changes)


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    cards = {"one.a+flip+two.b": ensemble()}
    for number, name in enumerate(("one.a", "two.b")):
        file = tmp_path / f"{name}.onnx"
        file.write_bytes(embedder(dimension=4, seed=number))
        cards[name] = network(name, file)
    return ModelStore(tmp_path / "models", cards)


def test_it_is_installed_when_its_members_are(store: ModelStore) -> None:
    name = "one.a+flip+two.b"
    assert store.networks(name) == ["one.a", "two.b"]
    assert store.networks("one.a") == ["one.a"]
    assert store.networks("a_pack") == ["a_pack"]
    with pytest.raises(ModelMissingError, match=r"one\.a is not installed"):
        store.installed(name)
    row = next(row for row in store.list() if row.card.name == name)
    assert (row.installed, row.problem) == (None, "")
    pulled = store.pull(name)
    assert pulled == store.installed(name) == store.verify(name) == store.pull(name)
    assert [member.card.name for member in pulled.members] == ["one.a", "two.b"]
    assert pulled.sha256 == ensemble_sha256(pulled.card, [member.sha256 for member in pulled.members])
    assert pulled.model_id == f"{name}@{pulled.sha256[:8]}"
    row = next(row for row in store.list() if row.card.name == name)
    assert row.size == sum(member.file.stat().st_size for member in pulled.members)
    store.installed("two.b").file.write_bytes(b"damaged")
    with pytest.raises(ModelDamagedError):
        store.verify(name)
    row = next(row for row in store.list() if row.card.name == name)
    assert row.installed is None
    assert "not the file that was installed" in row.problem


def test_its_identity_covers_networks_options_and_weights() -> None:
    card = ensemble()
    same = ensemble_sha256(card, ["0" * 64, "1" * 64])
    assert same == ensemble_sha256(ensemble(), ["0" * 64, "1" * 64])
    weights = [{**PARTS[0], "weight": 0.41}, {**PARTS[1], "weight": 0.59}]
    views = [{**PARTS[0], "zooms": [0.94]}, PARTS[1]]
    others = [
        ensemble_sha256(card, ["0" * 64, "2" * 64]),
        ensemble_sha256(ensemble(members=weights), ["0" * 64, "1" * 64]),
        ensemble_sha256(ensemble(members=views, name="one.a+flip+zoom0.94+two.b"), ["0" * 64, "1" * 64]),
    ]
    assert len({same, *others}) == 4


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"name": "one.a+two.b"}, "its members' names"),
        ({"name": "one.a"}, "its members' names"),
        ({"members": [PARTS[0], {**PARTS[1], "weight": 0.5}]}, "sum to 1"),
        ({"members": [PARTS[0], {**PARTS[1], "weight": 0.0}]}, "greater than 0"),
        ({"members": [PARTS[0], {**PARTS[1], "zooms": [9.0]}]}, "less than or equal to 2"),
        ({"preprocessing": FACE}, "has members instead"),
        ({"transform": ["clean"]}, "has members instead"),
        ({"task": "detector", "dimension": None}, "has members instead"),
        ({"family": "arcface"}, "belong to an ensemble"),
        ({"family": "arcface", "members": [], "name": "one.a"}, "needs its preprocessing"),
        ({"family": "arcface", "members": [], "preprocessing": FACE}, "belong to an ensemble"),
        ({"dimension": None}, "dimension belongs to an embedder"),
    ],
)
def test_cards_that_contradict_themselves_are_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ensemble(**changes)


def test_members_that_do_not_fit_are_named(store: ModelStore, tmp_path: Path) -> None:
    store.pull("one.a+flip+two.b")
    cards = {**store.cards, "one.a+flip+two.b": ensemble(dimension=9)}
    with pytest.raises(CardError, match="its dimension is not the sum"):
        ModelStore(store.models_dir, cards).installed("one.a+flip+two.b")
    cards["two.b"] = store.card("two.b").model_copy(update={"task": "detector", "dimension": None})
    with pytest.raises(CardError, match=r"its member two\.b is not a single embedder"):
        ModelStore(store.models_dir, cards).installed("one.a+flip+two.b")


def test_a_card_survives_being_written(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    card = ensemble(
        provenance="fitted on made-up photos", members=[{**PARTS[0], "weight": 0.125}, {**PARTS[1], "weight": 0.875}]
    )
    write_card(store, card)
    assert store.card(card.name) == card


@pytest.mark.parametrize(
    ("label", "member"),
    [
        ("one.a", Member(name="one.a", weight=1)),
        ("one.a+flip", Member(name="one.a", weight=1, flip=True)),
        ("one.a+zoom0.94_1.06", Member(name="one.a", weight=1, zooms=(0.94, 1.06))),
        ("one.a+flip+zoom1.1", Member(name="one.a", weight=1, flip=True, zooms=(1.1,))),
    ],
)
def test_a_label_says_what_a_member_sees(label: str, member: Member) -> None:
    assert read_label(label) == member
    assert member.label == label


@pytest.mark.parametrize(
    "label", ["", "one", "one.a+", "one.a+flop", "one.a+zoom", "one.a+zoom9", "one.a+two.b", "../x.y"]
)
def test_other_labels_are_refused_by_name(label: str) -> None:
    with pytest.raises(CardError, match="is no member of an ensemble"):
        read_label(label)


def test_an_ensemble_nobody_has_made_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"models fuse sface\.2021dec yunet\.2023mar --folder DIR"):
        ModelStore(tmp_path).installed("sface.2021dec+yunet.2023mar")


def test_the_ensembles_that_come_along_name_cards_that_come_along() -> None:
    cards = load_cards()
    for card in cards.values():
        parts = [cards[member.name] for member in card.members]
        if parts:
            assert card.dimension == sum(part.dimension or 0 for part in parts)
            assert card.licence.commercial_use == all(part.licence.commercial_use for part in parts)
            assert all(part.licence.weights in card.licence.weights for part in parts)
            hashes = [next(source.result_sha256 for source in part.sources) or "" for part in parts]
            identity = f"{card.name}@{ensemble_sha256(card, hashes)[:8]}"
            assert {point.model_id for point in card.operating_points} <= {identity}
