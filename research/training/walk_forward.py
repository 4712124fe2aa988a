"""All windows and models of a configuration, one after the other, one thread; finished fits are kept and not done again."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from qt_core.config import Config
from qt_core.errors import ConfigError
from qt_core.market import Market
from research.splits import Window, walk_forward
from research.training.dataset import Dataset, make_dataset
from research.training.fit import Costs, fit_window
from research.training.folder import ModelsFolder, fit_key
from research.training.report import FitReport
from research.training.settings import Settings, settings_of


class Observer(Protocol):
    """Who is told what happens; MLflow tracking is one."""

    def fitted(self, report: FitReport, folder: ModelsFolder, data: Dataset) -> None:
        """A fit is on disk, now or since an earlier run."""
        ...


class Job(NamedTuple):
    """One model of one window."""

    window: Window
    agent: str
    key: str


@dataclass(frozen=True)
class Training:
    """Everything a training works on."""

    config: Config
    settings: Settings
    data: Dataset
    windows: tuple[Window, ...]
    costs: Costs
    folder: ModelsFolder

    def jobs(self) -> Iterator[Job]:
        """Every fit, in order of time and slot."""
        for window in self.windows:
            for name in self.settings.slots:
                yield Job(window, name, fit_key(self.data, window, name, self.settings, self.costs))


def costs_of(config: Config) -> Costs:
    """Fees and slippage of both legs, and the threshold from which the ensemble acts."""
    p = config.params()
    return Costs(2.0 * (p.venue.taker_fee + p.venue.slippage), p.ensemble.threshold)


def open_training(config: Config, market: Market) -> Training:
    """Check settings and folder, make features and labels; bad input ends here, before any fit."""
    settings = settings_of(config)
    folder = ModelsFolder(settings.folder)
    folder.check()
    last_ms = int(market.time[-1]) + market.timeframe_ms
    windows = walk_forward(settings.plan, int(market.time[0]), last_ms)
    if settings.plan.embargo_bars < 0:
        raise ConfigError(f"{config.source}: models.windows.embargo_bars below 0")
    data = make_dataset(market, config, settings.samples.breadth)
    return Training(config, settings, data, windows, costs_of(config), folder)


def train(
    training: Training,
    observers: tuple[Observer, ...] = (),
    say: Callable[[str], None] = lambda text: None,
    progress: "Callable[[int, int], None] | None" = None,
) -> list[FitReport]:
    """Do what is not done yet and return every report, abstentions among them.

    Each fit is on disk, whole, before observers hear of it: whatever ends a training, the same call goes on behind it.
    """
    jobs = list(training.jobs())
    reports = []
    for done, job in enumerate(jobs):
        if progress is not None:
            progress(done, len(jobs))
        report = training.folder.finished(job.window, job.agent, job.key)
        if report is None:
            report = _fit(training, job)
            say(line_of(report))
        for observer in observers:
            observer.fitted(report, training.folder, training.data)
        reports.append(report)
    if progress is not None:
        progress(len(jobs), len(jobs))
    return reports


def check_replaced(training: Training) -> None:
    """Refuse to train over finished fits of other settings or data: a mistyped value would cost them all.

    Raises
    ------
    ConfigError
        Naming the first and how many there are.
    """
    others = training.folder.others(training.jobs())
    if others:
        raise ConfigError(
            f"{training.config.source}: {training.settings.folder} holds {len(others)} fits of other settings, data or "
            f"versions ({others[0]} first); expected another models.folder, or --replace to train them anew"
        )


def _fit(training: Training, job: Job) -> FitReport:
    agent, report, predictions = fit_window(
        training.data, job.window, job.agent, training.settings, training.costs, job.key
    )
    training.folder.keep(agent, report, predictions, training.data)
    return report


def line_of(report: FitReport) -> str:
    """One line for people who watch."""
    if report.abstains:
        return f"abstains: {report.abstains}"
    m: dict[str, Any] = report.metrics
    judged = f"log loss {m['log_loss']:.4f} (prior {m['log_loss_prior']:.4f})" if m else "nothing to judge by yet"
    return f"{report.window.name} {report.agent}: {judged}, {report.seconds['fit']:.0f} s"
