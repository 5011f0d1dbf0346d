"""What holds for all margins alike."""

from __future__ import annotations

import pytest
import torch
from margin_checks import batch
from torch import Tensor

from training.margins import MARGINS, Margin, NormFace, Softmax, Targets

NO_MARGIN: dict[str, tuple[dict[str, object], Margin]] = {
    "lsoftmax": ({"multiple": 1}, Softmax()),
    "cosface": ({"margin": 0.0}, NormFace()),
    "arcface": ({"margin_rad": 0.0}, NormFace()),
    "subcentre": ({"margin_rad": 0.0}, NormFace()),
    "combined": ({"factor": 1.0, "margin_rad": 0.0, "margin": 0.0}, NormFace()),
    "adaface": ({"margin_rad": 0.0}, NormFace()),
    "magface": ({"margin_range_rad": (0.0, 0.0), "penalty": 0.0}, NormFace()),
}


def cosines(margin: Margin, products: Tensor, norms: Tensor, class_norms: Tensor) -> Tensor:
    """Products in the margin's geometry for these cosines."""
    lengths = (1 if margin.unit_embeddings else norms) * (1 if margin.unit_classes else class_norms)
    return products * (lengths[:, None] if isinstance(lengths, Tensor) else lengths)


@pytest.mark.parametrize("name", MARGINS)
def test_gradients_in_float64(name: str) -> None:
    margin = MARGINS[name]()
    products, labels, norms, class_norms = batch(1)
    products = cosines(margin, products, norms, class_norms)

    def logits(p: Tensor, a: Tensor, b: Tensor) -> Tensor:
        return margin(p, labels, a, b)

    if name == "adaface":  # its norms have no gradient: the quality is a constant
        assert torch.autograd.gradcheck(lambda p: logits(p, norms, class_norms), (products.requires_grad_(),))
        return
    inputs = tuple(part.requires_grad_() for part in (products, norms, class_norms))
    assert torch.autograd.gradcheck(logits, inputs)


@pytest.mark.parametrize("name", NO_MARGIN)
def test_no_margin_is_softmax(name: str) -> None:
    settings, plain = NO_MARGIN[name]
    parts = batch(2)
    torch.testing.assert_close(MARGINS[name](**settings)(*parts), plain(*parts), rtol=1e-12, atol=1e-12)


def test_no_multiple_is_softmax_with_unit_classes() -> None:
    products, labels, norms, _ = batch(2)
    expected = products * norms[:, None]
    torch.testing.assert_close(MARGINS["sphereface"](multiple=1)(products, labels, norms), expected)


def test_no_margin_is_softmax_where_no_negative_is_hard() -> None:
    products, labels, _, _ = batch(2)
    products[range(6), labels] = 0.99
    curricular = MARGINS["curricularface"](margin_rad=0.0)
    torch.testing.assert_close(curricular(products, labels), NormFace()(products, labels))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("name", MARGINS)
def test_finite_at_the_ends(name: str, dtype: torch.dtype) -> None:
    margin = MARGINS[name]()
    labels = torch.tensor([0, 0, 0, 1])
    products = torch.tensor([[1.0, -1.0], [-1.0, 1.0], [0.0, 1.0], [-1.0, 1.0]], dtype=dtype, requires_grad=True)
    norms = torch.tensor([0.0, 1.0, 30.0, 1000.0], dtype=dtype, requires_grad=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = margin(products, labels, norms, torch.ones(4, dtype=dtype))
    assert logits.dtype == torch.float32
    torch.nn.functional.cross_entropy(logits, labels).backward()
    for part in (logits, products.grad, norms.grad if name in ("sphereface", "magface") else products.grad):
        assert part is not None
        assert bool(part.isfinite().all())


@pytest.mark.parametrize("name", MARGINS)
def test_state_is_tensors_and_comes_back(name: str) -> None:
    margin, other = MARGINS[name](), MARGINS[name]()
    products, labels, norms, class_norms = batch(3)
    targets = Targets(products[range(6), labels], norms, class_norms)
    for _ in range(3):
        margin.observe(targets)
    other.load_state_dict(margin.state_dict())
    assert torch.equal(margin(products, labels, norms, class_norms), other(products, labels, norms, class_norms))
