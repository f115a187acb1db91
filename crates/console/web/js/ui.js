// The parts that pages are made of.

import { html, useCallback, useEffect, useRef, useState } from "../vendor/preact.js";
import { t } from "./i18n.js";

/* Feedback */

let toasts = [];
/** Who can show them: the page, and above it each dialog that is open. Only what is topmost is seen and heard. */
let places = [];
const tell = () => places.forEach((show, at) => show(at === places.length - 1 ? toasts : []));

/** Says something for a few seconds, wherever one is. */
export function say(text, kind = "good") {
  const toast = { text, kind };
  toasts = [...toasts, toast];
  tell();
  setTimeout(() => {
    toasts = toasts.filter((one) => one !== toast);
    tell();
  }, kind === "bad" ? 8000 : 4000);
}

export function Toasts() {
  const [shown, show] = useState([]);
  useEffect(() => {
    places = [...places, show];
    tell();
    return () => {
      places = places.filter((one) => one !== show);
      tell();
    };
  }, []);
  return html`<div class="toasts" role="status" aria-live="polite">
    ${shown.map((toast) => html`<div class=${toast.kind}>${toast.text}</div>`)}
  </div>`;
}

/* Data that is read from somewhere */

/**
 * What `load` gives, again whenever `keys` change and, with `every`, so many milliseconds later while the page is looked at.
 * The last answer stays while the next is fetched, and while fetching fails; `stale` tells that it is of other `keys`.
 */
export function useData(load, keys = [], every = 0) {
  const [state, set] = useState({ data: null, error: null });
  const again = useRef(() => {});
  const key = JSON.stringify(keys);
  useEffect(() => {
    const controller = new AbortController();
    let timer = null;
    const run = async () => {
      clearTimeout(timer);
      try {
        const data = await load(controller.signal);
        if (!controller.signal.aborted) set({ data, error: null, key });
      } catch (error) {
        if (!controller.signal.aborted) set((before) => ({ ...before, error }));
      }
      if (every && !controller.signal.aborted) timer = setTimeout(tick, every);
    };
    const tick = () => (document.hidden ? (timer = setTimeout(tick, every)) : run());
    again.current = run;
    run();
    return () => {
      controller.abort();
      clearTimeout(timer);
    };
  }, keys);
  return { ...state, stale: state.data !== null && state.key !== key, reload: useCallback(() => again.current(), []) };
}

/** Shows what was loaded, that it is being loaded, or why it could not be. */
export function Loaded({ of, children }) {
  if (of.data === null) {
    return of.error
      ? html`<div class="note bad" role="alert">
          ${of.error.message} <button class="plain" onClick=${of.reload}>${t("Try again")}</button>
        </div>`
      : html`<div class="loading" role="status">${t("Loading…")}</div>`;
  }
  return html`${of.error && html`<div class="note warn" role="alert">${t("Not up to date: {reason}", { reason: of.error.message })}</div>`}
    ${children(of.data)}`;
}

/* Small things */

export const Badge = ({ kind = "", bare, children }) =>
  html`<span class=${`badge ${kind} ${bare ? "bare" : ""}`}>${children}</span>`;

/** The file that declares something, which is changed there only. */
export const Declared = ({ of }) =>
  of?.declared_by && html`<span title=${t("Declared by {file}: change it there and apply it.", { file: of.declared_by })}><${Badge} bare>${of.declared_by}<//></span>`;

const STATES = {
  healthy: ["good", () => t("healthy")],
  degraded: ["warn", () => t("degraded")],
  unhealthy: ["bad", () => t("unhealthy")],
};

export function State({ of, enabled = true, problem }) {
  if (!enabled) return html`<${Badge}>${t("disabled")}<//>`;
  if (problem) return html`<${Badge} kind="bad">${t("unusable")}<//>`;
  const [kind, text] = STATES[of] ?? ["", () => of ?? t("unknown")];
  return html`<${Badge} kind=${kind}>${text()}<//>`;
}

export const Status = ({ code }) =>
  html`<${Badge} bare kind=${code < 400 ? "good" : code === 499 || code < 500 ? "warn" : "bad"}>${code}<//>`;

export function Empty({ title, children }) {
  return html`<div class="empty"><strong>${title}</strong>${children}</div>`;
}

export function Head({ title, about, children }) {
  useEffect(() => {
    document.title = `${title} · LLM Orchestrator`;
  }, [title]);
  return html`<div class="head">
    <div><h1 tabindex="-1">${title}</h1>${about && html`<p>${about}</p>`}</div>
    <div class="row">${children}</div>
  </div>`;
}

export function Segments({ label, options, value, onChange }) {
  return html`<div class="segments" role="group" aria-label=${label}>
    ${Object.entries(options).map(
      ([key, text]) => html`<button type="button" aria-pressed=${String(key === String(value))} onClick=${() => onChange(key)}>${text}</button>`,
    )}
  </div>`;
}

/**
 * What a button has while its work takes a while: it shows so and does nothing more. Disabled it would lose the focus, and
 * with it whoever works by keyboard their place.
 */
const working = (busy) => ({ "aria-busy": String(busy), "aria-disabled": busy ? "true" : undefined });

/** A button whose work takes a while: it shows so, and says what came of it. */
export function Action({ does, said, class: kind, disabled, title, children }) {
  const [busy, setBusy] = useState(false);
  const act = async (event) => {
    event.stopPropagation();
    if (busy) return;
    setBusy(true);
    try {
      const result = await does();
      if (said) say(typeof said === "function" ? said(result) : said);
    } catch (error) {
      say(error.message, "bad");
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class=${kind} title=${title} disabled=${disabled} ...${working(busy)} onClick=${act}>${children}</button>`;
}

/** Over plain HTTP from elsewhere than this machine browsers have no clipboard for pages, but still copy what is selected. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const from = document.activeElement;
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  // Outside a dialog that is open nothing can be selected.
  (from.closest("dialog") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  from.focus();
  if (!done) throw new Error(t("The browser does not let it be copied: select it and copy it by hand."));
  return undefined;
}

export const Copy = ({ text, label }) => html`<${Action} does=${() => copy(text)} said=${t("Copied.")}>${label ?? t("Copy")}<//>`;

/* Dialogs */

/** Where what had the focus is gone, it goes to the page's title instead of getting lost. */
const keepFocus = () =>
  setTimeout(() => {
    if (document.activeElement === document.body) document.querySelector("h1")?.focus({ preventScroll: true });
  });

export function Dialog({ title, narrow, onClose, children }) {
  const element = useRef(null);
  useEffect(() => {
    const from = document.activeElement;
    element.current.showModal();
    return () => {
      // The dialog is out of the page by now, too late for the browser to give the focus back.
      if (from.isConnected) from.focus();
      keepFocus();
    };
  }, []);
  const cancelled = (event) => {
    event.preventDefault();
    onClose();
  };
  return html`<dialog ref=${element} class=${narrow ? "narrow" : ""} aria-label=${title} onCancel=${cancelled}>
    <header><h2>${title}</h2><button type="button" class="plain" onClick=${onClose} aria-label=${t("Close")}>✕</button></header>
    <div class="body">${children}</div>
    <${Toasts} />
  </dialog>`;
}

/** Asks before something goes. `what` names it, `consequence` says what goes with it. */
export function Confirm({ title, what, consequence, verb, does, onDone, onClose }) {
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const act = async () => {
    if (busy) return;
    setBusy(true);
    try {
      await does();
    } catch (failure) {
      setError(failure);
      setBusy(false);
      return;
    }
    say(t("Done: {what}", { what: `${verb} ${what}` }));
    onClose();
    await onDone?.();
    // The button that asked went with what is gone.
    keepFocus();
  };
  return html`<${Dialog} narrow title=${title} onClose=${onClose}>
    <p><strong>${what}</strong></p>
    ${consequence && html`<p class="muted">${consequence}</p>`}
    ${error && html`<div class="note bad" role="alert">${error.message}</div>`}
    <div class="end">
      <button type="button" autofocus onClick=${onClose}>${t("Cancel")}</button>
      <button type="button" class="danger primary" ...${working(busy)} onClick=${act}>${verb}</button>
    </div>
  <//>`;
}

/* Forms. A field that the API faults shows why, and is gone to. */

let ids = 0;
const useId = () => useState(() => `field-${++ids}`)[0];

export function Field({ label, hint, fault, wide, children }) {
  const id = useId();
  const about = `${id}-about`;
  const control = children({
    id,
    "aria-describedby": hint || fault ? about : undefined,
    "aria-invalid": fault ? "true" : undefined,
  });
  return html`<div class=${`field ${wide ? "wide" : ""}`}>
    <label for=${id}>${label}</label>
    ${control}
    ${(hint || fault) && html`<div id=${about}>${fault ? html`<div class="fault" role="alert">${fault}</div>` : html`<div class="hint">${hint}</div>`}</div>`}
  </div>`;
}

/** The state of a form: its values, and the fault that the API found. */
export function useForm(initial) {
  const [values, setValues] = useState(initial);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name, value) => setValues((before) => ({ ...before, [name]: value }));
  return {
    values,
    set,
    busy,
    error,
    setError,
    /** What is wrong with the field of that name, as the API told. */
    fault: (name) => (error?.field === name ? error.message.replace(`${name}: `, "") : null),
    async submit(event, send) {
      event.preventDefault();
      if (busy) return;
      setBusy(true);
      setError(null);
      const form = event.target;
      try {
        await send(values);
      } catch (failure) {
        setError(failure);
        setTimeout(() => form.querySelector("[aria-invalid=true]")?.focus());
      }
      setBusy(false);
    },
  };
}

/** An input of a form, by its name there and, where that differs, the field's name in the API. */
export function Input({ form, name, field = name, label, hint, wide, type = "text", ...rest }) {
  return html`<${Field} label=${label} hint=${hint} wide=${wide} fault=${form.fault(field)}>
    ${(given) =>
      html`<input ...${given} ...${rest} type=${type} value=${form.values[name] ?? ""} onInput=${(event) => form.set(name, event.target.value)} />`}
  <//>`;
}

export function Select({ form, name, field = name, label, hint, options, ...rest }) {
  return html`<${Field} label=${label} hint=${hint} fault=${form.fault(field)}>
    ${(given) => html`<select ...${given} ...${rest} value=${form.values[name] ?? ""} onChange=${(event) => form.set(name, event.target.value)}>
      ${options.map(([value, text]) => html`<option value=${value} selected=${String(value) === String(form.values[name] ?? "")}>${text}</option>`)}
    </select>`}
  <//>`;
}

export function Check({ form, name, label }) {
  const id = useId();
  return html`<div class="check">
    <input id=${id} type="checkbox" checked=${!!form.values[name]} onChange=${(event) => form.set(name, event.target.checked)} />
    <label for=${id}>${label}</label>
  </div>`;
}

/** A fault that belongs to no field shown, and the buttons. */
export function FormEnd({ form, fields, verb, onClose }) {
  const stray = form.error && !fields.includes(form.error.field);
  return html`${stray && html`<div class="note bad wide" role="alert">${form.error.message}</div>`}
    <div class="end wide">
      <button type="button" onClick=${onClose}>${t("Cancel")}</button>
      <button type="submit" class="primary" ...${working(form.busy)}>${verb}</button>
    </div>`;
}

/** A number, or null where nothing was entered. */
export const number = (text) => (String(text ?? "").trim() === "" ? null : Number(text));
/** A text, or null where nothing was entered. */
export const text = (value) => (String(value ?? "").trim() === "" ? null : String(value).trim());
/** Names separated by commas, of either width, or null where nothing was entered. */
export const names = (value) =>
  text(value)
    ?.split(/[,，]/)
    .map((name) => name.trim())
    .filter(Boolean) ?? null;
/** The order of a list for people. */
export const byName = (one, other) => one.name.localeCompare(other.name);
