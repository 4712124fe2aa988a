"""Put finished ablations into the documentation: ``python -m research.ablation.docs NAME=FOLDER ...``.

Writes ``docs/ablation.json`` (what the tables are made of, rounded) and the tables in ``docs/ablation.md``, each between
``<!-- NAME:begin -->`` and ``<!-- NAME:end -->``. A test compares the two.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from qt_core.errors import DataError
from research.ablation.compare import COMPARED, FIGURES
from research.ablation.store import write_file
from research.ablation.tables import judgement, p_text, points, quiet_rows, signed, span
from research.report.tables import num, pct

DOCS = Path(__file__).resolve().parents[2] / "docs"
DIGITS = 6  # significant ones kept
_ROW = (
    "name",
    "kind",
    "number",
    "mode",
    "members",
    "status",
    "verdict",
    "how",
    "unsafe",
    "seeds_positive",
    "carrying_days",
)
_HEAD = ("window", "days", "source", "control", "seeds", "resamples", "comparisons", "config_digest")
_BY_SEED = ("total_return", "annual_return", "sharpe")
_FULL = (*FIGURES, "fees_usd", "funding_usd", "slippage_usd")


def digest_of(doc: Mapping[str, Any]) -> dict[str, Any]:
    """What the documentation needs of an ablation's document."""
    rows = [
        {**{k: _rounded(r[k]) for k in _ROW}, **{f: _figure(r[f], f in _BY_SEED) for f in FIGURES}} for r in doc["rows"]
    ]
    full = {k: _rounded(doc["full"][k]) for k in _FULL}
    return {**{k: doc[k] for k in _HEAD}, "symbols": len(doc["symbols"]), "full": full, "rows": rows}


def _figure(figure: Mapping[str, Any], by_seed: bool) -> Any:
    return _rounded({k: v for k, v in figure.items() if by_seed or k != "seeds"})


def _rounded(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {k: _rounded(v) for k, v in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_rounded(v) for v in value]
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value


def markdown(doc: Mapping[str, Any]) -> str:
    """The tables of one ablation."""
    parts = [_about(doc)]
    for kind, title in (("module", "module"), ("group", "group")):
        rows = [r for r in doc["rows"] if r["kind"] == kind]
        parts.append(_table(title, [r for r in rows if r["status"] == COMPARED]))
        quiet = quiet_rows(rows)
        if quiet:
            parts.append("; ".join(text[0].upper() + text[1:] for text in quiet) + ".")
    return "\n\n".join(parts)


def _about(doc: Mapping[str, Any]) -> str:
    f = doc["full"]
    spread = f"{pct(min(f['total_return']['seeds']))} to {pct(max(f['total_return']['seeds']))}"
    return (
        f"{doc['symbols']} symbols, {doc['window']} ({doc['days']:,} days), seeds {', '.join(map(str, doc['seeds']))}, "
        f"configuration {doc['config_digest']}. The full chain, mean of the seeds: return "
        f"{pct(f['total_return']['mean'])} ({spread}), Sharpe ratio {num(f['sharpe']['mean'])}, largest drawdown "
        f"{pct(f['max_drawdown']['mean'])}, {f['trades']['mean']:,.0f} trades, turnover {num(f['turnover']['mean'], 3)} "
        f"of equity a day, edge {num(f['edge_bps']['mean'], 1)} bps, fees {f['fees_usd']['mean']:,.0f} USD."
    )


def _table(title: str, rows: Sequence[Mapping[str, Any]]) -> str:
    head = (
        f"| {title} OFF | the {title} | return, points (95 %) | p adj. | seeds, least to most | Sharpe (95 %) | "
        "edge, bps (95 %) | drawdown | turnover | trades |"
    )
    return "\n".join([head, "|---|---|" + "---:|" * 8, *map(_line, rows)])


def _line(r: Any) -> str:
    seeds = r["total_return"]["seeds"]
    cells = (
        r["name"] + (" *(unsafe)*" if r["unsafe"] else ""),
        f"**{judgement(r)}**" if r["how"] or r["verdict"] in ("earns", "costs") else judgement(r),
        span(r, "total_return"),
        p_text(r["total_return"]["p_holm"]),
        f"{points(min(seeds))} to {points(max(seeds))}",
        span(r, "sharpe", signed),
        span(r, "edge_bps", lambda v: signed(v, 1)),
        points(r["max_drawdown"]["difference"]),
        signed(r["turnover"]["difference"], 3),
        signed(r["trades"]["difference"], 0),
    )
    return f"| {' | '.join(cells)} |"


def put_tables(text: str, digests: Mapping[str, Any]) -> str:
    """``text`` with the tables of ``digests`` between their markers.

    Raises
    ------
    DataError
        Where a name has no markers.
    """
    for name, doc in digests.items():
        slot = re.compile(rf"(<!-- {re.escape(name)}:begin -->\n).*?(<!-- {re.escape(name)}:end -->)", re.DOTALL)
        if not slot.search(text):
            raise DataError(f"docs/ablation.md: no place for '{name}'; expected <!-- {name}:begin --> and :end -->")
        text = slot.sub(lambda hit, doc=doc: f"{hit.group(1)}{markdown(doc)}\n{hit.group(2)}", text)  # type: ignore[misc]
    return text


def main(arguments: Sequence[str]) -> None:
    """Write both files from ``NAME=FOLDER`` pairs."""
    pairs = [a.partition("=")[::2] for a in arguments]
    digests = {name: digest_of(json.loads((Path(folder) / "ablation.json").read_text())) for name, folder in pairs}
    text = put_tables((DOCS / "ablation.md").read_text(encoding="utf-8"), digests)
    write_file(DOCS / "ablation.md", text.encode())
    write_file(DOCS / "ablation.json", (json.dumps(digests, indent=1, ensure_ascii=False) + "\n").encode())


if __name__ == "__main__":
    main(sys.argv[1:])
