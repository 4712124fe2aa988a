"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const ARRAYS = { i1: Int8Array, i4: Int32Array, f4: Float32Array, f8: Float64Array };
  const INK = "#1d2733", QUIET = "#66727f", LINE = "#e4e8ec", ACCENT = "#2458a6";
  const UP = "#23805a", DOWN = "#b8453f", LONG = "#2458a6", SHORT = "#c26a00";
  const CANDLES_BELOW = 400; // candles in view; above, a line of closes
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  function bytesOf(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return bytes;
  }
  const decode = (text, kind) => new ARRAYS[kind](bytesOf(text).buffer);
  const inflate = (text) =>
    new Response(new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();

  async function loadPlotly() {
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(await inflate(document.getElementById("plotly").textContent));
    document.head.append(script);
  }
  const toMs = (seconds) => Float64Array.from(seconds, (s) => s * 1000);
  const base = (extra) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: INK },
    hoverlabel: { bgcolor: "#ffffff", bordercolor: "#cbd3da", font: { color: INK, size: 13 }, align: "left" },
    modebar: { bgcolor: "rgba(255,255,255,0.85)", color: "#9aa5b0", activecolor: INK },
    margin: { l: 74, r: 12, t: 8, b: 32 }, ...extra,
  });
  const axis = (extra) => ({ gridcolor: LINE, zeroline: false, linecolor: LINE, fixedrange: true, automargin: false, ...extra });

  function drawCurves() {
    const c = data.curve;
    const time = toMs(decode(c.time, "i4")), group = toMs(decode(c.group_time, "i4"));
    const drawdown = Float32Array.from(decode(c.drawdown, "f4"), (d) => -d);
    const row = (x, y, n, color, fill, template) => ({
      x, y, yaxis: n === 1 ? "y" : "y" + n, type: "scatter", mode: "lines",
      line: { color, width: n === 1 ? 1.4 : 1, shape: n === 1 ? "linear" : "hv" },
      ...(fill ? { fill: "tozeroy", fillcolor: fill } : {}), hovertemplate: template,
    });
    Plotly.newPlot("curves", [
      row(time, decode(c.equity, "f8"), 1, ACCENT, null, "%{x|%Y-%m-%d %H:%M}<br>equity %{y:,.2f} USD<extra></extra>"),
      row(group, drawdown, 2, DOWN, "rgba(184,69,63,0.16)", "%{x|%Y-%m-%d %H:%M}<br>drawdown %{y:.2%}<extra></extra>"),
      row(group, decode(c.exposure, "f4"), 3, ACCENT, "rgba(36,88,166,0.14)", "%{x|%Y-%m-%d %H:%M}<br>exposure %{y:.1%} of equity<extra></extra>"),
      row(group, decode(c.open, "f4"), 4, QUIET, "rgba(102,114,127,0.16)", "%{x|%Y-%m-%d %H:%M}<br>%{y:.1f} open positions<extra></extra>"),
    ], base({
      hovermode: "x",
      xaxis: { type: "date", gridcolor: LINE, linecolor: LINE, anchor: "y4", showspikes: true, spikemode: "across", spikethickness: 1, spikecolor: "#aab4bd", spikedash: "dot" },
      yaxis: axis({ domain: [0.54, 1], tickformat: ",.0f", title: { text: "USD", standoff: 12 } }),
      yaxis2: axis({ domain: [0.36, 0.5], tickformat: ".1~%", title: { text: "drawdown", standoff: 12 }, nticks: 4 }),
      yaxis3: axis({ domain: [0.18, 0.32], tickformat: ".0%", title: { text: "exposure", standoff: 12 }, nticks: 4, rangemode: "tozero" }),
      yaxis4: axis({ domain: [0, 0.14], title: { text: "open", standoff: 12 }, nticks: 4, rangemode: "tozero" }),
    }), CONFIG);
  }

  // --- prices and trades of one symbol ---------------------------------------------------------------------------
  const MISSING = -2147483648;
  let bars = null, trades = null, quietly = false;
  const spanMs = () => bars.time[bars.time.length - 1] - bars.time[0] + data.step_s * 1000;

  // Four rows of int32 differences, bytes of equal weight together; see candle_bytes in page_data.py.
  function unpack(buffer, unit) {
    const bytes = new Uint8Array(buffer), n = bytes.length / 16;
    const at = (row, k) => {
      const p = row * 4 * n + k;
      return bytes[p] | (bytes[p + n] << 8) | (bytes[p + 2 * n] << 16) | (bytes[p + 3 * n] << 24);
    };
    const out = Object.fromEntries(["time", "open", "high", "low", "close"].map((name) => [name, new Float64Array(n)]));
    let close = 0;
    for (let k = 0; k < n; k++) {
      const open = close + at(0, k), up = at(2, k), gone = up === MISSING;
      close = open + at(1, k);
      out.time[k] = (data.first_s + k * data.step_s) * 1000;
      out.open[k] = gone ? NaN : open * unit;
      out.close[k] = gone ? NaN : close * unit;
      out.high[k] = gone ? NaN : (Math.max(open, close) + up) * unit;
      out.low[k] = gone ? NaN : (Math.min(open, close) - at(3, k)) * unit;
    }
    return out;
  }

  async function load(k) {
    const s = data.symbols[k], t = s.trades;
    bars = unpack(await inflate(s.bars), s.unit);
    trades = {
      id: decode(t.id, "i4"), side: decode(t.side, "i1"), reason: decode(t.reason, "i1"),
      entryTime: toMs(decode(t.entry_s, "i4")), exitTime: toMs(decode(t.exit_s, "i4")),
      entry: decode(t.entry, "f8"), exit: decode(t.exit, "f8"), pnl: decode(t.pnl, "f4"), r: decode(t.r, "f4"),
    };
  }

  const price = (x) => x.toLocaleString("en-US", { maximumSignificantDigits: 7 });
  const stamp = (ms) => new Date(ms).toISOString().slice(0, 16).replace("T", " ");

  function hover(k) {
    const t = trades, hours = (t.exitTime[k] - t.entryTime[k]) / 3.6e6;
    return `<b>trade ${t.id[k]} ${t.side[k] > 0 ? "long" : "short"}</b><br>` +
      `in ${stamp(t.entryTime[k])} at ${price(t.entry[k])}<br>out ${stamp(t.exitTime[k])} at ${price(t.exit[k])}<br>` +
      `${data.exits[t.reason[k]]} ${hours > 0 ? `after ${hours.toFixed(1)} h` : "in the bar of the entry"}<br>` +
      `${t.pnl[k] >= 0 ? "+" : ""}${t.pnl[k].toFixed(2)} USD, ${t.r[k].toFixed(2)} R`;
  }

  function markers(test, time, value, symbol, color, size) {
    const out = { x: [], y: [], text: [] };
    for (let k = 0; k < trades.id.length; k++) {
      if (test(k)) { out.x.push(time[k]); out.y.push(value[k]); out.text.push(hover(k)); }
    }
    return { ...out, type: "scatter", mode: "markers", hovertemplate: "%{text}<extra></extra>",
      marker: { symbol, color, size, line: { width: symbol === "x-thin" ? 1.6 : 0.8, color: symbol === "x-thin" ? color : "#ffffff" } } };
  }

  function links(test, color) {
    const x = [], y = [];
    for (let k = 0; k < trades.id.length; k++) {
      if (test(k)) { x.push(trades.entryTime[k], trades.exitTime[k], null); y.push(trades.entry[k], trades.exit[k], null); }
    }
    return { x, y, type: "scatter", mode: "lines", line: { color, width: 1.2, dash: "dot" }, hoverinfo: "skip" };
  }

  function traces() {
    const won = (k) => trades.pnl[k] > 0, lost = (k) => !won(k), t = trades;
    const closed = (k) => t.reason[k] !== 0;
    return [
      { x: bars.time, y: bars.close, type: "scatter", mode: "lines", line: { color: "#7d8a97", width: 1 }, hoverinfo: "skip" },
      { x: [], open: [], high: [], low: [], close: [], type: "candlestick", visible: false, hoverinfo: "skip",
        increasing: { line: { color: "#7fae99", width: 1 }, fillcolor: "#cfe5db" },
        decreasing: { line: { color: "#c79a97", width: 1 }, fillcolor: "#f0d9d7" } },
      links(won, UP), links(lost, DOWN),
      markers((k) => t.side[k] > 0, t.entryTime, t.entry, "triangle-up", LONG, 10),
      markers((k) => t.side[k] < 0, t.entryTime, t.entry, "triangle-down", SHORT, 10),
      markers((k) => closed(k) && won(k), t.exitTime, t.exit, "circle", UP, 8),
      markers((k) => closed(k) && lost(k), t.exitTime, t.exit, "x-thin", DOWN, 7),
    ];
  }

  // Indices of the bars in view, and the price range that shows them and the trades there.
  function inView(from, to) {
    const a = Math.max(0, Math.floor((from - bars.time[0]) / (data.step_s * 1000)));
    const b = Math.min(bars.time.length, Math.ceil((to - bars.time[0]) / (data.step_s * 1000)) + 1);
    let low = Infinity, high = -Infinity;
    for (let k = a; k < b; k++) {
      if (bars.low[k] < low) low = bars.low[k];
      if (bars.high[k] > high) high = bars.high[k];
    }
    const room = (high - low) * 0.05 || high * 0.01;
    return { a, b, range: [low - room, high + room] };
  }

  function fit(from, to) {
    const v = inView(from, to), candles = v.b - v.a <= CANDLES_BELOW;
    const cut = (x) => (candles ? Array.from(x.subarray(v.a, v.b)) : []);
    quietly = true;
    Plotly.update("prices",
      { x: [bars.time, cut(bars.time)], open: [null, cut(bars.open)], high: [null, cut(bars.high)], low: [null, cut(bars.low)],
        close: [null, cut(bars.close)], visible: [!candles, candles] },
      { "xaxis.type": "date", "xaxis.range": [from, to], ...(v.range[0] < v.range[1] ? { "yaxis.range": v.range } : {}) }, [0, 1],
    ).then(() => { quietly = false; });
  }

  function show(from, to) {
    Plotly.react("prices", traces(), base({
      hovermode: "closest", dragmode: "zoom",
      xaxis: { type: "date", gridcolor: LINE, linecolor: LINE, range: [from, to], rangeslider: { visible: false } },
      yaxis: axis({ tickformat: bars.close[0] > 1000 ? ",.0f" : undefined, fixedrange: true }),
    }), CONFIG).then(() => fit(from, to));
    const won = trades.pnl.filter((p) => p > 0).length, total = trades.pnl.reduce((a, b) => a + b, 0);
    document.getElementById("tally").textContent =
      `${trades.id.length} trades, ${won} with a profit, ${total >= 0 ? "+" : ""}${total.toFixed(2)} USD after costs`;
  }

  function bounds(days) {
    const first = bars.time[0], end = first + spanMs();
    if (days === null) return [first, end];
    const shown = document.getElementById("prices").layout?.xaxis?.range;
    const to = shown ? Math.min(new Date(shown[1]).getTime() || end, end) : end;
    return [Math.max(first, to - days * 86400000), to];
  }

  // The month with the most entries; the last one where there is none.
  function busiestMonth() {
    const month = 30 * 86400000, day = 86400000, entries = trades.entryTime;
    const first = bars.time[0], end = first + spanMs();
    let from = end - month, most = 0, a = 0;
    for (let b = 0; b < entries.length; b++) {
      while (entries[b] - entries[a] > month - 2 * day) a++;
      if (b - a + 1 > most) { most = b - a + 1; from = entries[a] - day; }
    }
    from = Math.max(first, Math.min(from, end - month));
    return [from, Math.min(end, from + month)];
  }

  async function drawPrices() {
    const select = document.getElementById("symbol"), chart = document.getElementById("prices");
    data.symbols.forEach((s, k) => select.add(new Option(s.name, k)));
    await load(0);
    show(...busiestMonth());
    select.addEventListener("change", async () => {
      const range = chart.layout.xaxis.range.map((x) => new Date(x).getTime());
      await load(Number(select.value));
      show(...range);
    });
    for (const [name, days] of [["1 w", 7], ["1 m", 30], ["3 m", 91], ["1 y", 365], ["all", null]]) {
      const button = document.createElement("button");
      button.textContent = name;
      button.addEventListener("click", () => fit(...bounds(days)));
      document.getElementById("spans").append(button);
    }
    chart.on("plotly_relayout", (change) => {
      if (quietly) return;
      if (change["xaxis.autorange"]) { fit(...bounds(null)); return; }
      if (!("xaxis.range[0]" in change)) return;
      fit(new Date(change["xaxis.range[0]"]).getTime(), new Date(change["xaxis.range[1]"]).getTime());
    });
  }

  // --- tables ----------------------------------------------------------------------------------------------------
  function sortable(table) {
    const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
    heads.forEach((head, k) => head.addEventListener("click", () => {
      const order = head.dataset.order === "-1" ? 1 : -1;
      heads.forEach((h) => delete h.dataset.order);
      head.dataset.order = order;
      const key = (row) => row.cells[k].dataset.value ?? row.cells[k].textContent;
      const rows = [...body.rows].sort((a, b) => {
        const x = key(a), y = key(b), nx = Number(x), ny = Number(y);
        return order * (Number.isNaN(nx) || Number.isNaN(ny) ? String(x).localeCompare(String(y)) : nx - ny);
      });
      body.append(...rows);
    }));
  }

  document.querySelectorAll("table.sortable").forEach(sortable);
  try {
    await loadPlotly();
    drawCurves();
    await drawPrices();
  } catch (error) {
    const box = document.getElementById("trouble");
    box.hidden = false;
    box.textContent = `The charts could not be drawn (${error}). They need a browser of 2023 or later.`;
  }
})();
