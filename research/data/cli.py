"""``qt data``: download, import, verify and list market data. Heavy imports stand inside the functions."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from qt_core.io.contracts import SpecTable
    from qt_core.io.series import SeriesKey
    from qt_core.io.store import CandleStore
    from research.data.exchange import Exchange

EXIT_INTERRUPTED = 130  # 128 + SIGINT
SERIES_KINDS = ("candles", "mark", "funding")
CONTRACT_KINDS = ("specs", "brackets")

_root_option = click.option(
    "--root", type=click.Path(path_type=Path), default=None, help="The store. Default: $QT_DATA_DIR, else ./data."
)


@click.group()
def data() -> None:
    """Market data: download, import, verify, list."""


@data.command()
@click.argument("symbols", nargs=-1, required=True, metavar="SYMBOL...")
@click.option("--since", required=True, help="First open time, UTC: 2021-01-01 or 2021-01-01T08:00.")
@click.option("--until", default=None, help="End, exclusive. Default: the last closed bar.")
@click.option("--timeframe", "timeframes", multiple=True, default=("1h",), show_default=True, help="May be repeated.")
@click.option(
    "--kind",
    "kinds",
    multiple=True,
    type=click.Choice(SERIES_KINDS + CONTRACT_KINDS),
    help="May be repeated. Default: all; brackets need an API key and are left out without one.",
)
@click.option("--delisted", is_flag=True, help="Do not check the symbols against those that trade now.")
@_root_option
@click.pass_context
def download(
    ctx: click.Context,
    symbols: tuple[str, ...],
    since: str,
    until: str | None,
    timeframes: tuple[str, ...],
    kinds: tuple[str, ...],
    delisted: bool,
    root: Path | None,
) -> None:
    """Download what the store lacks of SYMBOLs from Binance USDT-M futures.

    An interrupted download keeps what it has; the same command goes on from there.
    """
    from qt_core.io.load import parse_time
    from qt_core.io.series import SeriesKey
    from qt_core.io.timeframes import timeframe_to_ms

    since_ms, until_ms = parse_time(since), None if until is None else parse_time(until)
    for timeframe in timeframes:
        timeframe_to_ms(timeframe)  # a wrong name is reported before anything is asked
    chosen = kinds or SERIES_KINDS + CONTRACT_KINDS
    keys = [
        SeriesKey(kind, symbol, timeframe)
        for kind in chosen
        if kind in SERIES_KINDS
        for symbol in symbols
        for timeframe in (timeframes if kind != "funding" else ("",))
    ]
    try:
        _download(_store(root), chosen, keys, () if delisted else symbols, since_ms, until_ms)
    except KeyboardInterrupt:
        click.echo("interrupted; what was received is kept, and the same command goes on from there", err=True)
        ctx.exit(EXIT_INTERRUPTED)


def _download(
    store: "CandleStore",
    kinds: tuple[str, ...],
    keys: "list[SeriesKey]",
    check: tuple[str, ...],
    since_ms: int,
    until_ms: int | None,
) -> None:
    from research.data import exchange as exchange_module
    from research.data.download import download_series, require_window
    from research.data.download_contracts import ask_exchange_info, keep_exchange_info
    from research.data.report import print_table, progress_bar

    with progress_bar() as bar:
        exchange = exchange_module.Exchange(exchange_module.make_client(), notify=bar.note)
        now_ms = exchange.server_time_ms()
        require_window(since_ms, now_ms if until_ms is None else min(now_ms, until_ms))
        if check or "specs" in kinds:
            answer, table = ask_exchange_info(exchange)
            _check_symbols(check, table)
            if "specs" in kinds:
                bar.note(f"contract specs: {keep_exchange_info(store, answer, table)}")
        if "brackets" in kinds:
            _download_brackets(exchange, store, bar)
        reports = []
        for key in keys:
            with bar.task(" ".join(key).strip()) as progress:
                reports.append(download_series(exchange, store, key, since_ms, until_ms, progress, now_ms))
    rows = [(*r.key, r.pages, r.rows, r.unfinished, r.total_rows) for r in reports]
    header = ("kind", "symbol", "timeframe", "requests", "new rows", "unfinished, dropped", "rows in store")
    print_table(header, rows)


def _download_brackets(exchange: "Exchange", store: "CandleStore", bar: Any) -> None:
    from research.data.download_contracts import download_brackets
    from research.data.exchange import API_KEY_ENV, API_SECRET_ENV

    path = download_brackets(exchange, store)
    if path is None:
        bar.note(f"leverage brackets: left out, they need an API key ({API_KEY_ENV} and {API_SECRET_ENV})")
    else:
        bar.note(f"leverage brackets: {path}")


def _check_symbols(symbols: tuple[str, ...], table: "SpecTable") -> None:
    import difflib

    from qt_core.errors import DataError

    for symbol in symbols:
        if symbol not in table.contracts:
            close = difflib.get_close_matches(symbol.upper(), table.contracts, n=3)
            hint = f"did you mean {', '.join(close)}?" if close else f"one of {len(table.contracts)} contracts expected"
            raise DataError(f"unknown symbol {symbol}: not among the exchange's contracts; {hint}")


@data.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--symbol", "symbols", multiple=True, help="Only this one; may be repeated.")
@click.option("--timeframe", default="", help="Only this one; for a parquet file: what it holds.")
@click.option("--kind", default="", type=click.Choice(("", *SERIES_KINDS)), help="Only this one.")
@_root_option
def import_(path: Path, symbols: tuple[str, ...], timeframe: str, kind: str, root: Path | None) -> None:
    """Import PATH: zip or CSV files as the exchange publishes them, parquet files, or folders of either.

    Everything is read and checked before the first file is written.
    """
    from qt_core.io.timeframes import timeframe_to_ms
    from research.data.importer import import_path
    from research.data.report import print_table

    if timeframe:
        timeframe_to_ms(timeframe)
    report = import_path(_store(root), path, _now_ms(), symbols, timeframe, kind)
    print_table(("kind", "symbol", "timeframe", "rows"), [(*key, rows) for key, rows in report.series])
    for name in report.contracts:
        click.echo(f"contracts: {name}")
    if report.unfinished:
        click.echo(f"{report.unfinished} bars had not closed and were dropped")


@data.command()
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable report.")
@click.option("--all", "show_all", is_flag=True, help="List clean series too.")
@_root_option
@click.pass_context
def verify(ctx: click.Context, path: Path | None, as_json: bool, show_all: bool, root: Path | None) -> None:
    """Check PATH, or the store: gaps, duplicates, bad prices, zero volume, misaligned times, unfinished last bar.

    Exit code 0: clean; 1: findings; 2: something cannot be read.
    """
    from research.data.report import print_findings
    from research.data.verify import exit_code, verify_path

    findings = list(verify_path(path or _store(root).root, _now_ms()))
    code = exit_code(findings)
    print_findings(findings, code, as_json, show_all)
    ctx.exit(code)


@data.command("list")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable list.")
@_root_option
def list_(as_json: bool, root: Path | None) -> None:
    """List what the store holds."""
    from research.data.report import print_entries

    store = _store(root)
    print_entries(list(store.entries().values()), [str(p.name) for p in store.contract_files()], as_json)


def _store(root: Path | None) -> "CandleStore":
    from qt_core.io.store import CandleStore, default_root

    return CandleStore(root or default_root())


def _now_ms() -> int:
    return int(time.time() * 1000)
