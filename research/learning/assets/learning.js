"use strict";
(async () => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const INK = "#1d2733", QUIET = "#66727f", LINE = "#e4e8ec", ACCENT = "#2458a6";
  const SEEDS = ["#7f9fca", "#c28f4c", "#6fa98c", "#b37a8e", "#8a84b8", "#9aa35a", "#c07a5c", "#6ca3ad"];
  const CONFIG = { responsive: true, displaylogo: false, modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] };

  function bytesOf(text) {
    const raw = atob(text), bytes = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
    return bytes;
  }
  async function loadPlotly() {
    const packed = new Blob([bytesOf(document.getElementById("plotly").textContent)]);
    const plain = await new Response(packed.stream().pipeThrough(new DecompressionStream("deflate"))).arrayBuffer();
    const script = document.createElement("script");
    script.textContent = new TextDecoder().decode(plain);
    document.head.append(script);
  }
  const base = (extra) => ({
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12.5, color: INK },
    hoverlabel: { bgcolor: "#ffffff", bordercolor: "#cbd3da", font: { color: INK, size: 13 }, align: "left" },
    modebar: { bgcolor: "rgba(255,255,255,0.85)", color: "#9aa5b0", activecolor: INK },
    margin: { l: 74, r: 12, t: 26, b: 36 }, ...extra,
  });
  const axis = (extra) => ({ gridcolor: LINE, zeroline: false, linecolor: LINE, fixedrange: true, ...extra });

  // --- epochs ----------------------------------------------------------------------------------------------------
  const PANELS = [
    ["size_reward", "reward of 19, mean", ".2f"], ["mean_r", "mean R", ".3f"],
    ["total_return", "return of the epoch", ".1%"], ["size_cells", "cells of 19 tried so far", ",.0f"],
    ["size_change", "mean change of Q, 19", ".2f"], ["strategy_change", "mean change of Q, 21", ".2f"],
  ];
  function drawEpochs() {
    const traces = [], layout = { annotations: [] };
    PANELS.forEach(([field, title, format], p) => {
      const row = Math.floor(p / 3), column = p % 3, n = p === 0 ? "" : String(p + 1);
      const x0 = column * 0.36, y0 = row === 0 ? 0.58 : 0;
      layout["xaxis" + n] = axis({ domain: [x0, x0 + 0.28], anchor: "y" + n, dtick: 1, title: { text: row ? "epoch" : "", standoff: 6 } });
      layout["yaxis" + n] = axis({ domain: [y0, y0 + 0.4], anchor: "x" + n, tickformat: format });
      layout.annotations.push({ text: title, x: x0, y: y0 + 0.4, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 13, color: QUIET } });
      const lines = data.seeds.map((s) => s.epochs.map((e) => e[field]));
      const epochs = data.seeds[0].epochs.map((e) => e.epoch);
      const at = (y, name, color, width) => ({
        x: epochs, y, xaxis: "x" + n, yaxis: "y" + n, type: "scatter", mode: "lines+markers", line: { color, width },
        marker: { size: width > 2 ? 5 : 4, color }, hovertemplate: `${name}, epoch %{x}<br>${title} %{y:${format}}<extra></extra>`,
      });
      lines.forEach((y, k) => traces.push(at(y, `seed ${data.seeds[k].seed}`, SEEDS[k % SEEDS.length], 1.2)));
      if (lines.length > 1) traces.push(at(epochs.map((_, e) => lines.reduce((a, y) => a + y[e], 0) / lines.length), "mean", INK, 2.4));
    });
    Plotly.newPlot("epochs", traces, base(layout), CONFIG);
  }

  // --- the later window --------------------------------------------------------------------------------------------
  function drawJudged() {
    const traces = [], layout = { annotations: [] };
    [["total_return", "return", "+.2%"], ["sharpe", "Sharpe", "+.2f"], ["mean_r", "mean R", "+.3f"]].forEach(([field, title, format], p) => {
      const n = p === 0 ? "" : String(p + 1), x0 = p * 0.36;
      layout["xaxis" + n] = axis({ domain: [x0, x0 + 0.28], anchor: "y" + n, range: [-0.6, 2.6], tickvals: [0, 1, 2], ticktext: ["learned", "fixed size", "blank"] });
      layout["yaxis" + n] = axis({ anchor: "x" + n, tickformat: format, zeroline: true, zerolinecolor: "#9aa5b0" });
      layout.annotations.push({ text: title, x: x0, y: 1.02, xref: "paper", yref: "paper", xanchor: "left", yanchor: "bottom", showarrow: false, font: { size: 13, color: QUIET } });
      ["learned", "fixed"].forEach((what, at) => {
        const y = data.seeds.map((s) => s[what][field]), s = data.spread[field][what];
        const shift = (k) => at + (y.length > 1 ? 0.24 * (k / (y.length - 1) - 0.5) : 0);
        traces.push({ x: y.map((_, k) => shift(k)), y, xaxis: "x" + n, yaxis: "y" + n, type: "scatter", mode: "markers",
          marker: { size: 8, color: y.map((_, k) => SEEDS[k % SEEDS.length]) }, text: data.seeds.map((q) => `seed ${q.seed}`),
          hovertemplate: `%{text}<br>${title} %{y:${format}}<extra></extra>` });
        traces.push({ x: [at + 0.28], y: [s.mean], xaxis: "x" + n, yaxis: "y" + n, type: "scatter", mode: "markers",
          marker: { symbol: "line-ew", size: 16, line: { width: 2.4, color: INK } },
          error_y: s.high === null ? undefined : { type: "data", symmetric: false, array: [s.high - s.mean], arrayminus: [s.mean - s.low], color: INK, thickness: 1.4, width: 5 },
          hovertemplate: `mean ${title} %{y:${format}}<extra></extra>` });
      });
      traces.push({ x: [2], y: [data.blank[field]], xaxis: "x" + n, yaxis: "y" + n, type: "scatter", mode: "markers",
        marker: { symbol: "diamond", size: 9, color: QUIET }, hovertemplate: `blank tables<br>${title} %{y:${format}}<extra></extra>` });
    });
    Plotly.newPlot("judged", traces, base(layout), CONFIG);
  }

  // --- tables --------------------------------------------------------------------------------------------------------
  const DIVERGING = [[0, "#b8453f"], [0.5, "#f4f4f2"], [1, "#23805a"]], VISITS = [[0, "#eef3f9"], [1, "#2458a6"]];
  function heat(id, kind, table, values, scale, symmetric, name) {
    const spread = Math.max(1e-9, ...table[values].flat().filter((v) => v !== null).map(Math.abs));
    const rows = table.states.length, z = table[values].map((row) => row.map((v) => (v === null || symmetric ? v : Math.log10(v))));
    const text = table.q.map((row, i) => row.map((q, j) => (q === null ? "never tried" : `${name[0]} ${q.toFixed(3)}<br>${table.visits[i][j]} updates`)));
    const rings = { x: [], y: [] };
    table.greedy.forEach((j, i) => { rings.x.push(data.actions[kind][j]); rings.y.push(table.states[i]); });
    const chart = document.getElementById(id);
    if (kind === "size") chart.style.height = `${Math.max(220, 70 + 17 * rows)}px`;
    Plotly.react(id, [
      { z, x: data.actions[kind], y: table.states, type: "heatmap", colorscale: scale, hoverongaps: true, xgap: 1, ygap: 1, text,
        zmin: symmetric ? -spread : 0, zmax: symmetric ? spread : Math.max(1, Math.log10(spread)), zauto: false,
        hovertemplate: "%{y}<br>%{x}<br>%{text}<extra></extra>", showscale: true,
        colorbar: symmetric ? { thickness: 8, outlinewidth: 0, len: 0.5 } : { thickness: 8, outlinewidth: 0, len: 0.5, tickvals: [0, 1, 2, 3, 4], ticktext: ["1", "10", "100", "1k", "10k"] } },
      { ...rings, type: "scatter", mode: "markers", hoverinfo: "skip", marker: { symbol: "circle-open", size: 8, color: INK, line: { width: 1.4 } } },
    ], base({
      margin: { l: kind === "size" ? 226 : 150, r: 8, t: 8, b: 74 },
      xaxis: axis({ type: "category", categoryorder: "array", categoryarray: data.actions[kind], tickangle: kind === "size" ? -90 : 0, tickfont: { size: 10 }, dtick: 1 }),
      yaxis: axis({ type: "category", autorange: "reversed", tickfont: { size: 10.5 }, dtick: 1 }),
    }), CONFIG);
  }
  function drawTables() {
    const select = document.getElementById("which");
    data.tables.forEach((t, k) => select.add(new Option(t.name, k)));
    const show = () => {
      const t = data.tables[Number(select.value)];
      document.getElementById("visited").textContent = t.note;
      for (const [kind, name] of [["strategy", ["R"]], ["size", ["reward"]]]) {
        heat(`${kind}_q`, kind, t[kind], "q", DIVERGING, true, name);
        heat(`${kind}_visits`, kind, t[kind], "visits", VISITS, false, name);
      }
    };
    select.addEventListener("change", show);
    show();
  }

  try {
    await loadPlotly();
    drawEpochs();
    drawJudged();
    drawTables();
  } catch (error) {
    const box = document.getElementById("trouble");
    box.hidden = false;
    box.textContent = `The charts could not be drawn (${error}). They need a browser of 2023 or later.`;
  }
})();
