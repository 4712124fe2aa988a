"""The searches everybody needs, by name; docs/mlflow.md shows this table, and the tests run each and check its rows.

The filters are MLflow's own: what stands here can be typed into the search field of its page. MLflow knows no OR.
"""

import re
from typing import Any, NamedTuple

from experiments.tracking import names
from qt_core.errors import ConfigError

FIT = f"tags.`{names.KIND}` = '{names.FIT}' AND tags.`{names.CURRENT}` = 'true'"
TRAINING = f"tags.`{names.KIND}` = '{names.TRAINING}'"
SPOKE = f"{FIT} AND tags.`{names.ABSTAINS}` = 'false'"
_GAP = re.compile(r"\{(\w+)\}")
_SAFE = re.compile(r"^[\w.:+\- ]*$")


class Search(NamedTuple):
    """A filter with gaps such as ``{window}``, and the order of its rows."""

    what: str
    filter: str
    order_by: tuple[str, ...]
    example: dict[str, str] = {}  # noqa: RUF012  a value for each gap; read only

    @property
    def gaps(self) -> tuple[str, ...]:
        """What must be given, in order of appearance."""
        return tuple(dict.fromkeys(_GAP.findall(self.filter)))


SKILL = ("metrics.log_loss_skill DESC",)
BY_TIME = ("attributes.start_time ASC",)
NEWEST = ("attributes.start_time DESC",)
BY_NAME = ("attributes.run_name ASC",)

SEARCHES: dict[str, Search] = {
    "trainings": Search("all trainings, newest first", TRAINING, NEWEST),
    "interrupted": Search(
        "trainings that have not come to their end: running, killed, failed",
        f"{TRAINING} AND attributes.status != 'FINISHED'",
        NEWEST,
    ),
    "fits-of-training": Search(
        "every fit of a training, abstentions among them",
        f"{FIT} AND tags.`{names.PARENT}` = '{{parent}}'",
        BY_NAME,
        {"parent": "run id of the training"},
    ),
    "window": Search(
        "the models of a window, best first",
        f"{SPOKE} AND tags.`{names.WINDOW}` = '{{window}}'",
        SKILL,
        {"window": "2021-01-01"},
    ),
    "agent": Search(
        "an agent through time, window after window",
        f"{SPOKE} AND tags.`{names.AGENT}` = '{{agent}}'",
        (f"tags.`{names.WINDOW}` ASC",),
        {"agent": "xgb"},
    ),
    "best": Search("all fits, the best first", SPOKE, SKILL),
    "worse-than-prior": Search(
        "fits that say less than the class shares of training", f"{SPOKE} AND metrics.log_loss_skill < 0",
        ("metrics.log_loss_skill ASC",),
    ),
    "abstained": Search(
        "windows an agent has no model for; the tag qt.reason says why", f"{FIT} AND tags.`{names.ABSTAINS}` = 'true'",
        BY_NAME,
    ),
    "miscalibrated": Search(
        "fits whose probabilities hold least, worst first", f"{SPOKE} AND metrics.calibration_error > 0.05",
        ("metrics.calibration_error DESC",),
    ),
    "candidates": Search(
        "fits that were right in 55 % of at least 100 actions: what the gates ask first",
        f"{SPOKE} AND metrics.actionable_accuracy >= 0.55 AND metrics.actionable >= 100",
        ("metrics.actionable_accuracy DESC",),
    ),
    "earn-alone": Search(
        "fits whose actions earned after costs, each held to its barriers",
        f"{SPOKE} AND metrics.mean_r_net > 0 AND metrics.actionable >= 100",
        ("metrics.mean_r_net DESC",),
    ),
    "silent": Search("fits that never reached the threshold", f"{SPOKE} AND metrics.actionable = 0", BY_NAME),
    "cut-short": Search(
        "fits that were still learning at the last step they were allowed", f"{SPOKE} AND metrics.best_step_share > 0.98",
        ("metrics.best_step_share DESC",),
    ),
    "data": Search(
        "fits on exactly these inputs and labels", f"{FIT} AND tags.`{names.DATA_DIGEST}` = '{{digest}}'", BY_NAME,
        {"digest": "64 hex digits"},
    ),
    "dataset": Search(
        "fits that learned from a dataset or were judged on it, by MLflow's digest of it",
        f"{FIT} AND dataset.digest = '{{digest}}'",
        BY_NAME,
        {"digest": "36 hex digits"},
    ),
    "universe": Search(
        "fits on at least so many symbols", f"{SPOKE} AND metrics.{names.N_SYMBOLS} >= {{symbols}}", SKILL, {"symbols": "20"}
    ),
    "model": Search(
        "the fit behind a model named in a tape or journal", f"tags.`{names.MODEL_ID}` = '{{model_id}}'", NEWEST,
        {"model_id": "xgb-2021-01-01-6506b7bc"},
    ),
    "commit": Search(
        "fits made by a commit of this program", f"{FIT} AND tags.`{names.COMMIT}` = '{{commit}}'", BY_NAME,
        {"commit": "40 hex digits"},
    ),
    "slowest": Search("fits by time", SPOKE, ("metrics.seconds_fit DESC",)),
    "superseded": Search(
        "fits that the same training has made again on other data", f"tags.`{names.CURRENT}` = 'false'", NEWEST
    ),
}  # fmt: skip


def filter_of(name: str, **values: str) -> str:
    """The filter string of a search with its gaps filled.

    Raises
    ------
    ConfigError
        If the search is unknown, or a value is missing, superfluous or no plain text.
    """
    if name not in SEARCHES:
        raise ConfigError(f"search {name!r} is unknown; expected one of {', '.join(SEARCHES)}")
    search = SEARCHES[name]
    if set(values) != set(search.gaps):
        wanted = ", ".join(search.gaps) or "nothing"
        raise ConfigError(f"search {name}: {', '.join(values) or 'nothing'} given; {wanted} expected")
    for key, value in values.items():
        if not _SAFE.match(str(value)):
            raise ConfigError(f"search {name}: {key}={value!r}; letters, digits and . : + - _ expected")
    return search.filter.format(**values)


def find(client: Any, experiment_ids: list[str], name: str, max_results: int = 1000, **values: str) -> list[Any]:
    """The runs of a search in its order, equal ones by name; the first page, at most ``max_results``."""
    text, order = filter_of(name, **values), list(dict.fromkeys((*SEARCHES[name].order_by, *BY_NAME)))
    return list(client.search_runs(experiment_ids, text, order_by=order, max_results=max_results))


def markdown() -> str:
    """The table of docs/mlflow.md."""
    lines = ["| search | finds | filter | order |", "|---|---|---|---|"]
    for name, search in SEARCHES.items():
        order = ", ".join(f"`` {o} ``" for o in search.order_by)
        lines.append(f"| `{name}` | {search.what} | `` {search.filter} `` | {order} |")
    return "\n".join(lines)
