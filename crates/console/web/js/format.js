// Numbers, times and money for people.

import { locale, t } from "./i18n.js";

const whole = new Intl.NumberFormat(locale);
const compact = new Intl.NumberFormat(locale, { notation: "compact", maximumFractionDigits: 1 });
const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 1 });
const instant = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(locale, { timeStyle: "medium" });
const relative = new Intl.RelativeTimeFormat(locale, { numeric: "auto", style: "short" });

export const NOTHING = "–";

const or = (value, format) => (value === null || value === undefined ? NOTHING : format(value));

export const count = (value) => or(value, (it) => whole.format(it));
export const short = (value) => or(value, (it) => compact.format(it));
export const percent = (value) => or(value, (it) => percents.format(it));
export const time = (value) => or(value, (it) => instant.format(new Date(it)));
export const clockTime = (value) => or(value, (it) => clock.format(new Date(it)));
/** The time, with the day where that is another than today. */
export const moment = (value) => (value && new Date(value).toDateString() !== new Date().toDateString() ? time(value) : clockTime(value));

/** Milliseconds, as seconds where they are many. */
export const duration = (value) =>
  or(value, (ms) => {
    if (ms < 1000) return `${whole.format(Math.round(ms))} ms`;
    const seconds = ms / 1000;
    return `${new Intl.NumberFormat(locale, { maximumFractionDigits: seconds < 10 ? 2 : 1 }).format(seconds)} s`;
  });

/** A decimal number of USD in a string, which is exact; shown to what matters. */
export const usd = (value) =>
  or(value, (it) => {
    const amount = Number(it);
    const digits = amount !== 0 && Math.abs(amount) < 1 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 2 };
    return new Intl.NumberFormat(locale, { style: "currency", currency: "USD", currencyDisplay: "narrowSymbol", ...digits }).format(amount);
  });

/** A time as an input for local time wants it; nothing where it is none. */
export function local(value) {
  const at = new Date(value || NaN);
  return Number.isNaN(at.getTime()) ? "" : new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

export const unpriced = (value) => (value === null || value === undefined ? t("unpriced") : usd(value));

export function ago(value) {
  return or(value, (it) => {
    const seconds = (new Date(it) - Date.now()) / 1000;
    for (const [unit, size] of [["day", 86400], ["hour", 3600], ["minute", 60]]) {
      if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
    }
    return relative.format(Math.round(seconds), "second");
  });
}
