"""IResNet: the residual network of ArcFace.

Deng et al., ArcFace, CVPR 2019, arXiv:1801.07698, section 3.1: a 3x3 first layer of stride 1 keeps the resolution of
the 112x112 crop, blocks are BN-conv-BN-PReLU-conv-BN ("improved residual unit", Han et al., 2017, arXiv:1610.02915),
and the end is BN-dropout-FC-BN. The names of the parameters are those of InsightFace's published weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from training.backbones.common import Backbone, full_precision

#: Blocks in each of the four stages.
DEPTHS = {
    "iresnet18": (2, 2, 2, 2),
    "iresnet34": (3, 4, 6, 3),
    "iresnet50": (3, 4, 14, 3),
    "iresnet100": (3, 13, 30, 3),
    "iresnet200": (6, 26, 60, 6),
}


class Block(nn.Module):
    """BN-conv-BN-PReLU-conv-BN beside the identity, or beside a strided 1x1 convolution where the shape changes."""

    def __init__(self, inside: int, outside: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inside)
        self.conv1 = nn.Conv2d(inside, outside, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outside)
        self.prelu = nn.PReLU(outside)
        self.conv2 = nn.Conv2d(outside, outside, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outside)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or inside != outside:
            self.downsample = nn.Sequential(
                nn.Conv2d(inside, outside, 1, stride=stride, bias=False), nn.BatchNorm2d(outside)
            )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / stride, W / stride)."""
        y = self.prelu(self.bn2(self.conv1(self.bn1(x))))
        y = self.bn3(self.conv2(y))
        out: Tensor = y + self.downsample(x)
        return out


class IResNet(Backbone):
    """The network.

    Args:
        depths: Blocks in each of the four stages.
        dimension: Length of an embedding.
        dropout: Share of the features that is dropped before the last layer.
        width: Factor on the 64, 128, 256 and 512 channels of the paper.
    """

    def __init__(
        self, depths: tuple[int, int, int, int], *, dimension: int = 512, dropout: float = 0.0, width: float = 1.0
    ) -> None:
        super().__init__(dimension)
        channels = [max(8, round(c * width / 8) * 8) for c in (64, 64, 128, 256, 512)]
        self.conv1 = nn.Conv2d(3, channels[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels[0])
        self.prelu = nn.PReLU(channels[0])
        self.layer1 = _stage(channels[0], channels[1], depths[0])
        self.layer2 = _stage(channels[1], channels[2], depths[1])
        self.layer3 = _stage(channels[2], channels[3], depths[2])
        self.layer4 = _stage(channels[3], channels[4], depths[3])
        self.bn2 = nn.BatchNorm2d(channels[4])
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(channels[4] * 7 * 7, dimension)
        self.features = nn.BatchNorm1d(dimension)
        self.features.weight.requires_grad = False  # a scale the normalisation would take away again
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 112, 112) -> (B, dimension) float32 (float64 in a network of float64)."""
        x = self.prelu(self.bn1(self.conv1(x)))
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = self.through(stage, x)
        x = self.dropout(torch.flatten(self.bn2(x), 1))
        with full_precision(x):
            features: Tensor = self.features(self.fc(x.to(self.fc.weight.dtype)))
        return features


def _stage(inside: int, outside: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(Block(inside, outside, 2), *(Block(outside, outside, 1) for _ in range(blocks - 1)))
