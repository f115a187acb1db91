// Renders the OpenAPI document. Text from it only ever becomes text, never markup.
"use strict";

const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

const code = (text) => element("code", {}, text);
const refName = (ref) => ref.slice(ref.lastIndexOf("/") + 1);

// The type of a schema in a few words, with links to named schemas.
function typeOf(schema) {
  if (!schema) return "any";
  if (schema.$ref) return element("a", { href: `#schema-${refName(schema.$ref)}` }, refName(schema.$ref));
  const variants = schema.oneOf || schema.anyOf || schema.allOf;
  if (variants) {
    const span = element("span", {});
    variants.forEach((variant, index) => span.append(index ? " | " : "", typeOf(variant)));
    return span;
  }
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [].concat(schema.type || "any");
  if (!types.includes("array")) return types.join(" | ") + (schema.format ? ` (${schema.format})` : "");
  const rest = types.filter((type) => type !== "array");
  return element("span", {}, "[", typeOf(schema.items), "]", rest.length ? ` | ${rest.join(" | ")}` : null);
}

function table(rows) {
  const body = element("tbody", {});
  for (const [name, type, required, description] of rows) {
    const marked = element("td", {}, code(name), required ? " *" : null);
    body.append(element("tr", {}, marked, element("td", {}, type), element("td", {}, description || "")));
  }
  return element("table", {}, body);
}

function properties(schema) {
  const required = schema.required || [];
  const rows = Object.entries(schema.properties || {}).map(([name, property]) =>
    [name, typeOf(property), required.includes(name), property.description]);
  for (const part of schema.allOf || []) rows.push(["…", typeOf(part), false, "and everything of it"]);
  return rows.length ? table(rows) : element("p", {}, typeOf(schema));
}

// An example value of a schema, for the curl line.
function example(schema, schemas, depth = 0) {
  if (!schema || depth > 4) return null;
  if (schema.example !== undefined) return schema.example;
  if (schema.$ref) return example(schemas[refName(schema.$ref)], schemas, depth + 1);
  if (!schema.properties) return null;
  const required = schema.required || [];
  return Object.fromEntries(Object.entries(schema.properties)
    .filter(([name]) => required.includes(name))
    .map(([name, property]) => [name, example(property, schemas, depth + 1)]));
}

function curl(method, path, operation, schemas) {
  const lines = ["curl -sS"];
  if (method !== "get") lines[0] += ` -X ${method.toUpperCase()}`;
  lines[0] += ` "${location.origin}${path}"`;
  if (operation.security.length && operation.security.every((scheme) => Object.keys(scheme).length)) lines.push(`  -H "Authorization: Bearer $GATEWAY_ADMIN_KEY"`);
  const content = Object.values((operation.requestBody || {}).content || {})[0];
  if (content) {
    const body = method === "patch" ? { enabled: false } : example(content.schema, schemas) || {};
    lines.push(`  -H "Content-Type: application/json"`, `  -d '${JSON.stringify(body)}'`);
  }
  return lines.join(" \\\n");
}

function answers(operation, responses) {
  return Object.entries(operation.responses || {}).map(([status, told]) => {
    const response = told.$ref ? responses[refName(told.$ref)] : told;
    const content = Object.values(response.content || {})[0];
    return [status, content ? typeOf(content.schema) : "", false, response.description];
  });
}

function operationNode(method, path, operation, { schemas = {}, responses = {} }) {
  const summary = element("summary", {},
    element("span", { class: `method ${method}` }, method.toUpperCase()), code(path), " ",
    element("span", { class: "soft" }, operation.summary || ""));
  const body = element("div", {});
  if (operation.description) body.append(element("p", {}, operation.description));
  const parameters = (operation.parameters || []).map((parameter) =>
    [parameter.name, typeOf(parameter.schema), parameter.required, parameter.description]);
  if (parameters.length) body.append(element("h4", {}, "Parameters"), table(parameters));
  const content = Object.values((operation.requestBody || {}).content || {})[0];
  if (content) body.append(element("h4", {}, "Body"), element("p", {}, typeOf(content.schema)));
  body.append(element("h4", {}, "Answers"), table(answers(operation, responses)));
  body.append(element("pre", {}, curl(method, path, operation, schemas)));
  return element("details", {}, summary, body);
}

function render(api) {
  const schemas = (api.components || {}).schemas || {};
  document.getElementById("title").textContent = `${api.info.title} ${api.info.version}`;
  document.getElementById("description").textContent = api.info.description || "";
  const contents = document.getElementById("contents");
  const main = document.getElementById("operations");
  for (const tag of api.tags || []) {
    contents.append(element("a", { href: `#tag-${tag.name}` }, tag.name));
    const section = element("section", { id: `tag-${tag.name}` },
      element("h2", {}, tag.name), element("p", { class: "soft" }, tag.description || ""));
    for (const [path, item] of Object.entries(api.paths))
      for (const method of METHODS)
        if (item[method] && (item[method].tags || []).includes(tag.name))
          section.append(operationNode(method, path, item[method], api.components || {}));
    main.append(section);
  }
  for (const [name, schema] of Object.entries(schemas))
    document.getElementById("schemas").append(element("details", { id: `schema-${name}` },
      element("summary", {}, code(name), " ", element("span", { class: "soft" }, schema.description || "")),
      element("div", {}, properties(schema))));
}

// A link to a schema opens it.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target && target.tagName === "DETAILS") target.open = true;
});

fetch("openapi.json").then((response) => response.json()).then(render).catch((error) => {
  document.getElementById("description").textContent = `The OpenAPI document cannot be shown: ${error.message}`;
});
