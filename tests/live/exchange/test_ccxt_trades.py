"""The unmodified ccxt client trades: every call a session makes, answered by the engine's own matching."""

from typing import Any

import pytest

from tests.engine.tables import GONE, QUIET
from tests.live.exchange.support import PAIR, SYMBOL, play, quiet_market, running, streaming


def test_a_position_is_opened_seen_and_closed() -> None:
    async def scene() -> None:
        async with streaming(quiet_market()) as (exchange, client, stream):
            order = await client.create_order(PAIR, "market", "buy", 2.0, None, {"clientOrderId": "one"})
            assert (order["status"], order["clientOrderId"], order["amount"]) == ("open", "one", 2.0)
            assert [o["id"] for o in await client.fetch_open_orders(PAIR)] == [order["id"]]
            await exchange.advance()
            position = (await client.fetch_positions([PAIR]))[0]
            assert (position["side"], position["contracts"], position["entryPrice"]) == ("long", 2.0, 100.0)
            assert (position["marginMode"], position["collateral"]) == ("isolated", 20.0)
            close = await client.create_order(PAIR, "market", "sell", 2.0, None, {"reduceOnly": True})
            await exchange.advance()
            assert await client.fetch_positions([PAIR]) == []
            assert (await client.fetch_order(close["id"], PAIR))["status"] == "closed"
            trades = await client.fetch_my_trades(PAIR)
            assert [(t["side"], t["price"], t["amount"]) for t in trades] == [("buy", 100.0, 2.0), ("sell", 100.0, 2.0)]
            assert (await client.fetch_balance())["USDT"]["total"] == pytest.approx(10_000.0 - 0.2)
            await stream.wait("ACCOUNT_UPDATE", 2)
            kinds = [e["e"] for e in stream.events]
            assert kinds == ["ORDER_TRADE_UPDATE", "ORDER_TRADE_UPDATE", "ACCOUNT_UPDATE"] * 2
            fill = stream.of("ORDER_TRADE_UPDATE")[1]["o"]
            assert (fill["x"], fill["X"], fill["l"], fill["L"], fill["n"]) == (
                "TRADE", "FILLED", "2.000", "100.0", "0.10000000",
            )  # fmt: skip
            assert stream.of("ACCOUNT_UPDATE")[0]["a"]["P"][0]["iw"] == "20.00000000"

    play(scene)


def test_a_stop_triggers_into_a_market_order() -> None:
    rows = [QUIET, QUIET, (100.0, 100.5, 97.0, 98.0), QUIET]

    async def scene() -> None:
        async with streaming(quiet_market(extra={SYMBOL: rows})) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            asked = {"stopLossPrice": 98.5, "reduceOnly": True, "clientOrderId": "stop"}
            stop = await client.create_order(PAIR, "market", "sell", 1.0, None, asked)
            resting = await client.fetch_open_orders(PAIR, params={"trigger": True})
            assert [(o["id"], o["clientOrderId"], o["stopPrice"]) for o in resting] == [(stop["id"], "stop", 98.5)]
            await exchange.advance()
            assert [e["o"]["X"] for e in await stream.wait("ALGO_UPDATE", 3)] == ["NEW", "TRIGGERED", "FINISHED"]
            await stream.wait("ACCOUNT_UPDATE", 2)
            triggered, finished = stream.of("ALGO_UPDATE")[1:]
            child = [e["o"] for e in stream.of("ORDER_TRADE_UPDATE") if str(e["o"]["i"]) == triggered["o"]["ai"]]
            assert [(o["x"], o["o"], o["ot"]) for o in child] == [
                ("NEW", "MARKET", "STOP_MARKET"), ("TRADE", "MARKET", "STOP_MARKET"),
            ]  # fmt: skip
            assert (child[1]["L"], finished["o"]["aq"]) == ("98.5", "1.000")
            found = await client.fetch_order(stop["id"], PAIR, {"trigger": True})
            assert found["info"]["algoStatus"] == "FINISHED"
            assert await client.fetch_positions([PAIR]) == []

    play(scene)


@pytest.mark.parametrize(
    ("asked", "bar", "price"),
    [
        ({"takeProfitPrice": 103.0}, (100.0, 104.0, 99.5, 103.5), 103.0),
        ({"trailingPercent": 2.0}, (103.5, 103.6, 100.0, 100.5), 101.9),
        ({"stopLossPrice": 97.0, "closePosition": True}, (96.0, 96.5, 95.0, 96.0), 96.0),
    ],
)
def test_each_kind_of_conditional_order_closes_the_position(
    asked: dict[str, Any], bar: tuple[float, ...], price: float
) -> None:
    high = (100.0, 104.0, 100.0, 103.5)
    rows = [QUIET, QUIET, bar if "takeProfitPrice" in asked else high, bar, QUIET]

    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: rows})) as (exchange, client):
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            closing = asked.get("closePosition")
            more = asked if closing else {**asked, "reduceOnly": True}
            await client.create_order(PAIR, "market", "sell", None if closing else 1.0, None, more)
            await exchange.advance()
            await exchange.advance()
            assert [t["price"] for t in await client.fetch_my_trades(PAIR)] == [100.0, price]

    play(scene)


def test_a_limit_order_is_amended_and_fills_as_maker() -> None:
    rows = [QUIET, QUIET, QUIET, (100.0, 100.5, 97.9, 99.0), QUIET]

    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: rows})) as (exchange, client):
            order = await client.create_order(PAIR, "limit", "buy", 1.0, 98.5)
            await exchange.advance()
            edited = await client.edit_order(order["id"], PAIR, "limit", "buy", 2.0, 98.0)
            assert (edited["price"], edited["amount"], edited["status"]) == (98.0, 2.0, "open")
            await exchange.advance()
            await exchange.advance()
            trade = (await client.fetch_my_trades(PAIR))[0]
            assert (trade["price"], trade["amount"], trade["takerOrMaker"]) == (98.0, 2.0, "maker")

    play(scene)


def test_a_cancel_between_bars_acts_at_the_next_one() -> None:
    async def scene() -> None:
        async with streaming(quiet_market()) as (exchange, client, stream):
            order = await client.create_order(PAIR, "limit", "buy", 1.0, 90.0)
            await exchange.advance()
            answer = await client.cancel_order(order["id"], PAIR)
            assert answer["status"] == "open"  # it may still fill at the next open
            assert len(await client.fetch_open_orders(PAIR)) == 1
            await exchange.advance()
            assert await client.fetch_open_orders(PAIR) == []
            assert [e["o"]["X"] for e in await stream.wait("ORDER_TRADE_UPDATE", 2)] == ["NEW", "CANCELED"]

    play(scene)


def test_a_stop_placed_inside_a_bar_works_in_it() -> None:
    rows = [QUIET, (100.0, 100.5, 97.0, 98.0), QUIET]

    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: rows})) as (exchange, client):
            await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.open_bar()
            assert await exchange.step()  # the entry fills at the open
            await client.create_order(PAIR, "market", "sell", 1.0, None, {"stopLossPrice": 99.0, "reduceOnly": True})
            assert await exchange.step()  # the stop, in the same bar
            assert not await exchange.step()
            await exchange.close_bar()
            assert [t["price"] for t in await client.fetch_my_trades(PAIR)] == [100.0, 99.0]

    play(scene)


def test_participation_fills_in_parts() -> None:
    thin = (100.0, 100.5, 99.5, 100.0, 10.0)
    rows = [QUIET, thin, thin, thin]

    async def scene() -> None:
        venue = {"slippage": 0.0, "participation": 0.1}
        async with streaming(quiet_market(extra={SYMBOL: rows}), venue=venue) as (exchange, client, stream):
            order = await client.create_order(PAIR, "market", "buy", 2.0)
            await exchange.advance()
            part = await client.fetch_order(order["id"], PAIR)
            assert (part["status"], part["filled"], part["info"]["status"]) == ("open", 1.0, "PARTIALLY_FILLED")
            await exchange.advance()
            states = [e["o"]["X"] for e in await stream.wait("ORDER_TRADE_UPDATE", 3)]
            assert states == ["NEW", "PARTIALLY_FILLED", "FILLED"]

    play(scene)


def test_funding_and_liquidation() -> None:
    rows = [QUIET, QUIET, QUIET, (91.0, 91.5, 80.0, 81.0), QUIET]

    async def scene() -> None:
        market = quiet_market(extra={SYMBOL: rows}, funding=[(2.0, SYMBOL, 0.01)])
        async with streaming(market) as (exchange, client, stream):
            await client.create_order(PAIR, "market", "buy", 1.0)
            for _ in range(3):
                await exchange.advance()
            paid = await client.fetch_funding_history(PAIR)
            assert [p["amount"] for p in paid] == [-1.0]
            assert [e["a"]["m"] for e in await stream.wait("ACCOUNT_UPDATE", 3)] == ["ORDER", "FUNDING_FEE", "ORDER"]
            last = stream.of("ORDER_TRADE_UPDATE")[-1]["o"]
            assert last["c"].startswith("autoclose-")
            assert (last["x"], last["X"], last["S"]) == ("CALCULATED", "FILLED", "SELL")
            assert await client.fetch_positions([PAIR]) == []

    play(scene)


def test_without_margin_at_the_fill_the_order_expires() -> None:
    rows = [QUIET, (200.0, 201.0, 199.0, 200.0), QUIET]

    async def scene() -> None:
        async with streaming(quiet_market(extra={SYMBOL: rows}), initial_usd=150.0) as (exchange, client, stream):
            order = await client.create_order(PAIR, "market", "buy", 10.0)  # 100 USD of margin at 100, 200 at 200
            await exchange.advance()
            assert (await client.fetch_order(order["id"], PAIR))["info"]["status"] == "EXPIRED"
            assert [e["o"]["x"] for e in await stream.wait("ORDER_TRADE_UPDATE", 2)] == ["NEW", "EXPIRED"]

    play(scene)


def test_a_missing_bar_has_no_candle_and_no_fill() -> None:
    async def scene() -> None:
        async with running(quiet_market(extra={SYMBOL: [QUIET, GONE, QUIET]})) as (exchange, client):
            order = await client.create_order(PAIR, "market", "buy", 1.0)
            await exchange.advance()
            assert (await client.fetch_order(order["id"], PAIR))["status"] == "open"
            await exchange.advance()
            assert (await client.fetch_order(order["id"], PAIR))["status"] == "closed"
            assert len(await client.fetch_ohlcv(PAIR, "1h")) == 2

    play(scene)


def test_modes_and_leverage() -> None:
    async def scene() -> None:
        async with running(quiet_market(), isolated=False) as (exchange, client):
            assert (await client.fetch_position_mode())["hedged"] is False
            await client.set_margin_mode("isolated", PAIR)
            assert exchange.sim.account.margin_type[SYMBOL] == "ISOLATED"
            assert (await client.set_leverage(7, PAIR))["leverage"] == 7
            tiers = await client.fetch_leverage_tiers([PAIR])
            assert tiers[PAIR][0]["maxLeverage"] == 50.0
            await client.set_position_mode(True)
            assert (await client.fetch_position_mode())["hedged"] is True

    play(scene)
