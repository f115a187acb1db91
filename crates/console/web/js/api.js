// The admin API. Whatever the console does, it does through it.

import { t } from "./i18n.js";
import { read, tab, write } from "./storage.js";

let key = read(tab, "admin-key");
const listeners = new Set();

export const signedIn = () => key !== null;
/** Tells when somebody signs in or out. */
export function onSession(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const changed = () => listeners.forEach((listener) => listener());

/** What the API answers instead of doing what it was asked. */
export class ApiError extends Error {
  constructor(status, body) {
    super(body?.error?.message ?? t("The gateway answered with status {status}.", { status }));
    this.status = status;
    this.code = body?.error?.code ?? "unknown";
    /** The field at fault, as `config.base_url`, where there is one. */
    this.field = body?.error?.details?.field ?? null;
    /** What is wrong with a document, each with its place. */
    this.faults = body?.error?.details?.faults ?? null;
  }
}

async function send(method, path, body, withKey, signal, headers = {}) {
  let response;
  try {
    response = await fetch(`../api${path}`, {
      method,
      signal,
      headers: {
        authorization: `Bearer ${withKey}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      body: body === undefined || body instanceof Blob ? body : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, { error: { code: "unreachable", message: t("The gateway cannot be reached.") } });
  }
  return response;
}

async function answer(response) {
  if (response.status === 204) return null;
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    if (response.ok) return text;
  }
  if (!response.ok) throw new ApiError(response.status, body);
  return body;
}

async function call(method, path, body, signal, headers) {
  const response = await send(method, path, body, key, signal, headers);
  if (response.status === 401) signOut();
  return answer(response);
}

export const get = (path, signal) => call("GET", path, undefined, signal);
export const post = (path, body) => call("POST", path, body);
export const put = (path, body) => call("PUT", path, body);
export const patch = (path, body) => call("PATCH", path, body);
export const remove = (path) => call("DELETE", path);
/** Sends a file as it is, as what `type` says it is. */
export const upload = (path, file, type, headers) => call("POST", path, file, undefined, { "content-type": type, ...headers });

/** A path with its query; what is null, undefined or empty is left out. */
export function query(path, parameters) {
  const kept = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return kept.length ? `${path}?${new URLSearchParams(kept)}` : path;
}

/** All of a list, page after page. */
export async function all(path, signal) {
  const rows = [];
  let cursor = null;
  do {
    const separator = path.includes("?") ? "&" : "?";
    const page = await get(`${path}${separator}limit=1000${cursor ? `&cursor=${cursor}` : ""}`, signal);
    rows.push(...page.data);
    cursor = page.next;
  } while (cursor);
  return rows;
}

/** Tells of server-sent events, by name and data, until `signal`. A connection that ends is made again. */
export async function follow(path, signal, heard) {
  while (!signal.aborted) {
    try {
      const response = await send("GET", path, undefined, key, signal);
      if (response.status === 401) return signOut();
      if (response.ok) await events(response.body, heard);
    } catch {
      // It is made again, unless nobody listens any more.
    }
    await new Promise((done) => setTimeout(done, 2000));
  }
}

async function events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      const lines = frame.split("\n");
      const field = (name) => lines.find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2);
      if (field("data")) heard(field("event"), JSON.parse(field("data")));
    }
  }
}

/** A file that the API makes, handed to the browser to be saved. */
export async function download(path, name, headers) {
  const response = await send("GET", path, undefined, key, undefined, headers);
  if (!response.ok) return answer(response);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** Takes the key if the API does. */
export async function signIn(offered) {
  await answer(await send("GET", "/providers?limit=1", undefined, offered));
  key = offered;
  write(tab, "admin-key", key);
  changed();
}

export function signOut() {
  key = null;
  write(tab, "admin-key", null);
  changed();
}
