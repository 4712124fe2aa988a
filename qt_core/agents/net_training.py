"""The training loop of the networks: seeded batches, a running mean of weights, early stopping by that mean's loss.

neuralforecast's own trainer makes every window of a series at every step, which is thirty times slower, and takes no labels.
"""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from qt_core.agents.base import Curve, Samples

# (network, samples, device) -> (loss to learn from, loss that early stopping goes by)
Losses = Callable[[Any, Samples, str], tuple[Any, Any]]
LARGEST_GRADIENT = 1.0  # norm


class Learner:
    """One network under way.

    Parameters
    ----------
    params : an agent's, with the fields of a training. network : freshly initialised.
    """

    def __init__(self, params: Any, network: Any, losses: Losses) -> None:
        self.params = p = params
        self.device = "cuda" if p.device == "auto" and torch.cuda.is_available() else "cpu"
        self.network = network.to(self.device)
        self.losses = losses
        averaged: Any = torch.optim.swa_utils  # source of averaging: Polyak and Juditsky (1992)
        mean = averaged.get_ema_multi_avg_fn(p.average)
        self.smooth = averaged.AveragedModel(network, multi_avg_fn=mean, use_buffers=True)  # what is looked at and kept
        self.optimiser = torch.optim.AdamW(network.parameters(), lr=p.learning_rate, weight_decay=p.weight_decay)
        self.plan = torch.optim.lr_scheduler.MultiStepLR(self.optimiser, [p.steps // 2, p.steps * 3 // 4], 0.5)
        self.curve = Curve()
        self.best = np.inf
        self.kept: Any = None
        self.stale = -1  # looks since the best one

    def run(
        self, train: Samples, glance: Samples, watch: Samples, draw: np.random.Generator
    ) -> "tuple[dict[str, Any] | None, Curve]":
        """The best weights (None where no loss was a number) and what happened.

        Parameters
        ----------
        glance : training rows for the loss before the first step. watch : early-stopping rows.
        """
        p = self.params
        with torch.no_grad():
            seen = float(self.losses(self.network.eval(), glance, self.device)[1])
        for step in range(p.steps + 1):
            if step:
                seen += self._step(train.take(draw.integers(0, len(train.label), p.batch)))
            if step % p.check_steps and step != p.steps:
                continue
            self._look(step, seen, watch)
            seen = 0.0
            if self.stale >= p.patience:
                break
        return None if self.kept is None else {name: value.cpu() for name, value in self.kept.items()}, self.curve

    def _step(self, batch: Samples) -> float:
        """One step of the optimiser; returns the batch's loss."""
        self.network.train()
        self.optimiser.zero_grad()
        loss, shown = self.losses(self.network, batch, self.device)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimiser.step()
        self.plan.step()
        self.smooth.update_parameters(self.network)
        return float(shown.detach())

    def _look(self, step: int, seen: float, watch: Samples) -> None:
        """Loss of the mean weights on the early-stopping rows; the best are kept."""
        self.smooth.eval()
        with torch.no_grad():
            at_stop = float(self.losses(self.smooth.module, watch, self.device)[1])
        curve = self.curve
        curve.step.append(step)
        curve.train.append(seen / max(1, step - (curve.step[-2] if step else 0)))
        curve.stop.append(at_stop)
        self.stale += 1
        if at_stop < self.best:
            self.best, self.stale, curve.best_step = at_stop, 0, step
            self.kept = copy.deepcopy(self.smooth.module.state_dict())
