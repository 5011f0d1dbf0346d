"""MobileFaceNet: under a million parameters.

Chen et al., MobileFaceNets, 2018, arXiv:1804.07573, table 1: bottlenecks of MobileNetV2 with PReLU, and a global
depthwise convolution in place of average pooling. `width=2` is the variant that InsightFace publishes (0.45 G
multiplications): twice the channels between the bottlenecks, the same number inside them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.backbones.common import Backbone, full_precision

#: (channels inside the bottleneck, channels after it at width 1, stride, whether the input is added)
_BOTTLENECKS = (
    (128, 64, 2, False),
    *((128, 64, 1, True),) * 4,
    (256, 128, 2, False),
    *((256, 128, 1, True),) * 6,
    (512, 128, 2, False),
    *((256, 128, 1, True),) * 2,
)
_LAST = 512


class MobileFaceNet(Backbone):
    """The network.

    Args:
        dimension: Length of an embedding; 128 in the paper.
        width: Factor on the channels between the bottlenecks.
    """

    def __init__(self, *, dimension: int = 512, width: float = 1.0) -> None:
        super().__init__(dimension)
        first = round(64 * width)
        self.stem = nn.Sequential(_conv(3, first, 3, 2), _conv(first, first, 3, 1, groups=64 if width >= 1 else first))
        blocks: list[nn.Module] = []
        inside = first
        for hidden, channels, stride, residual in _BOTTLENECKS:
            outside = round(channels * width)
            blocks.append(Bottleneck(inside, hidden, outside, stride, residual=residual))
            inside = outside
        self.blocks = nn.Sequential(*blocks)
        self.conv_sep = _conv(inside, _LAST, 1, 1)
        self.gdc = _conv(_LAST, _LAST, 7, 1, groups=_LAST, padding=0, linear=True)
        self.fc = nn.Linear(_LAST, dimension, bias=False)
        self.features = nn.BatchNorm1d(dimension)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 112, 112) -> (B, dimension) float32 (float64 in a network of float64)."""
        x = self.conv_sep(self.through(self.blocks, self.stem(x)))
        x = torch.flatten(self.gdc(x), 1)
        with full_precision(x):
            features: Tensor = self.features(self.fc(x.to(self.fc.weight.dtype)))
        return features


class Bottleneck(nn.Module):
    """1x1 to `hidden` channels, 3x3 depthwise, 1x1 linear to `outside` channels (Sandler et al., arXiv:1801.04381)."""

    def __init__(self, inside: int, hidden: int, outside: int, stride: int, *, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.layers = nn.Sequential(
            _conv(inside, hidden, 1, 1),
            _conv(hidden, hidden, 3, stride, groups=hidden),
            _conv(hidden, outside, 1, 1, linear=True),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, outside, H / stride, W / stride)."""
        y: Tensor = self.layers(x)
        return x + y if self.residual else y


def _conv(
    inside: int,
    outside: int,
    kernel: int,
    stride: int,
    *,
    groups: int = 1,
    padding: int | None = None,
    linear: bool = False,
) -> nn.Sequential:
    pad = kernel // 2 if padding is None else padding
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, kernel, stride=stride, padding=pad, groups=groups, bias=False),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers) if linear else nn.Sequential(*layers, nn.PReLU(outside))
