#!/usr/bin/env bash
# Fetches the libraries in web/vendor anew and writes vendor.toml. Needed only to change their versions; needs npm.
#
# Preact and htm are brought into one module, since browsers resolve no bare names; uPlot comes as it is published.
set -euo pipefail
cd "$(dirname "$0")"

preact=11.2.0 htm=3.1.1 uplot=1.6.32 esbuild=0.28.2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
npm install --silent --no-audit --no-fund --prefix "$folder" "preact@$preact" "htm@$htm" "uplot@$uplot" "esbuild@$esbuild"
cat >"$folder/preact.js" <<'MODULE'
import { h } from "preact";
import htm from "htm";
export * from "preact";
export * from "preact/hooks";
export const html = htm.bind(h);
MODULE
"$folder/node_modules/.bin/esbuild" "$folder/preact.js" --bundle --minify --format=esm --target=es2022 \
    --legal-comments=none --log-level=warning --outfile=web/vendor/preact.js
"$folder/node_modules/.bin/esbuild" "$folder/node_modules/uplot/dist/uPlot.esm.js" --minify --format=esm --target=es2022 \
    --legal-comments=none --log-level=warning --outfile=web/vendor/uplot.js
cp "$folder/node_modules/uplot/dist/uPlot.min.css" web/vendor/uplot.css
for name in preact htm uplot; do cp "$folder/node_modules/$name/LICENSE" "web/vendor/$name-LICENSE.txt"; done

{
    echo "# What is in web/vendor, as vendor.sh made it: versions, and SHA-256 of each file."
    echo
    echo "[versions]"
    for name in preact htm uplot esbuild; do echo "$name = \"${!name}\""; done
    echo
    echo "[files]"
    (cd web/vendor && sha256sum ./* | sed -E 's|^([0-9a-f]+) +\./(.*)|"\2" = "\1"|')
} >vendor.toml
