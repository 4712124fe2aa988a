"""Module 5, PatchTST: a transformer over patches of the last 64 log returns. Learned; SPEC section 2.

Source: Nie et al. (2023), "A time series is worth 64 words". No RevIN: it would take the window's mean away, which is the
trend, and bring the outputs to a scale that class scores do not have. Attention scores are handed on between layers.
"""

from typing import Any, ClassVar, NamedTuple

from qt_core.agents.net_agent import CHOICES as NET_CHOICES
from qt_core.agents.net_agent import NetAgent, quiet_library

VERSION = 1  # of the fitted files: raised when what they hold or mean changes


class Params(NamedTuple):
    """Hyperparameters."""

    window: int = 64  # bars seen
    patch: int = 16  # bars per token
    stride: int = 8  # bars from token to token
    width: int = 32  # of a token
    heads: int = 4
    layers: int = 2
    inner: int = 64  # of the feed-forward layers
    dropout: float = 0.2  # in training
    steps: int = 2000  # optimiser steps at most
    check_steps: int = 100  # between looks at the early-stopping rows
    patience: int = 5  # looks without a better loss before it ends
    batch: int = 256
    learning_rate: float = 3e-4
    weight_decay: float = 0.01  # of AdamW
    average: float = 0.99  # of the running mean of weights, per step
    head: str = "classes"
    device: str = "auto"  # the GPU where there is one; predictions are always made on the CPU


BOUNDS = {
    "window": (32, 2000),
    "patch": (2, 512),
    "stride": (1, 512),
    "width": (4, 1024),
    "heads": (1, 64),
    "layers": (1, 16),
    "inner": (4, 4096),
    "dropout": (0.0, 0.9),
    "steps": (1, 1_000_000),
    "check_steps": (1, 1_000_000),
    "patience": (1, 1_000_000),
    "batch": (8, 65_536),
    "learning_rate": (1e-6, 1.0),
    "weight_decay": (0.0, 10.0),
    "average": (0.0, 0.9999),
}
CHOICES = NET_CHOICES


def check(p: Params) -> str:
    """What is wrong with values that are each within bounds, or empty."""
    if p.patch > p.window:
        return f"patch: {p.patch}; expected at most the window, {p.window}"
    if p.width % p.heads:
        return f"heads: {p.heads}; expected a divisor of the width, {p.width}"
    return ""


class PatchTstAgent(NetAgent):
    """neuralforecast's PatchTST with the head of its ``head`` parameter."""

    NAME: ClassVar[str] = "patchtst"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, params: Params = Params()) -> None:  # noqa: B008  immutable
        super().__init__(params)

    def _trainable(self, seed: int) -> Any:
        with quiet_library():
            from neuralforecast.losses.pytorch import MAE
            from neuralforecast.models import PatchTST

            loss = MAE()
            loss.outputsize_multiplier = self.head.outputs
            p = self.params
            return PatchTST(
                h=1,
                input_size=p.window,
                loss=loss,
                encoder_layers=p.layers,
                n_heads=p.heads,
                hidden_size=p.width,
                linear_hidden_size=p.inner,
                dropout=p.dropout,
                patch_len=p.patch,
                stride=p.stride,
                revin=False,
                res_attention=True,
                batch_normalization=True,
                random_seed=seed % 2**31,
            )

    def _last_layers(self, network: Any) -> list[Any]:
        return [network.model.head.linear]

    def _plain(self) -> Any:
        from qt_core.agents.networks import PatchTst

        p = self.params
        return PatchTst(p.window, self.head.outputs, p.patch, p.stride, p.width, p.heads, p.layers, p.inner)
