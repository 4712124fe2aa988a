"""N-HiTS and PatchTST in plain torch, for prediction: weights that neuralforecast's modules learned fit by name.

Training uses neuralforecast's own networks; a tape and live trading both predict with these, which need neither that library
nor its half gigabyte. Sources: Challu et al. (2023), "N-HiTS"; Nie et al. (2023), "A time series is worth 64 words". Only
what prediction needs is here: one output step, no exogenous inputs, no dropout.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class NHitsBlock(nn.Module):
    """Pooled past -> MLP -> what it explains of the past, and its word on the outputs."""

    def __init__(self, length: int, outputs: int, pool: int, units: int, depth: int) -> None:
        super().__init__()
        self.length = length
        self.pool = nn.MaxPool1d(pool, stride=pool, ceil_mode=True)
        layers: list[nn.Module] = [nn.Linear(-(-length // pool), units)]
        for _ in range(depth):
            layers += [nn.Linear(units, units), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(units, length + outputs))

    def forward(self, past: Tensor) -> tuple[Tensor, Tensor]:
        theta = self.layers(self.pool(past.unsqueeze(1)).squeeze(1))
        return theta[:, : self.length], theta[:, self.length :]


class NHits(nn.Module):
    """Blocks of falling pooling, each on what the ones before left unexplained."""

    def __init__(self, length: int, outputs: int, pools: tuple[int, ...], units: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(NHitsBlock(length, outputs, pool, units, depth) for pool in pools)

    def forward(self, x: Tensor) -> Tensor:
        residual = x.flip(dims=(-1,))
        out = x[:, -1:]  # the last value is added to every output
        for block in self.blocks:
            explained, part = block(residual)
            residual = residual - explained
            out = out + part
        return out


class Attention(nn.Module):
    """Multi-head attention whose scores are handed on to the next layer (RealFormer, He et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.W_Q, self.W_K, self.W_V = (nn.Linear(width, width) for _ in range(3))
        self.sdp_attn: Any = nn.Module()  # names as in the trained network
        self.sdp_attn.scale = nn.Parameter(torch.tensor((width // heads) ** -0.5), requires_grad=False)
        self.to_out = nn.Sequential(nn.Linear(width, width))

    def forward(self, x: Tensor, before: Any) -> tuple[Tensor, Tensor]:
        n, patches, width = x.shape
        q = self.W_Q(x).view(n, patches, self.heads, -1).transpose(1, 2)
        k = self.W_K(x).view(n, patches, self.heads, -1).permute(0, 2, 3, 1)
        v = self.W_V(x).view(n, patches, self.heads, -1).transpose(1, 2)
        scores = torch.matmul(q, k) * self.sdp_attn.scale
        if before is not None:
            scores = scores + before
        out = torch.matmul(functional.softmax(scores, dim=-1), v)
        return self.to_out(out.transpose(1, 2).contiguous().view(n, patches, width)), scores


def _normalised(width: int) -> nn.Module:
    """Batch normalisation in the place it has in the trained network's list of layers."""
    return nn.Sequential(nn.Identity(), nn.BatchNorm1d(width), nn.Identity())


class EncoderLayer(nn.Module):
    """Normalise, attend, normalise, feed forward."""

    def __init__(self, width: int, heads: int, inner: int) -> None:
        super().__init__()
        self.self_attn = Attention(width, heads)
        self.norm_attn, self.norm_ffn = _normalised(width), _normalised(width)
        self.ff = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Identity(), nn.Linear(inner, width))

    def forward(self, x: Tensor, before: Any) -> tuple[Tensor, Tensor]:
        x = self.norm_attn(x.transpose(1, 2)).transpose(1, 2)
        attended, scores = self.self_attn(x, before)
        x = self.norm_ffn((x + attended).transpose(1, 2)).transpose(1, 2)
        return x + self.ff(x), scores


class PatchTst(nn.Module):
    """Patches of the window as tokens of a transformer encoder, flattened into the outputs."""

    def __init__(
        self, length: int, outputs: int, patch: int, stride: int, width: int, heads: int, layers: int, inner: int
    ) -> None:
        super().__init__()
        self.patch, self.stride = patch, stride
        patches = (length - patch) // stride + 2  # one more by the padding at the end
        self.model: Any = nn.Module()  # names as in the trained network
        backbone = self.model.backbone = nn.Module()
        backbone.W_P = nn.Linear(patch, width)
        backbone.W_pos = nn.Parameter(torch.zeros(patches, width))
        backbone.encoder = nn.Module()
        backbone.encoder.layers = nn.ModuleList(EncoderLayer(width, heads, inner) for _ in range(layers))
        self.model.head = nn.Module()
        self.model.head.linear = nn.Linear(width * patches, outputs)

    def forward(self, x: Tensor) -> Tensor:
        z = functional.pad(x.unsqueeze(1), (0, self.stride), mode="replicate").squeeze(1)
        backbone = self.model.backbone
        z = backbone.W_P(z.unfold(-1, self.patch, self.stride)) + backbone.W_pos
        scores = None
        for layer in backbone.encoder.layers:
            z, scores = layer(z, scores)
        out: Tensor = self.model.head.linear(z.transpose(1, 2).flatten(start_dim=1))
        return out
