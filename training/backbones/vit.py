"""ViT for aligned faces, in the three sizes that InsightFace publishes.

Dosovitskiy et al., ViT, ICLR 2021, arXiv:2010.11929; patches of 9x9 pixels, no class token: the tokens of all patches
are laid side by side and go through FC-BN-FC-BN (An et al., Partial FC, CVPR 2022, arXiv:2203.15565). Attention runs
through `scaled_dot_product_attention`, which takes FlashAttention where the hardware has it. The names of the
parameters are those of the published weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812 - the customary name
from torch import Tensor, nn

from training.backbones.common import Backbone, full_precision

#: Width, depth and heads. Published as "ViT-T 1.5 G", "ViT-S 5.7 G" and "ViT-B 11.4 G".
SIZES = {"vit_t": (256, 12, 8), "vit_s": (512, 12, 8), "vit_b": (512, 24, 8)}
_SIDE = 112


class Attention(nn.Module):
    """Multi-head self-attention (Vaswani et al., 2017, arXiv:1706.03762, eq. 1)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).view(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)  # (B, heads, N, width / heads), scaled by (width / heads)^-1/2
        out: Tensor = self.proj(y.transpose(1, 2).reshape(batch, tokens, width))
        return out


class Mlp(nn.Module):
    """Two linear layers with ReLU6 between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        out: Tensor = self.fc2(F.relu6(self.fc1(x)))
        return out


class Block(nn.Module):
    """Attention and MLP, each after a layer norm and beside the identity, dropped at random (arXiv:1603.09382)."""

    def __init__(self, width: int, heads: int, drop_path: float) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, 4 * width)
        self.drop_path = drop_path

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, width) -> (B, N, width)."""
        x = x + self._kept(self.attn(self.norm1(x)))
        return x + self._kept(self.mlp(self.norm2(x)))

    def _kept(self, branch: Tensor) -> Tensor:
        if not self.training or self.drop_path == 0:
            return branch
        keep = 1 - self.drop_path
        mask = branch.new_empty(len(branch), 1, 1).bernoulli_(keep)
        return branch * (mask / keep)


class PatchEmbed(nn.Module):
    """Patches as tokens; the pixels that fill no patch (112 = 12 x 9 + 4) are left out."""

    def __init__(self, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 112, 112) -> (B, N, width)."""
        tokens: Tensor = self.proj(x).flatten(2).transpose(1, 2)
        return tokens


class VisionTransformer(Backbone):
    """The network.

    Args:
        width: Length of a token.
        depth: Blocks.
        heads: Attention heads.
        dimension: Length of an embedding.
        patch: Side of a patch in pixels.
        drop_path: Share of the branches dropped in the last block; grows linearly from none in the first.
        mask: Share of the patches hidden from the blocks while training; a learnt token stands for them at the end.
    """

    def __init__(
        self,
        width: int,
        depth: int,
        heads: int,
        *,
        dimension: int = 512,
        patch: int = 9,
        drop_path: float = 0.0,
        mask: float = 0.0,
    ) -> None:
        super().__init__(dimension)
        tokens = (_SIDE // patch) ** 2
        self.mask, self.drop_path = mask, drop_path
        self.patch_embed = PatchEmbed(patch, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, tokens, width))
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width), requires_grad=mask > 0)
        self.blocks = nn.ModuleList(Block(width, heads, drop_path * i / max(1, depth - 1)) for i in range(depth))
        self.norm = nn.LayerNorm(width)
        self.feature = nn.Sequential(
            nn.Linear(width * tokens, width, bias=False),
            nn.BatchNorm1d(width, eps=2e-5),
            nn.Linear(width, dimension, bias=False),
            nn.BatchNorm1d(dimension, eps=2e-5),
        )
        for parameter in (self.pos_embed, self.mask_token):
            nn.init.trunc_normal_(parameter, std=0.02)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.02)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, 112, 112) -> (B, dimension) float32 (float64 in a network of float64)."""
        x = self.patch_embed(x) + self.pos_embed
        shown = self._shown(x) if self.training and self.mask > 0 else None
        if shown is not None:
            x = x.gather(1, shown[..., None].expand(-1, -1, x.shape[2]))
        x = self.through(self.blocks, x, random=self.drop_path > 0)
        with full_precision(x):
            x = self.norm(x.to(self.norm.weight.dtype))
            if shown is not None:
                whole = self.mask_token.expand(len(x), self.pos_embed.shape[1], -1)
                x = whole.scatter(1, shown[..., None].expand(-1, -1, x.shape[2]), x)
            features: Tensor = self.feature(x.flatten(1))
        return features

    def _shown(self, x: Tensor) -> Tensor:
        """(B, K) which patches of each sample are seen, chosen at random."""
        count = int(x.shape[1] * (1 - self.mask))
        return torch.rand(x.shape[:2], device=x.device).argsort(1)[:, :count]
