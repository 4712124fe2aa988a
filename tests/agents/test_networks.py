"""The plain networks say what neuralforecast's say, with the same weights and inputs."""

import numpy as np
import pytest
import torch

from qt_core.agents.panel import Panel, Rows
from tests.agents.small import new_agent

N_HITS = [
    {"window": 8, "units": 4, "depth": 1},
    {"window": 17, "units": 8, "depth": 3},
    {"window": 120, "units": 64, "depth": 2},
]
PATCH_TST = [
    {"window": 64, "patch": 16, "stride": 8, "width": 32, "heads": 4, "layers": 2, "inner": 64},
    {"window": 32, "patch": 8, "stride": 4, "width": 8, "heads": 2, "layers": 1, "inner": 8},
    {"window": 33, "patch": 8, "stride": 5, "width": 12, "heads": 3, "layers": 3, "inner": 4},
    {"window": 40, "patch": 40, "stride": 7, "width": 8, "heads": 1, "layers": 1, "inner": 16},
    {"window": 48, "patch": 8, "stride": 8, "width": 8, "heads": 8, "layers": 2, "inner": 8},
]


def both(name, shape, head, seed):
    """neuralforecast's network with random weights and running statistics, and the plain one with the same."""
    agent = new_agent(name, head=head, device="cpu", **shape)
    torch.manual_seed(seed)
    theirs = agent._trainable(seed)
    with torch.no_grad():
        for key, value in theirs.state_dict().items():
            if value.is_floating_point() and "scale" not in key:
                value.copy_(torch.rand_like(value) + 0.5 if "running_var" in key else 0.4 * torch.randn_like(value))
    theirs.eval()
    agent._take(theirs.state_dict())
    return theirs, agent.network


def theirs_on(network, x):
    batch = {"insample_y": x.unsqueeze(-1), "insample_mask": torch.ones_like(x).unsqueeze(-1)}
    with torch.inference_mode():
        return network({**batch, "futr_exog": None, "hist_exog": None, "stat_exog": None})[:, 0, :]


@pytest.mark.parametrize("head", ["classes", "student"])
@pytest.mark.parametrize(
    ("name", "shape"), [*(("nhits", s) for s in N_HITS), *(("patchtst", s) for s in PATCH_TST)], ids=str
)
def test_the_plain_network_is_bit_equal_to_the_one_that_was_trained(name, shape, head):
    state = torch.get_rng_state()
    try:
        for seed in (0, 1):
            theirs, ours = both(name, shape, head, seed)
            for rows in (1, 32):
                x = 2.0 * torch.randn(rows, shape["window"])
                with torch.inference_mode():
                    found = ours(x).numpy()
                expected = theirs_on(theirs, x).numpy()
                assert found.shape == (rows, 4 if head == "classes" else 3)
                assert found.std() > 1e-3
                assert np.array_equal(found, expected), float(np.abs(found - expected).max())
    finally:
        torch.set_rng_state(state)


@pytest.mark.parametrize("name", ["nhits", "patchtst"])
def test_a_weight_more_or_less_is_refused(name):
    agent = new_agent(name)
    weights = dict(agent._plain().state_dict())
    agent._take({**weights, "decoder.of_the_library": torch.zeros(1)})  # what prediction does not need is left
    weights.pop(sorted(weights)[0])
    with pytest.raises(RuntimeError, match="Missing key"):
        agent._take(weights)


@pytest.mark.parametrize("name", ["nhits", "patchtst"])
def test_a_later_bar_of_the_window_matters_and_the_order_too(name):
    _, network = both(name, {}, "classes", 0)
    x = torch.randn(1, new_agent(name).warmup)
    with torch.inference_mode():
        base = network(x)
        for k in range(x.shape[1]):
            moved = x.clone()
            moved[0, k] += 5.0
            assert not torch.equal(network(moved), base), k
        assert not torch.equal(network(x.flip(-1)), base)


@pytest.mark.parametrize(
    ("name", "shape"), [*(("nhits", s) for s in N_HITS), *(("patchtst", s) for s in PATCH_TST)], ids=str
)
def test_a_row_says_the_same_in_every_place(name, shape):
    """Of any width: where a chunk's places differ, rows are taken one by one."""
    agent = new_agent(name, **shape)
    window, seed = shape["window"], 7
    _, agent.network = both(name, shape, "classes", seed)
    agent._take(agent.network.state_dict())
    rng = np.random.default_rng(seed)
    returns = (0.01 * rng.standard_normal((400, 1))).astype(np.float32)
    stop = np.full((400, 1), 0.01, dtype=np.float32)
    panel = Panel((), np.zeros((400, 1, 0), dtype=np.float32), returns, stop)
    t = np.arange(window, window + 200)
    rows = Rows(t, np.zeros_like(t))
    whole = agent._outputs(panel, rows)
    assert len(np.unique(whole[:, 0])) == 200
    for size in (1, 2, 31, 32, 33, 100):
        some = rng.permutation(200)[:size]
        part = agent._outputs(panel, Rows(t[some], rows.i[some]))
        assert part.tobytes() == whole[some].tobytes(), size
