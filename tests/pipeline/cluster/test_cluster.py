"""pipeline.cluster against slow versions; the same faces in any order, and constraints that hold."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.cluster import MILLION, Graph, chinese_whispers, cluster, graph, neighbour_graph
from pipeline.types import F32

SEEDS = st.integers(0, 10_000)


def crowd(
    seed: int, people: int = 6, most: int = 6, dimension: int = 16, spread: float = 0.35
) -> tuple[F32, list[int]]:
    """Faces of made people, (N, D) float32 unit rows, and whose they are."""
    rng = np.random.default_rng(seed)
    rows, owners = [], []
    for person in range(people):
        centre = rng.standard_normal(dimension)
        centre /= np.linalg.norm(centre)
        for _ in range(int(rng.integers(1, most + 1))):
            row = centre + spread * rng.standard_normal(dimension) / 2
            rows.append(row / np.linalg.norm(row))
            owners.append(person)
    return np.array(rows, np.float32), owners


def named(count: int) -> list[str]:
    """Identities whose order is not that of the rows."""
    return [f"{(7919 * row) % 104729:06d}" for row in range(count)]


def slow_edges(vectors: F32, threshold: float, most: int) -> dict[tuple[int, int], int]:
    scores = np.rint((vectors.astype(np.float64) @ vectors.T.astype(np.float64)) * MILLION).astype(int)
    found = {}
    for i in range(len(vectors)):
        near = sorted((-scores[i, j], j) for j in range(len(vectors)) if j != i and scores[i, j] >= threshold * MILLION)
        for _, j in near[:most]:
            found[min(i, j), max(i, j)] = scores[i, j]
    return found


@pytest.mark.parametrize("most", [1, 3, 100])
@pytest.mark.parametrize("tile", [1, 50, 1 << 23])
def test_the_graph_has_every_near_neighbour_and_no_other(most: int, tile: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph, "_TILE", tile)
    vectors, _ = crowd(1)
    made = neighbour_graph(vectors, 0.3, most)
    wanted = slow_edges(vectors, 0.3, most)
    ends = np.repeat(np.arange(len(made)), np.diff(made.starts))
    found = {(int(a), int(b)): int(s) for a, b, s in zip(ends, made.neighbours, made.scores, strict=True)}
    assert len(wanted) > 10
    assert {pair for pair in found if pair[0] < pair[1]} == set(wanted)
    assert all(found[b, a] == score and abs(score - wanted[a, b]) <= 1 for (a, b), score in found.items() if a < b)
    assert all(np.all(np.diff(made.neighbours[made.starts[i] : made.starts[i + 1]]) > 0) for i in range(len(made)))


def test_ties_go_to_the_lower_number() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0.6, 0.8], [0.6, 0.8]], np.float32)
    made = neighbour_graph(vectors, 0.5, 1)
    pairs = [(a, int(b)) for a in range(4) for b in made.neighbours[made.starts[a] : made.starts[a + 1]] if a < b]
    assert pairs == [(0, 1), (1, 2), (1, 3)]


def slow_whispers(made: Graph) -> list[int]:
    """Every vector asks its neighbours in turn, until a whole round changes nothing."""
    labels = list(range(len(made)))
    for _ in range(50):
        before = list(labels)
        for node in range(len(made)):
            votes: dict[int, int] = {}
            for place in range(made.starts[node], made.starts[node + 1]):
                label = labels[made.neighbours[place]]
                votes[label] = votes.get(label, 0) + int(made.scores[place])
            if votes:
                labels[node] = min(votes, key=lambda label: (-votes[label], label))
        if labels == before:
            break
    return labels


@given(SEEDS)
@settings(max_examples=60)
def test_whispers_are_those_of_the_textbook(seed: int) -> None:
    vectors, _ = crowd(seed, people=8, spread=0.6)
    made = neighbour_graph(vectors, 0.4, 64)
    plain, found = slow_whispers(made), chinese_whispers(made)
    together = {(a, b) for a, b in combinations(range(len(plain)), 2) if plain[a] == plain[b]}
    for a, b in combinations(range(len(plain)), 2):
        if found[a] == found[b]:
            assert (a, b) in together  # never more than the textbook joins: only parts that hang together
    if connected(made, plain):
        assert {(a, b) for a, b in combinations(range(len(plain)), 2) if found[a] == found[b]} == together
    assert connected(made, found.tolist())


def connected(made: Graph, labels: list[int]) -> bool:
    """Whether every cluster hangs together by its own edges."""
    for label in set(labels):
        members = [row for row, its in enumerate(labels) if its == label]
        reached, queue = {members[0]}, [members[0]]
        while queue:
            row = queue.pop()
            for near in made.neighbours[made.starts[row] : made.starts[row + 1]].tolist():
                if labels[near] == label and near not in reached:
                    reached.add(near)
                    queue.append(near)
        if len(reached) < len(members):
            return False
    return True


def test_people_who_are_well_apart_are_found() -> None:
    vectors, owners = crowd(3, people=20, most=12, dimension=64, spread=0.1)
    ids = named(len(owners))
    blocks = cluster(ids, vectors, 0.5)
    wanted = [tuple(sorted(ids[row] for row, its in enumerate(owners) if its == person)) for person in range(20)]
    assert sorted(blocks) == sorted(wanted)
    assert blocks == sorted(blocks, key=lambda block: (-len(block), block[0]))
    assert cluster(ids, vectors, 0.9999) == [(name,) for name in sorted(ids)]
    assert cluster([], np.zeros((0, 4), np.float32), 0.5) == []


@given(SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_the_order_of_the_faces_does_not_matter(seed: int, random) -> None:  # type: ignore[no-untyped-def]
    vectors, _ = crowd(seed, spread=0.7)
    vectors = np.concatenate([vectors, vectors[:3]])  # copies: ties everywhere
    ids, order = named(len(vectors)), list(range(len(vectors)))
    random.shuffle(order)
    assert cluster(ids, vectors, 0.4) == cluster([ids[row] for row in order], vectors[order], 0.4)


@given(SEEDS, st.data())
@settings(max_examples=100)
def test_constraints_hold(seed: int, data: st.DataObject) -> None:
    vectors, _ = crowd(seed, spread=0.7)
    ids = named(len(vectors))
    some = st.lists(st.sampled_from([*ids, "gone"]), min_size=1, max_size=4, unique=True)
    together = data.draw(st.lists(some, max_size=3))
    apart = data.draw(st.lists(st.tuples(st.sampled_from([*ids, "gone"]), st.sampled_from(ids)), max_size=12))
    place = {
        name: number
        for number, block in enumerate(cluster(ids, vectors, 0.4, together=together, apart=apart))
        for name in block
    }
    assert sorted(place) == sorted(ids)
    for group in together:
        assert len({place[name] for name in group if name in place}) <= 1
    groups = [{name} for name in ids]
    for group in together:
        touched = [one for one in groups if one & set(group)]
        groups = [one for one in groups if one not in touched] + ([set().union(*touched)] if touched else [])
    for a, b in apart:
        if "gone" not in (a, b) and not any({a, b} <= one for one in groups):
            assert place[a] != place[b]


def test_keeping_two_apart_leaves_the_others_where_they_are() -> None:
    vectors = np.array([[1, 0], [0.999, 0.04], [0.998, 0.06], [0.997, 0.077]], np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert cluster(list("abcd"), vectors, 0.5) == [("a", "b", "c", "d")]
    blocks = cluster(list("abcd"), vectors, 0.5, apart=[("a", "d")])
    assert sorted(map(len, blocks)) in ([1, 3], [2, 2])
    assert not any({"a", "d"} <= set(block) for block in blocks)


def test_every_vector_needs_an_identity_of_its_own() -> None:
    for ids in (["a", "a"], ["a"]):
        with pytest.raises(ValueError, match="of its own"):
            cluster(ids, np.eye(2, dtype=np.float32), 0.5)
