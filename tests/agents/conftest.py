"""Each agent fitted once per test run."""

import pytest

from qt_core.agents.base import BaseAgent
from qt_core.agents.registry import AGENTS
from research.training.dataset import Dataset
from tests.agents.small import fit_small, rows_ready, small_dataset


@pytest.fixture(scope="session")
def data() -> Dataset:
    return small_dataset()


@pytest.fixture(scope="session")
def agents(data: Dataset) -> dict[str, BaseAgent]:
    """The four, fitted; what they say differs from row to row, or comparisons of it would show nothing."""
    fitted = {name: fit_small(name, data) for name in AGENTS}
    for name, agent in fitted.items():
        said = agent.predict_proba(data.panel, rows_ready(agent, data.panel))
        assert said.std(axis=0).min() > 0.01, f"{name} learned nothing"
    return fitted


@pytest.fixture(params=list(AGENTS))
def agent(request: pytest.FixtureRequest, agents: dict[str, BaseAgent]) -> BaseAgent:
    return agents[request.param]
