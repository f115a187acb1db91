// What a page shows is told by its address, #/logs?model=fast, so that it can be shared and outlives a reload.

import { useState } from "../vendor/preact.js";

/** The page's name and what its address says beyond that. */
export function place() {
  const [path, query = ""] = location.hash.replace(/^#\/?/, "").split("?");
  return { path, query: Object.fromEntries(new URLSearchParams(query)) };
}

/**
 * Values by name, as texts, which are in the address unless they are what `initial` has; and how to change some of them.
 * A change makes no entry of its own in the browser's history: one step back leads to where one came from.
 */
export function useAddress(initial) {
  const [values, set] = useState(() => {
    const { query } = place();
    return Object.fromEntries(Object.entries(initial).map(([name, value]) => [name, query[name] ?? value]));
  });
  const change = (changes) => {
    const next = { ...values, ...changes };
    set(next);
    const { path } = place();
    const told = Object.entries(next).filter(([name, value]) => value !== initial[name]);
    history.replaceState(null, "", `#/${path}${told.length ? `?${new URLSearchParams(told)}` : ""}`);
  };
  return [values, change];
}
