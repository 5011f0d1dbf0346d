"""The names arcface_torch publishes, written out here by hand, load into our backbones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import CheckpointError
from training.backbones import build_backbone
from training.backbones.insightface import load_insightface, load_named

State = dict[str, Tensor]


def norm(prefix: str, channels: int) -> Iterator[tuple[str, tuple[int, ...]]]:
    for part in ("weight", "bias", "running_mean", "running_var"):
        yield f"{prefix}.{part}", (channels,)
    yield f"{prefix}.num_batches_tracked", ()


def iresnet_shapes(depths: tuple[int, ...]) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield "conv1.weight", (64, 3, 3, 3)
    yield from norm("bn1", 64)
    yield "prelu.weight", (64,)
    inside = 64
    for stage, (outside, blocks) in enumerate(zip((64, 128, 256, 512), depths, strict=True), 1):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            yield from norm(f"{name}.bn1", inside)
            yield f"{name}.conv1.weight", (outside, inside, 3, 3)
            yield from norm(f"{name}.bn2", outside)
            yield f"{name}.prelu.weight", (outside,)
            yield f"{name}.conv2.weight", (outside, outside, 3, 3)
            yield from norm(f"{name}.bn3", outside)
            if block == 0:
                yield f"{name}.downsample.0.weight", (outside, inside, 1, 1)
                yield from norm(f"{name}.downsample.1", outside)
            inside = outside
    yield from norm("bn2", 512)
    yield "fc.weight", (512, 512 * 7 * 7)
    yield "fc.bias", (512,)
    yield from norm("features", 512)


def conv_shapes(name: str, shape: tuple[int, ...], *, linear: bool = False) -> Iterator[tuple[str, tuple[int, ...]]]:
    yield f"{name}.layers.0.weight", shape
    yield from norm(f"{name}.layers.1", shape[0])
    if not linear:
        yield f"{name}.layers.2.weight", (shape[0],)


def mobilefacenet_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """`get_mbf` of arcface_torch: scale 2, blocks (1, 4, 6, 2)."""

    def bottleneck(name: str, inside: int, hidden: int, outside: int) -> Iterator[tuple[str, tuple[int, ...]]]:
        yield from conv_shapes(f"{name}.layers.0", (hidden, inside, 1, 1))
        yield from conv_shapes(f"{name}.layers.1", (hidden, 1, 3, 3))
        yield from conv_shapes(f"{name}.layers.2", (outside, hidden, 1, 1), linear=True)

    yield from conv_shapes("layers.0", (128, 3, 3, 3))
    yield from conv_shapes("layers.1", (128, 2, 3, 3))
    yield from bottleneck("layers.2", 128, 128, 128)
    for i in range(4):
        yield from bottleneck(f"layers.3.layers.{i}", 128, 128, 128)
    yield from bottleneck("layers.4", 128, 256, 256)
    for i in range(6):
        yield from bottleneck(f"layers.5.layers.{i}", 256, 256, 256)
    yield from bottleneck("layers.6", 256, 512, 256)
    for i in range(2):
        yield from bottleneck(f"layers.7.layers.{i}", 256, 256, 256)
    yield from conv_shapes("conv_sep", (512, 256, 1, 1))
    yield from conv_shapes("features.layers.0", (512, 1, 7, 7), linear=True)
    yield "features.layers.2.weight", (512, 512)
    yield from norm("features.layers.3", 512)


def vit_shapes() -> Iterator[tuple[str, tuple[int, ...]]]:
    """`vit_t` of arcface_torch: width 256, 12 blocks, patches of 9x9."""
    yield "mask_token", (1, 1, 256)
    yield "pos_embed", (1, 144, 256)
    yield "patch_embed.proj.weight", (256, 3, 9, 9)
    yield "patch_embed.proj.bias", (256,)
    for i in range(12):
        for part in ("norm1", "norm2"):
            yield f"blocks.{i}.{part}.weight", (256,)
            yield f"blocks.{i}.{part}.bias", (256,)
        yield f"blocks.{i}.attn.qkv.weight", (768, 256)
        yield f"blocks.{i}.attn.proj.weight", (256, 256)
        yield f"blocks.{i}.attn.proj.bias", (256,)
        yield f"blocks.{i}.mlp.fc1.weight", (1024, 256)
        yield f"blocks.{i}.mlp.fc1.bias", (1024,)
        yield f"blocks.{i}.mlp.fc2.weight", (256, 1024)
        yield f"blocks.{i}.mlp.fc2.bias", (256,)
    yield "norm.weight", (256,)
    yield "norm.bias", (256,)
    yield "feature.0.weight", (256, 256 * 144)
    yield from norm("feature.1", 256)
    yield "feature.2.weight", (512, 256)
    yield from norm("feature.3", 512)


SHAPES = {
    "iresnet18": (iresnet_shapes((2, 2, 2, 2)), {}),
    "iresnet50": (iresnet_shapes((3, 4, 14, 3)), {}),
    "mobilefacenet": (mobilefacenet_shapes(), {"width": 2.0}),
    "vit_t": (vit_shapes(), {}),
}


def made_up(shapes: Iterator[tuple[str, tuple[int, ...]]]) -> State:
    """Every tensor is filled with a number of its own."""
    return {name: torch.full(shape, float(i + 1)) for i, (name, shape) in enumerate(shapes)}


@pytest.mark.parametrize("name", SHAPES)
def test_every_published_name_finds_its_place(name: str) -> None:
    shapes, options = SHAPES[name]
    published = made_up(shapes)
    network = build_backbone(name, **options)
    own = network.state_dict()
    assert len(published) == len(own)
    load_named(network, {f"module.{key}": value for key, value in published.items()}, name)
    # Every number arrives once, in a tensor of its kind, and in the order in which the network computes.
    arrived = [float(value.flatten()[0]) for value in network.state_dict().values()]
    assert sorted(arrived) == [float(i + 1) for i in range(len(published))]
    if name != "vit_t":
        assert arrived == sorted(arrived)


def test_the_mapping_of_mobilefacenet_computes_the_same() -> None:
    """An independent network with arcface_torch's nesting gives the same numbers."""

    class Nested(nn.Module):
        def __init__(self, *layers: nn.Module, residual: bool = False) -> None:
            super().__init__()
            self.layers, self.residual = nn.Sequential(*layers), residual

        def forward(self, x: Tensor) -> Tensor:
            return x + self.layers(x) if self.residual else self.layers(x)

    def conv(i: int, o: int, k: int, s: int = 1, g: int = 1, p: int = 0, *, linear: bool = False) -> Nested:
        parts: list[nn.Module] = [nn.Conv2d(i, o, k, s, p, groups=g, bias=False), nn.BatchNorm2d(o)]
        return Nested(*parts) if linear else Nested(*parts, nn.PReLU(o))

    def deep(i: int, h: int, o: int, s: int, *, residual: bool = False) -> Nested:
        return Nested(conv(i, h, 1), conv(h, h, 3, s, h, 1), conv(h, o, 1, linear=True), residual=residual)

    def run(c: int, h: int, n: int) -> Nested:
        return Nested(*(deep(c, h, c, 1, residual=True) for _ in range(n)))

    torch.manual_seed(0)
    theirs = nn.Module()
    first = (conv(3, 128, 3, 2, 1, 1), conv(128, 128, 3, 1, 64, 1), deep(128, 128, 128, 2), run(128, 128, 4))
    second = (deep(128, 256, 256, 2), run(256, 256, 6), deep(256, 512, 256, 2), run(256, 256, 2))
    theirs.layers = nn.ModuleList((*first, *second))
    theirs.conv_sep = conv(256, 512, 1)
    end = (conv(512, 512, 7, g=512, linear=True), nn.Flatten(), nn.Linear(512, 64, bias=False), nn.BatchNorm1d(64))
    theirs.features = Nested(*end)
    ours = build_backbone("mobilefacenet", dimension=64, width=2.0)
    load_named(ours, theirs.state_dict(), "theirs")
    x = expected = torch.randn(2, 3, 112, 112, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        for layer in theirs.eval().layers:
            expected = layer(expected)
        expected = theirs.features(theirs.conv_sep(expected))
        torch.testing.assert_close(ours.eval()(x), expected)


def test_what_does_not_fit_is_named(tmp_path: Path) -> None:
    network = build_backbone("iresnet18")
    file = tmp_path / "backbone.pth"
    state = made_up(iresnet_shapes((2, 2, 2, 2)))
    torch.save({**state, "fc.weight": torch.zeros(512, 7)}, file)
    with pytest.raises(CheckpointError, match=r"fc\.weight has the shape \(512, 7\)"):
        load_insightface(network, file)
    torch.save({**state, "head.weight": torch.zeros(1)}, file)
    with pytest.raises(CheckpointError, match=r"head\.weight"):
        load_insightface(network, file)
    torch.save({key: value for key, value in state.items() if key != "conv1.weight"}, file)
    with pytest.raises(CheckpointError, match=r"lacks conv1\.weight"):
        load_insightface(network, file)
    file.write_bytes(b"not weights")
    with pytest.raises(CheckpointError, match=r"backbone\.pth"):
        load_insightface(network, file)


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "evil.pth"
    torch.save({"weights": Path("x")}, file)
    with pytest.raises(CheckpointError, match=r"evil\.pth"):
        load_insightface(build_backbone("iresnet18"), file)


def test_a_whole_file_loads(tmp_path: Path) -> None:
    network = build_backbone("iresnet18")
    file = tmp_path / "backbone.pth"
    torch.save(made_up(iresnet_shapes((2, 2, 2, 2))), file)
    load_insightface(network, file)
    assert float(network.state_dict()["conv1.weight"].flatten()[0]) == 1.0
