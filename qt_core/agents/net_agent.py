"""What N-HiTS and PatchTST share: windows in stop distances, the training loop, prediction in fixed chunks, files.

The networks are neuralforecast's while they learn and ``networks`` when they predict. One thread everywhere.
"""

import contextlib
import itertools
import random
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qt_core.agents import calibration
from qt_core.agents.base import BaseAgent, Curve, Samples
from qt_core.agents.heads import HEADS, Head
from qt_core.agents.panel import Float32Array, Panel, Rows
from qt_core.market import BoolArray, FloatArray

CHUNK = 32  # rows of one forward pass, padded: a row's result then does not depend on how many stand beside it
CLIP = 10.0  # largest return shown, stop distances
PLACES_TRIED = 8  # random windows that are tried in every place of a chunk
STOP_ROWS = 4096  # of the early-stopping span, evenly spaced: enough for a loss to the third digit
LAG_GROUPS = 12  # of the importance plot
FILE = "weights.safetensors"
CHOICES = {"head": ("classes", "student"), "device": ("auto", "cpu")}


class NetAgent(BaseAgent):
    """A network over the last ``window`` log returns of a symbol, the same for all symbols."""

    def __init__(self, params: Any) -> None:
        super().__init__(params)
        self.head: Head = HEADS[params.head]()
        self.network: Any = None
        self.chunk = CHUNK
        self.lag_share: dict[str, float] = {}

    @property
    def warmup(self) -> int:
        return int(self.params.window)

    def ready(self, panel: Panel) -> BoolArray:
        """A window without a hole; features are not looked at."""
        return panel.unbroken(self.warmup)

    @abstractmethod
    def _trainable(self, seed: int) -> Any:
        """The library's network, freshly initialised."""

    @abstractmethod
    def _last_layers(self, network: Any) -> list[Any]:
        """The linear layers whose last ``head.outputs`` rows add up to the output."""

    @abstractmethod
    def _plain(self) -> Any:
        """The network of ``networks`` of the same shape."""

    def _fit(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        with _isolated(seed):
            return self._learn(panel, train, stop, seed)

    def _learn(self, panel: Panel, train: Samples, stop: Samples, seed: int) -> Curve:
        from qt_core.agents.net_training import Learner

        network = self._trainable(seed)
        self._begin_at_shares(network, train)
        watch = _evenly(stop)
        learner = Learner(self.params, network, lambda net, rows, device: self._losses(net, panel, rows, device))
        weights, curve = learner.run(train, _evenly(train), watch, np.random.Generator(np.random.PCG64(seed)))
        if weights is None:
            raise FloatingPointError(f"{self.NAME}: the loss on the early-stopping rows was never a number")
        self._take(weights)
        self.lag_share = self._saliency(panel, watch)
        return curve

    def _begin_at_shares(self, network: Any, train: Samples) -> None:
        """Let the network begin where it says the class shares of every row: what it learns is what it gains on them, and
        early stopping may keep the beginning.
        """
        import torch

        share = np.bincount(train.label, weights=train.weight, minlength=3) / train.weight.sum()
        layers, n = self._last_layers(network), self.head.outputs
        with torch.no_grad():
            for layer in layers:
                layer.weight[-n:] = 0.0
                layer.bias[-n:] = torch.from_numpy(self.head.start(share) / len(layers)).to(layer.bias)

    def _losses(self, network: Any, panel: Panel, samples: Samples, device: str) -> tuple[Any, Any]:
        """What is learned from, and what early stopping goes by."""
        import torch

        x = torch.from_numpy(self._inputs(panel, samples.rows)).to(device)
        batch: dict[str, Any] = {"insample_y": x.unsqueeze(-1), "insample_mask": torch.ones_like(x).unsqueeze(-1)}
        batch |= {"futr_exog": None, "hist_exog": None, "stat_exog": None}
        out = network(batch)[:, 0, :]
        columns = (
            samples.label.astype(np.int64),
            samples.weight.astype(np.float32),
            samples.forward.astype(np.float32),
        )
        label, weight, forward = (torch.from_numpy(np.ascontiguousarray(c)).to(device) for c in columns)
        said = (out, label, weight, forward.clamp(-CLIP, CLIP))
        return self.head.loss(*said), self.head.monitor(*said)

    def _inputs(self, panel: Panel, rows: Rows) -> Float32Array:
        """Returns of the window in stop distances of its last row, ``[n, window]``."""
        x = panel.window(rows, self.warmup) / panel.stop[rows.t, rows.i][:, None]
        shown: Float32Array = np.clip(x, -CLIP, CLIP, dtype=np.float32)
        return shown

    def _outputs(self, panel: Panel, rows: Rows) -> Float32Array:
        """Network outputs ``[n, outputs]``, forward passes of ``chunk`` rows each."""
        import torch

        n = len(rows.t)
        chunk = self.chunk
        padded = np.zeros((-(-n // chunk) * chunk, self.warmup), dtype=np.float32)
        padded[:n] = self._inputs(panel, rows)
        with _one_thread(), torch.inference_mode():
            parts = [
                self.network(torch.from_numpy(padded[k : k + chunk])).numpy() for k in range(0, len(padded), chunk)
            ]
        return np.concatenate(parts)[:n] if parts else np.zeros((0, self.head.outputs), dtype=np.float32)

    def _score(self, panel: Panel, rows: Rows) -> FloatArray:
        return self.head.score(self._outputs(panel, rows))

    def answer(self, panel: Panel, rows: Rows) -> tuple[Float32Array, Float32Array]:
        self._check_schema(panel)
        out = self._outputs(panel, rows)
        forecast = self.head.forecast(out) * panel.stop[rows.t, rows.i]
        return calibration.probabilities(self.calibration, self.head.score(out)), forecast.astype(np.float32)

    def forecast(self, panel: Panel, rows: Rows) -> Float32Array:
        """The head's own forecast, brought back from stop distances."""
        return self.answer(panel, rows)[1]

    def importance(self) -> dict[str, float]:
        """Share of the gradient of BUY against SELL by groups of lags, on the early-stopping rows."""
        return self.lag_share

    def _saliency(self, panel: Panel, samples: Samples) -> dict[str, float]:
        import torch

        x = torch.from_numpy(self._inputs(panel, samples.rows)).requires_grad_(True)
        out = self.network(x)
        (out[:, min(2, self.head.outputs - 1)] - out[:, 0]).sum().backward()
        assert x.grad is not None
        share = x.grad.abs().mean(dim=0).double().numpy()[::-1]
        share = share / (share.sum() or 1.0)
        edges = np.unique(np.linspace(0, self.warmup, LAG_GROUPS + 1).astype(int))
        return {f"lag_{a + 1:03d}_{b:03d}": float(share[a:b].sum()) for a, b in itertools.pairwise(edges)}

    def _take(self, weights: dict[str, Any]) -> None:
        network = self._plain()
        network.load_state_dict({k: v for k, v in weights.items() if k in network.state_dict()}, strict=True)
        network.eval()
        self.network = network
        self.chunk = self._blind_chunk()

    def _blind_chunk(self) -> int:
        """CHUNK where a row's result is the same in every place of one, else 1, which is slower: matrix code may take the
        last rows of a narrow layer another way than the first.
        """
        import torch

        draw = np.random.Generator(np.random.PCG64(0))
        with _one_thread(), torch.inference_mode():
            for _ in range(PLACES_TRIED):
                row = draw.standard_normal(self.warmup).astype(np.float32)
                out = self.network(torch.from_numpy(np.tile(row, (CHUNK, 1))))
                if not bool((out == out[0]).all()):
                    return 1
        return CHUNK

    def _write(self, folder: Path) -> None:
        from safetensors.torch import save_file

        from qt_core.io.files import write_json

        save_file({k: v.contiguous() for k, v in self.network.state_dict().items()}, folder / FILE)
        write_json(folder / "lags.json", self.lag_share)

    def _read(self, folder: Path) -> None:
        from safetensors.torch import load_file

        from qt_core.io.files import read_json

        self._take(load_file(folder / FILE))
        self.lag_share = read_json(folder / "lags.json")


def _evenly(samples: Samples) -> Samples:
    """At most STOP_ROWS of them, evenly spaced in time."""
    n = len(samples.label)
    return samples.take(np.unique(np.linspace(0, n - 1, min(STOP_ROWS, n)).astype(np.int64)))


@contextlib.contextmanager
def _isolated(seed: int) -> Iterator[None]:
    """Seeded generators and one thread inside; outside everything is as before, though the library reseeds all three."""
    import torch

    before = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(), _one_thread():
        torch.manual_seed(seed)
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@contextlib.contextmanager
def quiet_library() -> Iterator[None]:
    """Neuralforecast's import and constructors log and warn; what they say concerns its own trainer, which is not used."""
    import logging
    import warnings

    names = (
        "pytorch_lightning",
        "lightning",
        "lightning.pytorch",
        "lightning_fabric",
        "lightning_fabric.utilities.seed",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import neuralforecast.models  # noqa: F401  its import sets these loggers up

        levels = [logging.getLogger(name).level for name in names]
        for name in names:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in zip(names, levels, strict=True):
                logging.getLogger(name).setLevel(level)
