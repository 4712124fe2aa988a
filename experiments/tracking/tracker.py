"""The observer that logs a training to MLflow: one run for it, one below for each fit, nothing twice.

Tracking never ends a training: when MLflow fails, one line says so, and the next ``qt train`` logs what is missing.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from experiments.tracking import names
from experiments.tracking.fit_run import fit_curve, fit_metrics, fit_note, fit_numbers, fit_params, fit_tags
from experiments.tracking.store import Store, client_of, experiment_of, one_line, store_of
from research.training.dataset import Dataset
from research.training.folder import ModelsFolder
from research.training.report import FILE as REPORT
from research.training.report import FitReport

if TYPE_CHECKING:
    from research.training.walk_forward import Training

RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
PAGE = 1000  # runs per search
BATCH = 1000  # metrics per request, MLflow's limit


class Logged(NamedTuple):
    """A fit that is there already."""

    run_id: str
    key: str


class Tracker:
    """Logs fits as they come; an ``Observer`` of ``research.training.walk_forward.train``.

    Parameters
    ----------
    say : gets one line if MLflow fails, and one at the end.
    store : where; by default ``MLFLOW_TRACKING_URI`` or ``mlruns/mlflow.db``.
    """

    def __init__(self, say: Callable[[str], None] = lambda text: None, store: "Store | None" = None) -> None:
        self.store = store_of() if store is None else store
        self.say = say
        self.failed = ""  # why tracking has ended early
        self.new = self.old = 0  # fits logged now, and before
        self.parent_id = ""
        self._client: Any = None
        self._training: Any = None
        self._parent_status = ""
        self._logged: dict[tuple[str, str], Logged] = {}

    def begin(self, training: "Training") -> None:
        """Open the training's run, or the one it had before."""
        self._guarded(lambda: self._begin(training))

    def fitted(self, report: FitReport, folder: ModelsFolder, data: Dataset) -> None:
        """Log a fit, unless it is there."""
        self._guarded(lambda: self._fitted(report, folder, data))

    def finish(self, reports: list[FitReport], status: str = FINISHED) -> None:
        """Close the training's run: FINISHED with the agents' means, KILLED after Ctrl-C, FAILED after an error."""
        self._guarded(lambda: self._finish(reports, status))

    def summary(self) -> dict[str, Any]:
        """For ``qt train --json``."""
        return {
            "uri": self.store.shown,
            "run_id": self.parent_id,
            "logged": self.new,
            "there_before": self.old,
            "failed": self.failed or None,
        }

    def _guarded(self, action: Callable[[], None]) -> None:
        if self.failed:
            return
        try:
            action()
        except Exception as error:  # whatever a store, a server or a network can raise; the training is worth more
            if os.environ.get("QT_DEBUG"):
                raise
            self.failed = one_line(error)
            self.say(
                f"MLflow ({self.store.shown}): {self.failed}; the training goes on unlogged, the next qt train logs it"
            )

    def _begin(self, training: "Training") -> None:
        from experiments.tracking import training_run
        from experiments.tracking.datasets import WindowData

        self._training = training
        self._client = client_of(self.store)
        experiment = {names.EXPERIMENT_KIND: "custom_model_development", names.FORMAT_TAG: names.FORMAT}
        self._experiment = experiment_of(self._client, self.store, training.settings.experiment, experiment)
        self._key = training_run.training_key(training)
        self._common = training_run.common_tags(training)
        self._windows = WindowData(training.data, dict(training.config.data))
        parent = self._find_parent()
        if parent is None:
            parent = self._client.create_run(
                self._experiment,
                run_name=f"{training.settings.experiment} {self._key[:6]}",
                tags=training_run.training_tags(training, self._key),
            )
            self._log(parent.info.run_id, params=training_run.training_params(training))
            self._client.log_dict(parent.info.run_id, training.config.as_dict(), names.CONFIG)
        self.parent_id, self._parent_status = parent.info.run_id, parent.info.status
        if self._parent_status != FINISHED:
            self._set_parent(RUNNING)
        self._logged = self._find_logged()

    def _find_parent(self) -> Any:
        text = f"tags.`{names.KIND}` = '{names.TRAINING}' AND tags.`{names.TRAINING_KEY}` = '{self._key}'"
        found = self._client.search_runs(
            [self._experiment], text, order_by=["attributes.start_time ASC"], max_results=1
        )
        return found[0] if found else None

    def _find_logged(self) -> dict[tuple[str, str], Logged]:
        """Current fits of the training by agent and window; one whose logging was cut short is removed, to be done again."""
        found: dict[tuple[str, str], Logged] = {}
        text, token = f"tags.`{names.PARENT}` = '{self.parent_id}'", None
        while True:
            page = self._client.search_runs([self._experiment], text, max_results=PAGE, page_token=token)
            for run in page:
                tags = run.data.tags
                if run.info.status != FINISHED:
                    self._remove(run)
                elif tags.get(names.CURRENT) == "true":
                    found[tags[names.AGENT], tags[names.WINDOW]] = Logged(run.info.run_id, tags[names.FIT_KEY])
            token = page.token
            if not token:
                return found

    def _remove(self, run: Any) -> None:
        for model in run.outputs.model_outputs if run.outputs else ():
            self._client.delete_logged_model(model.model_id)
        self._client.delete_run(run.info.run_id)

    def _fitted(self, report: FitReport, folder: ModelsFolder, data: Dataset) -> None:
        place = report.agent, report.window.name
        before = self._logged.get(place)
        if before is not None and before.key == report.key:
            self.old += 1
            return
        if self._parent_status == FINISHED:
            self._set_parent(RUNNING)
        run_id = self._log_fit(report, folder, data)
        if before is not None:  # the same window with other data: a longer history, or a correction
            self._client.set_tag(before.run_id, names.CURRENT, names.flag(False))
        self._logged[place] = Logged(run_id, report.key)
        self.new += 1

    def _log_fit(self, report: FitReport, folder: ModelsFolder, data: Dataset) -> str:
        place = folder.place(report.window, report.agent)
        end = int((place / REPORT).stat().st_mtime * 1000)  # when it was done, which may be long ago
        tags = {**self._common, **fit_tags(report, self._key, self._windows.whole(report.window))}
        run = self._client.create_run(
            self._experiment,
            start_time=end - int(sum(report.seconds.values()) * 1000),
            run_name=names.run_name(report.agent, report.window.name),
            tags={**tags, names.PARENT: self.parent_id, names.NOTE: fit_note(report)},
        )
        run_id = str(run.info.run_id)
        settings = names.settings_params(self._training.settings, self._training.costs)
        self._log(run_id, params={**settings, **fit_params(report)})
        self._client.log_inputs(run_id, self._windows.inputs(report.window))
        if not report.abstains:
            self._log_model(run_id, report, place, data, tags, end)
            self._log_plots(run_id, report)
        self._log(run_id, [(k, 0, v) for k, v in fit_numbers(report).items()] + fit_curve(report), when=end)
        self._client.log_artifact(run_id, str(place / REPORT))
        self._client.set_terminated(run_id, FINISHED, end_time=end)
        return run_id

    def _log_model(
        self, run_id: str, report: FitReport, place: Path, data: Dataset, tags: dict[str, str], end: int
    ) -> None:
        """The model, then its metrics, which belong to the model as well as to the run.

        They name no dataset, though it is known: MLflow's table of models would give every window columns of its own.
        """
        from experiments.tracking.model import log_model

        model_id = log_model(self._client, self._client.get_run(run_id), report, place, data, tags)
        self._log(run_id, [(k, 0, v) for k, v in fit_metrics(report).items()], None, end, model_id)

    def _log_plots(self, run_id: str, report: FitReport) -> None:
        from experiments.tracking.plots import importance_figure, reliability_figure

        if report.reliability:
            self._client.log_figure(run_id, reliability_figure(report), names.RELIABILITY_PNG)
        if report.importance:
            self._client.log_figure(run_id, importance_figure(report), names.IMPORTANCE_PNG)

    def _finish(self, reports: list[FitReport], status: str) -> None:
        if reports:
            self._log_together(reports)
        if self._parent_status != status:
            self._client.set_terminated(self.parent_id, status)
        where = f"{self.store.shown}, experiment {self._training.settings.experiment}"
        self.say(f"MLflow: {self.new} fits logged, {self.old} were there ({where}); qt ui opens it")

    def _log_together(self, reports: list[FitReport]) -> None:
        """What all fits come to; values that are there already are not repeated."""
        from experiments.tracking import training_run

        there = self._client.get_run(self.parent_id).data.metrics
        together = training_run.training_metrics(reports)
        metrics = [(name, 0, value) for name, value in together.items() if there.get(name) != value]
        for name, skills in training_run.window_skills(self._training, reports).items():
            drawn = {m.step: m.value for m in self._client.get_metric_history(self.parent_id, name)}
            metrics += [(name, step, value) for step, value in skills.items() if drawn.get(step) != value]
        if metrics:
            self._log(self.parent_id, metrics)
            self._client.set_tag(self.parent_id, names.NOTE, training_run.training_note(self._training, reports))

    def _set_parent(self, status: str) -> None:
        self._client.update_run(self.parent_id, status)
        self._parent_status = status

    def _log(
        self,
        run_id: str,
        metrics: "list[tuple[str, int, float]] | None" = None,
        params: "dict[str, Any] | None" = None,
        when: "int | None" = None,
        model_id: "str | None" = None,
    ) -> None:
        from mlflow.entities import Metric, Param

        at = int(time.time() * 1000) if when is None else when
        rows = [Metric(name, value, at, step, model_id) for name, step, value in metrics or ()]
        given = [Param(key, str(value)) for key, value in (params or {}).items()]
        for k in range(0, max(len(rows), 1), BATCH):
            self._client.log_batch(run_id, rows[k : k + BATCH], given if k == 0 else ())
