// Texts are written in English where they are used; the other languages are dictionaries from English.

import chinese from "./chinese.js";
import { browser, read, write } from "./storage.js";

const DICTIONARIES = { en: {}, zh: chinese };

export const LANGUAGES = { en: "English", zh: "中文" };

function preferred() {
  const chosen = read(browser, "language");
  if (chosen in LANGUAGES) return chosen;
  return navigator.languages?.some((language) => language.startsWith("zh")) &&
    !navigator.languages[0].startsWith("en")
    ? "zh"
    : "en";
}

export const language = preferred();
document.documentElement.lang = language === "zh" ? "zh-CN" : "en";

/** Numbers and times are written as the viewer's system does, in the language chosen. */
export const locale =
  navigator.languages?.find((one) => one.startsWith(language)) ?? (language === "zh" ? "zh-CN" : "en");

export function choose(next) {
  write(browser, "language", next);
  location.reload();
}

/** The text in the language chosen; `{name}` stands for a value. */
export function t(text, values) {
  const found = DICTIONARIES[language][text] ?? text;
  return values ? found.replace(/\{(\w+)\}/g, (_, name) => values[name]) : found;
}
