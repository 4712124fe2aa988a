"""Contracts as the exchange states them: filters, places, brackets, trading status."""

from typing import Any

import numpy as np

from live.testing.text import exact, places, plain, rounded
from qt_core.market import Market
from qt_core.market_build import OWN_SECTOR

QUOTE = "USDT"
PERPETUAL_END_MS = 4_133_404_800_000
NO_LIMIT_QTY = 1e9  # printed where a contract knows no largest quantity
PRICE_SPAN = 1000.0  # the highest price allowed is this multiple of the first one
MULTIPLIER_UP, MULTIPLIER_DOWN = 1.15, 0.85  # of the mark: how far a limit price may lie
TIGHTER_PLACES = (
    1  # prices may be sent with one place more than the tick has; then the tick refuses them, not the precision
)
ORDER_TYPES = ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET", "TRAILING_STOP_MARKET"]
TIMES_IN_FORCE = ["GTC", "IOC", "GTX", "GTD"]
NO_CAP_USD = 1e12  # printed for a bracket without an upper end


class Contract:
    """One perpetual contract. Prices quote per base unit, quantities base units, notionals USD."""

    def __init__(self, market: Market, i: int, liquidation_fee: float) -> None:
        spec = np.asarray(market.specs)[i]
        self.name = market.symbols[i]
        self.index = i
        self.tick, self.step = float(spec["tick_size"]), float(spec["lot_step"])
        self.price_places, self.qty_places = places(self.tick), places(self.step)
        self.min_qty = float(spec["min_qty"]) or self.step
        self.max_qty = min(float(spec["max_qty"]), NO_LIMIT_QTY)
        self.min_notional = float(spec["min_notional"])
        self.list_ms = int(spec["list_ms"])
        self.n_brackets = int(spec["n_brackets"])
        self.brackets = np.asarray(market.brackets)[i]
        first = market.open[market.valid[:, i], i]
        self.max_price = float(np.ceil(float(first[0]) if len(first) else 1.0)) * PRICE_SPAN
        sector = int(spec["sector"])
        self.sub_type = [market.sectors[sector - 1]] if 0 < sector < OWN_SECTOR and market.sectors else []
        self.liquidation_fee = liquidation_fee
        self.status = "TRADING"

    @property
    def price_precision(self) -> int:
        return self.price_places + TIGHTER_PLACES

    def price(self, value: float) -> str:
        return exact(value, self.price_places)

    def qty(self, value: float) -> str:
        return exact(value, self.qty_places)

    def near(self, price: float) -> str:
        """A price that follows from others, rounded to the tick's places."""
        return rounded(price, self.price_places)

    def max_leverage(self, notional: float) -> float:
        """Highest leverage that a position of this notional (USD) may have."""
        return float(self._bracket(notional)["max_leverage"])

    def maintenance_usd(self, notional: float) -> float:
        b = self._bracket(notional)
        return float(notional * b["maintenance_rate"] - b["cum"]) if notional > 0.0 else 0.0

    def max_notional(self, leverage: float) -> float:
        """Largest position (USD) at this leverage."""
        rows = self.brackets[: self.n_brackets]
        caps = rows["notional_cap"][rows["max_leverage"] >= leverage]
        return min(float(caps[-1]), NO_CAP_USD) if len(caps) else 0.0

    def _bracket(self, notional: float) -> Any:
        rows = self.brackets[: self.n_brackets]
        k = int(np.searchsorted(rows["notional_floor"], notional, side="left")) - 1
        return rows[max(k, 0)]

    def filters(self) -> list[dict[str, Any]]:
        """Every filter of the exchange's list that is enforced here, and those that only stand in it."""
        tick, step = plain(self.tick or 10**-self.price_places), plain(self.step or 10**-self.qty_places)
        lots = {"maxQty": plain(self.max_qty), "minQty": plain(self.min_qty or 10**-self.qty_places), "stepSize": step}
        return [
            {"filterType": "PRICE_FILTER", "maxPrice": plain(self.max_price), "minPrice": tick, "tickSize": tick},
            {"filterType": "LOT_SIZE", **lots},
            {"filterType": "MARKET_LOT_SIZE", **lots},
            {"filterType": "MAX_NUM_ORDERS", "limit": 200},
            {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 10},
            {"filterType": "MIN_NOTIONAL", "notional": plain(self.min_notional)},
            {
                "filterType": "PERCENT_PRICE",
                "multiplierDecimal": "4",
                "multiplierDown": rounded(MULTIPLIER_DOWN, 4),
                "multiplierUp": rounded(MULTIPLIER_UP, 4),
            },
            {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
        ]

    def info(self) -> dict[str, Any]:
        """The contract's entry of ``exchangeInfo``."""
        return {
            "symbol": self.name,
            "pair": self.name,
            "contractType": "PERPETUAL",
            "deliveryDate": PERPETUAL_END_MS,
            "onboardDate": self.list_ms,
            "status": self.status,
            "maintMarginPercent": "2.5000",
            "requiredMarginPercent": "5.0000",
            "baseAsset": self.name.removesuffix(QUOTE),
            "quoteAsset": QUOTE,
            "marginAsset": QUOTE,
            "pricePrecision": self.price_precision,
            "quantityPrecision": self.qty_places,
            "baseAssetPrecision": 8,
            "quotePrecision": 8,
            "underlyingType": "COIN",
            "underlyingSubType": self.sub_type,
            "triggerProtect": "0.0500",
            "liquidationFee": rounded(self.liquidation_fee, 6),
            "marketTakeBound": "0.05",
            "maxMoveOrderLimit": 10000,
            "filters": self.filters(),
            "orderTypes": ORDER_TYPES,
            "timeInForce": TIMES_IN_FORCE,
            "permissionSets": [],
        }

    def bracket_rows(self) -> list[dict[str, Any]]:
        """The contract's rows of ``leverageBracket``."""
        return [
            {
                "bracket": k + 1,
                "initialLeverage": int(b["max_leverage"]),
                "notionalCap": int(min(float(b["notional_cap"]), NO_CAP_USD)),
                "notionalFloor": int(b["notional_floor"]),
                "maintMarginRatio": float(b["maintenance_rate"]),
                "cum": float(b["cum"]),
            }
            for k, b in enumerate(self.brackets[: self.n_brackets])
        ]
