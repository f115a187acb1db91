// What the API calls things, in the words of people.

import { t } from "./i18n.js";

export const STRATEGIES = {
  weighted: t("by weight"),
  round_robin: t("in turn"),
  least_latency: t("the quickest"),
  least_busy: t("the least busy"),
  cheapest: t("the cheapest"),
  sticky: t("the same for a session"),
};

const REASONS = {
  consecutive_failures: t("failures in a row"),
  failure_rate: t("too many failures"),
  misconfigured: t("misconfigured"),
  slow_start: t("coming back step by step"),
};

/** Why a provider is in its state. */
export const reason = (name) => REASONS[name] ?? name;

const ACTIONS = {
  create: t("created"),
  update: t("changed"),
  delete: t("deleted"),
  apply: t("applied"),
  import: t("imported"),
};

/** What somebody did. */
export const action = (name) => ACTIONS[name] ?? name;

const OBJECTS = {
  admin_key: t("admin key"),
  configuration: t("configuration"),
  document: t("document"),
  key: t("client key"),
  model: t("model"),
  model_provider: t("association"),
  policy: t("policy"),
  price: t("price"),
  provider: t("provider"),
  request_logs: t("logs"),
};

/** What somebody did it to. */
export const object = (name) => OBJECTS[name] ?? name;
