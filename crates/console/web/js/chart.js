// Lines over time, by uPlot, in the colours of the theme.

import uPlot from "../vendor/uplot.js";
import { html, useEffect, useRef, useState } from "../vendor/preact.js";
import { clockTime, time } from "./format.js";
import { locale, t } from "./i18n.js";

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const HEIGHT = 190;
/** Beside fewer values than this each is shown as a point too, since lines between them may be short. */
const POINTS = 40;

/** Counts how often the colours changed. */
function useColours() {
  const [changes, set] = useState(0);
  useEffect(() => {
    const changed = () => set((before) => before + 1);
    const system = matchMedia("(prefers-color-scheme: dark)");
    const chosen = new MutationObserver(changed);
    system.addEventListener("change", changed);
    chosen.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    return () => {
      system.removeEventListener("change", changed);
      chosen.disconnect();
    };
  }, []);
  return changes;
}

const HOURS = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const DAYS = new Intl.DateTimeFormat(locale, { month: "numeric", day: "numeric" });
const spansDays = ({ data: [times] }) => times.length > 1 && times.at(-1) - times[0] > 86400 * 1.5;

function options(lines, format, width) {
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "11px system-ui" };
  const line = (one) => ({
    label: one.label,
    stroke: colour(one.colour),
    fill: one.fill ? `${colour(one.colour)}22` : undefined,
    width: 1.8,
    spanGaps: true,
    points: { size: 4, show: (plot, place) => plot.data[place].filter((it) => it !== null).length < POINTS },
    value: (_, value) => (value === null || value === undefined ? "–" : format(value)),
  });
  return {
    width,
    height: HEIGHT,
    cursor: { points: { size: 6 }, y: false, drag: { x: false, y: false } },
    scales: { y: { range: (_, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
    axes: [
      { ...axis, values: (plot, ticks) => ticks.map((at) => (spansDays(plot) ? DAYS : HOURS).format(at * 1000)), space: 70, size: 30 },
      { ...axis, values: (_, ticks) => ticks.map(format), size: 62 },
    ],
    series: [{ label: t("Time"), value: (plot, at) => (at ? (spansDays(plot) ? time : clockTime)(at * 1000) : "–") }, ...lines.map(line)],
  };
}

/** While the pointer is elsewhere the legend tells the latest values, once the picture is drawn, which empties it. */
function tellLatest(plot) {
  queueMicrotask(() => {
    if ((plot.cursor.left ?? -1) < 0) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
  });
}

/**
 * `times` in seconds; each line is `{ label, colour, values, fill }`, the colour by its name in the style sheet. `format` writes
 * a value, `summary` tells in words what the picture shows.
 */
export function Chart({ times, lines, format, summary }) {
  const place = useRef(null);
  const plot = useRef(null);
  const colours = useColours();
  const data = [times, ...lines.map((line) => line.values)];
  useEffect(() => {
    const node = place.current;
    plot.current = new uPlot(options(lines, format, node.clientWidth || 400), data, node);
    plot.current.over.addEventListener("mouseleave", () => tellLatest(plot.current));
    const watch = new ResizeObserver(() => plot.current.setSize({ width: node.clientWidth, height: HEIGHT }));
    watch.observe(node);
    return () => {
      watch.disconnect();
      plot.current.destroy();
    };
  }, [colours]);
  // New values go into the picture that is there, so that what the pointer shows stays.
  useEffect(() => {
    plot.current.setData(data);
    tellLatest(plot.current);
  }, [times, lines]);
  return html`<div class="chart" ref=${place} role="img" aria-label=${summary}></div>`;
}
