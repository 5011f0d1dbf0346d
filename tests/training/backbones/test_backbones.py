"""Backbones: the sizes that were published, the shapes, and what gradient checkpointing must not change."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from training.backbones import NAMES, build_backbone
from training.backbones.iresnet import IResNet
from training.backbones.vit import VisionTransformer

# Multiplications in units of 10^9 as arcface_torch's table of results gives them (r18 ... ViT-B), MobileFaceNet as
# Chen et al. 2018 do (221 million); parameters in millions of IResNet as its users report them.
PUBLISHED: list[tuple[str, dict[str, Any], float, float]] = [
    ("iresnet18", {}, 2.6, 24.03),
    ("iresnet34", {}, 4.5, 34.14),
    ("iresnet50", {}, 6.3, 43.59),
    ("iresnet100", {}, 12.1, 65.16),
    ("iresnet200", {}, 23.5, 118.83),
    ("mobilefacenet", {"dimension": 128}, 0.221, 0.99),
    ("mobilefacenet", {"width": 2.0}, 0.45, 2.05),
    ("vit_t", {}, 1.5, 19.1),
    ("vit_s", {}, 5.7, 76.0),
    ("vit_b", {}, 11.4, 113.8),
]


@pytest.mark.parametrize(("name", "options", "giga", "millions"), PUBLISHED)
def test_size_and_cost_are_the_published_ones(name: str, options: dict[str, Any], giga: float, millions: float) -> None:
    with torch.device("meta"):
        network = build_backbone(name, **options).eval()
        with FlopCounterMode(display=False) as counter:
            out = network(torch.empty(1, 3, 112, 112))
    assert out.shape == (1, options.get("dimension", 512))
    assert counter.get_total_flops() / 2e9 == pytest.approx(giga, rel=0.03)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, rel=0.015)


def test_parameters_of_iresnet50_counted_by_hand() -> None:
    def block(inside: int, outside: int, *, first: bool) -> int:
        main = 2 * inside + 9 * inside * outside + 2 * outside + outside + 9 * outside * outside + 2 * outside
        return main + (inside * outside + 2 * outside if first else 0)

    total = 9 * 3 * 64 + 2 * 64 + 64
    inside = 64
    for outside, blocks in ((64, 3), (128, 4), (256, 14), (512, 3)):
        total += block(inside, outside, first=True) + (blocks - 1) * block(outside, outside, first=False)
        inside = outside
    total += 2 * 512 + (512 * 49 * 512 + 512) + 2 * 512
    with torch.device("meta"):
        network = build_backbone("iresnet50")
    assert sum(p.numel() for p in network.parameters()) == total


def small() -> dict[str, nn.Module]:
    torch.manual_seed(0)
    return {
        "iresnet": IResNet((2, 1, 1, 1), dimension=8, width=0.125),
        "mobilefacenet": build_backbone("mobilefacenet", dimension=8, width=0.25),
        "vit": VisionTransformer(16, 2, 2, dimension=8, patch=28, drop_path=0.5, mask=0.25),
    }


@pytest.mark.parametrize("family", ["iresnet", "mobilefacenet", "vit"])
def test_checkpointing_changes_neither_gradients_nor_statistics(family: str) -> None:
    plain = small()[family]
    spared = copy.deepcopy(plain)
    spared.checkpointing = True  # type: ignore[assignment]
    photos = torch.randn(4, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    results = []
    for network in (plain, spared):
        torch.manual_seed(2)
        network(photos).square().mean().backward()
        results.append({name: p.grad for name, p in network.named_parameters() if p.grad is not None})
    assert results[0].keys() == results[1].keys()
    for name, gradient in results[0].items():
        torch.testing.assert_close(results[1][name], gradient, msg=name)
    for (name, one), two in zip(plain.named_buffers(), spared.buffers(), strict=True):
        assert torch.equal(one, two), name


@pytest.mark.parametrize("family", ["iresnet", "mobilefacenet", "vit"])
def test_an_embedding_is_float32_under_autocast_and_does_not_depend_on_the_batch(family: str) -> None:
    network = small()[family].eval()
    photos = torch.randn(3, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        whole: Tensor = network(photos)
        torch.testing.assert_close(network(photos[1:2]), whole[1:2], rtol=1e-4, atol=1e-5)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = network(photos)
    assert half.dtype == torch.float32
    assert not torch.equal(half, whole)  # autocast was in force up to the last layers


def test_attention_is_the_formula() -> None:
    network = VisionTransformer(16, 1, 2, dimension=8, patch=28)
    attention = network.blocks[0].attn
    x = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(0))
    q, k, v = attention.qkv(x).split(16, dim=-1)
    heads = []
    for part in (slice(0, 8), slice(8, 16)):
        weights = torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / 8**0.5, dim=-1)
        heads.append(weights @ v[..., part])
    torch.testing.assert_close(attention(x), attention.proj(torch.cat(heads, -1)))


def test_an_unknown_backbone_is_named() -> None:
    with pytest.raises(ValueError, match=r"resnet7.*iresnet18"):
        build_backbone("resnet7")
    assert len(NAMES) == 9
