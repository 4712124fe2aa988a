"""A configuration is checked once, at the edge: every error is one line naming the key and what was expected."""

from pathlib import Path
from typing import Any

import pytest

from qt_core.config import DERIVED, PROFILES, SECTIONS, load_config
from qt_core.errors import ConfigError

WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "unknown section": ({"riks": {}}, "unknown key 'riks'; did you mean 'risk'"),
    "unknown key": ({"tpsl": {"tp_ancor": 0.03}}, "unknown key 'tpsl.tp_ancor'; did you mean 'tpsl.tp_anchor'"),
    "nothing like it": ({"tpsl": {"zzz": 1}}, "unknown key 'tpsl.zzz'; expected one of mode, tp_anchor"),
    "unknown data key": ({"data": {"symbol": []}}, "unknown key 'data.symbol'; did you mean 'data.symbols'"),
    "derived": ({"chain": {"taker_fee": 0.1}}, "unknown key 'chain.taker_fee'"),
    "too high": ({"venue": {"taker_fee": 0.5}}, "venue.taker_fee: 0.5 is out of range; expected 0 to 0.1"),
    "too low": ({"risk": {"max_leverage": 0.5}}, "risk.max_leverage: 0.5 is out of range; expected 1 to 125"),
    "text": ({"tpsl": {"tp_anchor": "wide"}}, "tpsl.tp_anchor: 'wide'; expected a finite number"),
    "not finite": ({"tpsl": {"tp_anchor": float("nan")}}, "tpsl.tp_anchor: nan; expected a finite number"),
    "infinite": ({"venue": {"slippage": float("inf")}}, "venue.slippage: inf; expected a finite number"),
    "list": ({"tpsl": {"tp_anchor": [0.03]}}, r"tpsl.tp_anchor: \[0.03\]; expected a finite number"),
    "bool": ({"tpsl": {"tp_anchor": True}}, "tpsl.tp_anchor: True; expected a finite number"),
    "not whole": ({"risk": {"max_positions": 2.5}}, "risk.max_positions: 2.5; expected a whole number"),
    "mode": ({"risk": {"mode": "on"}}, "risk.mode: 'on'; expected one of off, observe, advisory, enforced"),
    "choice": ({"ensemble": {"vote": "loud"}}, "ensemble.vote: 'loud'; expected one of soft, hard"),
    "section": ({"risk": 5}, "risk: expected keys and values, got 5"),
    "profile": ({"profile": "bold"}, "profile: 'bold' is unknown; expected one of balanced, aggressive, expanded"),
    "seed": ({"seed": -1}, "seed: -1; expected a whole number from 0 to 9223372036854775807"),
    "weights": (
        {"ensemble": dict.fromkeys(("weight_xgb", "weight_lgbm", "weight_nhits", "weight_patchtst"), 0.0)},
        "ensemble weights: all zero; expected at least one above 0",
    ),
    "thresholds": ({"regime": {"vol_low": 0.9}}, "regime: lower threshold above the upper one"),
    "margins": ({"risk": {"min_margin_usd": 400.0}}, "risk.min_margin_usd above max_margin_usd; expected min <= max"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_line_names_the_key_and_what_was_expected(name: str):
    raw, says = WRONG[name]
    with pytest.raises(ConfigError, match=says) as info:
        load_config(raw)
    assert "\n" not in str(info.value)
    assert str(info.value).startswith("<dict>: ")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("risk: [1, 2", "not valid YAML"),
        ("- a\n- b\n", "expected keys and values, got list"),
        ("tpsl:\n  tp_anchor: 9\n", "tpsl.tp_anchor: 9 is out of range"),
    ],
)
def test_a_file_is_named(tmp_path: Path, text: str, says: str):
    path = tmp_path / "run.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=says) as info:
        load_config(path)
    assert str(info.value).startswith(f"{path}: ")
    assert "\n" not in str(info.value)


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read .* expected a YAML configuration"):
        load_config(tmp_path / "none.yaml")


@pytest.mark.parametrize("dotted", ["tp_anchor", "tpsl", "nosuch.tp_anchor"])
def test_a_varied_key_must_have_a_section(dotted: str):
    with pytest.raises(ConfigError, match=r"expected SECTION\.KEY with one of chain, engine, ensemble"):
        load_config({}).with_values({dotted: 1.0})


def test_a_varied_value_is_checked_too_and_the_original_stays():
    config = load_config({})
    with pytest.raises(ConfigError, match="out of range"):
        config.with_values({"tpsl.tp_anchor": 5.0})
    varied = config.with_values({"tpsl.tp_anchor": 0.05})
    assert varied.params().tpsl.tp_anchor == 0.05
    assert config.params().tpsl.tp_anchor == 0.03
    assert varied.digest() != config.digest()


@pytest.mark.parametrize("profile", PROFILES)
def test_params_are_exact_numbers_of_the_type_of_their_default(profile: str):
    params = load_config({"profile": profile, "tpsl": {"atr_multiple": 2}, "risk": {"max_positions": 7.0}}).params()
    for name, part in params._asdict().items():
        for key, default in SECTIONS[name][0]._field_defaults.items():
            assert type(getattr(part, key)) is type(default), f"{name}.{key}"


def complaint(raw: dict[str, Any]) -> str:
    """What is wrong with it, "" if nothing is."""
    try:
        load_config(raw)
    except ConfigError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", SECTIONS)
def test_bounds_are_inclusive_and_every_number_has_them(name: str):
    cls, bounds, choices = SECTIONS[name]
    free = set(cls._fields) - set(bounds) - set(choices) - {"mode"} - set(DERIVED.get(name, ()))
    assert not free, f"no bounds for {sorted(free)}"
    for key, (low, high) in bounds.items():
        kind = type(cls._field_defaults[key])
        for value, inside in ((low, True), (high, True), (low - 1, False), (high + 1, False)):
            refused = "out of range" in complaint({name: {key: kind(value)}})
            assert refused != inside, f"{key} = {value}"


def test_what_is_given_back_is_read_again():
    raw = {"profile": "expanded", "seed": 3, "tpsl": {"trailing": False}, "data": {"symbols": ["A"]}}
    config = load_config(raw)
    assert config.params().tpsl.trailing == 0
    again = load_config(config.as_dict())
    assert again.params() == config.params()
    assert again.digest() == config.digest()
    assert dict(again.data) == {"symbols": ["A"]}


def test_weights_are_renormalised_and_costs_copied_from_the_venue():
    raw = {"ensemble": {"weight_xgb": 0.66, "weight_lgbm": 0.6}, "venue": {"taker_fee": 0.001, "slippage": 0.003}}
    p = load_config(raw).params()
    e = p.ensemble
    assert e.weight_xgb + e.weight_lgbm + e.weight_nhits + e.weight_patchtst == pytest.approx(1.0, abs=1e-15)
    assert e.weight_xgb / e.weight_nhits == pytest.approx(0.66 / 0.20)
    assert (p.chain.taker_fee, p.chain.slippage) == (0.001, 0.003)


@pytest.mark.parametrize(("section", "stamp"), [("risk", ("risk",)), ("governor", ("governor",)), ("tpsl", ())])
def test_a_safety_module_that_does_not_bind_is_stamped(section: str, stamp: tuple[str, ...]):
    assert load_config({section: {"mode": "off"}}).unsafe == stamp
    assert load_config({}).unsafe == ()
