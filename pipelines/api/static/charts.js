// Draws every <div data-chart="name"> from the JSON in #chart-name: the band, what was expected, what was seen,
// windows in which a test fired, and incidents behind all of it. Colours are the sheet's.
"use strict";
(() => {
  const drawn = new Map();
  const style = () => getComputedStyle(document.documentElement);
  const colour = (name) => style().getPropertyValue("--" + name).trim();

  function figure(value, kind) {
    if (value === null || value === undefined) return "–";
    if (kind === "ratio") return three(value * 100) + "%";
    if (Math.abs(value) >= 1e6) return three(value / 1e6) + " M";
    return Math.abs(value) >= 100 ? Math.round(value).toLocaleString("en-GB") : three(value);
  }
  // On an axis thousands are written short.
  function short(value, kind) {
    const large = kind !== "ratio" && Math.abs(value) >= 1e4 && Math.abs(value) < 1e6;
    return large ? three(value / 1e3) + "k" : figure(value, kind).replace(" ", "");
  }
  const three = (value) => String(Number(value.toPrecision(3)));
  const two = (value) => String(value).padStart(2, "0");
  function clock(seconds) {
    const at = new Date(seconds * 1000);
    return two(at.getUTCHours()) + ":" + two(at.getUTCMinutes());
  }
  const month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
  const day = (seconds) => { const at = new Date(seconds * 1000); return month[at.getUTCMonth()] + " " + at.getUTCDate(); };

  // Incidents are shaded from edge to edge, below the curves.
  function shade(data) {
    return (plot) => {
      const { ctx, bbox } = plot;
      ctx.save();
      for (const mark of data.marks) {
        const left = Math.max(plot.valToPos(mark.from, "x", true), bbox.left);
        const right = Math.min(plot.valToPos(mark.to, "x", true), bbox.left + bbox.width);
        if (right <= left) continue;
        ctx.globalAlpha = 0.16;
        ctx.fillStyle = colour(mark.level.toLowerCase());
        ctx.fillRect(left, bbox.top, right - left, bbox.height);
        ctx.globalAlpha = 0.9;
        ctx.fillRect(left, bbox.top, Math.max(1, devicePixelRatio), bbox.height);
      }
      ctx.restore();
    };
  }

  function readout(data) {
    let box;
    return {
      init: (plot) => {
        box = document.createElement("div");
        box.className = "readout";
        box.hidden = true;
        plot.over.appendChild(box);
      },
      setCursor: (plot) => {
        const at = plot.cursor.idx;
        box.hidden = at === null || at === undefined || plot.cursor.left < 0;
        if (box.hidden) return;
        const value = document.createElement("b");
        value.textContent = figure(data.value[at], data.kind);
        const long = data.t[data.t.length - 1] - data.t[0] > 86400;
        box.replaceChildren((long ? day(data.t[at]) + " " : "") + clock(data.t[at]) + "  ", value);
        if (data.expected[at] !== null)
          box.append("  of " + figure(data.low[at], data.kind) + " to " + figure(data.high[at], data.kind));
        const left = plot.cursor.left;
        const width = plot.over.clientWidth;
        box.style.top = "2px";
        box.style.left = left < width / 2 ? left + 8 + "px" : "";
        box.style.right = left < width / 2 ? "" : width - left + 8 + "px";
      },
    };
  }

  function draw(holder) {
    const source = document.getElementById("chart-" + holder.dataset.chart);
    if (!source) return;
    const data = JSON.parse(source.textContent);
    const old = drawn.get(holder);
    if (old) old.destroy();
    holder.replaceChildren();
    if (!data.t.length) return;
    const large = holder.classList.contains("large");
    const only = (values, keep) => values.map((each, i) => (keep(i) ? each : null));
    // The last window that was learnt from joins the two lines.
    const learnt = only(data.value, (i) => !data.judged[i] || (i > 0 && !data.judged[i - 1]));
    const judged = only(data.value, (i) => data.judged[i]);
    const fired = only(data.value, (i) => data.fired[i]);
    const font = "11px system-ui, sans-serif";
    const axis = { stroke: colour("soft"), font, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } };
    const hover = readout(data);
    const plot = new uPlot(
      {
        width: Math.max(holder.clientWidth - (large ? 8 : 0), 120),
        height: large ? holder.clientHeight - 12 : 96,
        padding: [6, 18, 0, 0],
        tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
        legend: { show: false },
        cursor: { sync: { key: large ? "large" : "small" }, drag: { x: large, y: false }, points: { size: 6 }, y: false },
        scales: { x: { time: true }, y: { range: (_, low, high) => bounds(low, high) } },
        axes: [
          { ...axis, size: 22, gap: 3, space: 60,
            values: (_, ticks) => ticks.map((each) => (each % 86400 === 0 ? day(each) : clock(each))) },
          { ...axis, size: large ? 54 : 44, gap: 4, space: large ? 34 : 22,
            values: (_, ticks) => ticks.map((each) => short(each, data.kind)) },
        ],
        series: [
          {},
          { label: "high", stroke: "transparent", points: { show: false } },
          { label: "low", stroke: "transparent", points: { show: false } },
          { label: "expected", stroke: colour("expected"), width: 1, dash: [3, 3], points: { show: false } },
          { label: "learnt from", stroke: colour("history"), width: 1.2, points: { show: false } },
          { label: "seen", stroke: colour("value"), width: large ? 1.8 : 1.5, points: { show: false } },
          { label: "fired", stroke: colour("fired"), width: 0,
            points: { show: true, size: large ? 6 : 4, fill: colour("fired"), stroke: colour("fired") } },
        ],
        bands: [{ series: [1, 2], fill: colour("band") }],
        hooks: { drawClear: [shade(data)], init: [hover.init], setCursor: [hover.setCursor] },
      },
      [data.t, data.high, data.low, data.expected, learnt, judged, fired],
      holder,
    );
    drawn.set(holder, plot);
  }

  // A little room above and below; a curve of counts that comes near zero is drawn down to it.
  function bounds(low, high) {
    if (low === null || high === null) return [0, 1];
    const room = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
    const floor = low >= 0 && low < high * 0.35 ? 0 : low - room;
    return [floor, high + room];
  }

  function drawAll() {
    for (const [holder, plot] of drawn)
      if (!holder.isConnected) { plot.destroy(); drawn.delete(holder); }
    document.querySelectorAll("[data-chart]").forEach(draw);
  }

  let waiting;
  addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawAll, 120); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  document.addEventListener("pulseiq:shown", drawAll);
  drawAll();
})();
