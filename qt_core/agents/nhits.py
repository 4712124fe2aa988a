"""Module 4, N-HiTS: a network of pooled residual blocks over the last 120 log returns. Learned; SPEC section 2.

Source: Challu et al. (2023), "N-HiTS: neural hierarchical interpolation for time series forecasting".
"""

from typing import Any, ClassVar, NamedTuple

from qt_core.agents.net_agent import CHOICES as NET_CHOICES
from qt_core.agents.net_agent import NetAgent, quiet_library

VERSION = 1  # of the fitted files: raised when what they hold or mean changes


class Params(NamedTuple):
    """Hyperparameters."""

    window: int = 120  # bars seen
    units: int = 64  # per hidden layer
    depth: int = 2  # hidden layers per block
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
    "window": (8, 2000),
    "units": (16, 4096),  # narrower products depend on the row's place in its chunk, in the last bit
    "depth": (1, 8),
    "steps": (1, 1_000_000),
    "check_steps": (1, 1_000_000),
    "patience": (1, 1_000_000),
    "batch": (8, 65_536),
    "learning_rate": (1e-6, 1.0),
    "weight_decay": (0.0, 10.0),
    "average": (0.0, 0.9999),
}
CHOICES = NET_CHOICES
POOLS = (4, 2, 1)  # of the three blocks: long moves first, then the rest


class NHitsAgent(NetAgent):
    """neuralforecast's NHITS with the head of its ``head`` parameter."""

    NAME: ClassVar[str] = "nhits"
    VERSION: ClassVar[int] = VERSION

    def __init__(self, params: Params = Params()) -> None:  # noqa: B008  immutable
        super().__init__(params)

    def _trainable(self, seed: int) -> Any:
        with quiet_library():
            from neuralforecast.losses.pytorch import MAE
            from neuralforecast.models import NHITS

            loss = MAE()
            loss.outputsize_multiplier = self.head.outputs
            p = self.params
            return NHITS(
                h=1,
                input_size=p.window,
                loss=loss,
                mlp_units=p.depth * [[p.units, p.units]],
                n_pool_kernel_size=list(POOLS),
                n_freq_downsample=[1, 1, 1],
                random_seed=seed % 2**31,
            )

    def _last_layers(self, network: Any) -> list[Any]:
        return [block.layers[-1] for block in network.blocks]

    def _plain(self) -> Any:
        from qt_core.agents.networks import NHits

        p = self.params
        return NHits(p.window, self.head.outputs, POOLS, p.units, p.depth)
