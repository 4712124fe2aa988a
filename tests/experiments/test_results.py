"""What windows come to together, against the plain sums; and the pictures."""

import dataclasses
import math

import pytest
from rich.console import Console

from experiments.results import by_agent, print_results
from experiments.tracking.plots import importance_figure, reliability_figure
from research.splits import Window
from research.training.report import FitReport

METRICS = {
    "log_loss": 1.0, "log_loss_prior": 1.1, "log_loss_skill": 0.09, "brier": 0.6, "accuracy": 0.4, "calibration_error": 0.02,
    "rows": 100.0, "rmse": 0.03, "mae": 0.02, "r2": 0.0, "directional_accuracy": 0.5, "actionable": 10.0,
    "actionable_share": 0.1, "actionable_accuracy": 0.5, "actionable_calibration_error": 0.1, "win_rate": 0.5, "mean_r": 0.1,
    "mean_r_net": 0.0,
}  # fmt: skip


def fit(agent: str, number: int, metrics=None, **fields) -> FitReport:
    window = Window(f"2021-0{number}-01", 0, 1, 2, 3, 4)
    return FitReport(agent, window, f"k{number}", 1, 1, f"{agent}-{number}", metrics=metrics or {}, **fields)


def test_means_are_weighted_by_what_they_are_means_of():
    few = {**METRICS, "rows": 100.0, "actionable": 30.0, "log_loss": 1.0, "mean_r_net": 0.2, "rmse": 0.01}
    many = {**METRICS, "rows": 300.0, "actionable": 10.0, "log_loss": 1.2, "mean_r_net": -0.2, "rmse": 0.03}
    together = by_agent([fit("xgb", 1, few), fit("xgb", 2, many)])["xgb"]
    assert together["log_loss"] == pytest.approx((100 * 1.0 + 300 * 1.2) / 400)
    assert together["log_loss_skill"] == pytest.approx(1 - together["log_loss"] / 1.1)
    assert together["mean_r_net"] == pytest.approx((30 * 0.2 - 10 * 0.2) / 40)
    assert together["rmse"] == pytest.approx(math.sqrt((100 * 0.01**2 + 300 * 0.03**2) / 400))
    assert (together["rows"], together["actionable"], together["windows"]) == (400.0, 40.0, 2.0)


def test_what_was_not_measured_weighs_nothing():
    silent = {**METRICS, "actionable": 0.0} | dict.fromkeys(
        ("actionable_accuracy", "actionable_calibration_error", "win_rate", "mean_r", "mean_r_net")
    )
    together = by_agent([fit("xgb", 1, METRICS), fit("xgb", 2, silent), fit("xgb", 3)])["xgb"]
    assert together["mean_r_net"] == 0.0
    assert together["actionable_accuracy"] == 0.5
    assert together["windows"] == 3.0
    nothing = by_agent([fit("nhits", 1, abstains="nhits 2021-01-01: no rows")])["nhits"]
    assert (nothing["windows"], nothing["abstentions"], nothing["log_loss"]) == (0.0, 1.0, None)


def test_the_table_survives_a_narrow_terminal_and_markup_in_a_reason(trained):
    report = dataclasses.replace(fit("xgb", 1, METRICS))
    odd = fit("lgbm", 1, abstains="lgbm: [bold]odd[/bold] reason")
    for width in (40, 80, 200):
        console = Console(width=width, record=True, file=open("/dev/null", "w"))  # noqa: SIM115
        print_results(console, trained, [report, odd])
        assert "[bold]odd" in console.export_text()


def pixels(figure) -> tuple[int, int]:
    figure.canvas.draw()
    return figure.canvas.get_width_height()


def test_pictures_of_the_smallest_and_the_odd():
    one = [(0.3, 0.0, 1)]
    report = fit("xgb", 1, METRICS, reliability={"SELL": one, "BUY": one}, importance={"rsi_14": 1.0})
    assert min(pixels(reliability_figure(report))) > 300
    assert pixels(importance_figure(report))[0] > 300
    constant = fit("xgb", 1, {}, reliability={"SELL": [(0.2, 0.2, 5)] * 3, "BUY": [(0.2, 0.2, 5)] * 3})
    assert min(pixels(reliability_figure(constant))) > 300
    nothing = fit("xgb", 1, METRICS, importance=dict.fromkeys("abcdefghijklmnopqrstuvwxyz", 0.0))
    assert pixels(importance_figure(nothing))[0] > 300
