#!/usr/bin/env bash
# What `make run` does: build, migrate, start the gateway on the embedded database and print a request that works.
#
# Providers come from OPENAI_API_KEY, ANTHROPIC_API_KEY and GEMINI_API_KEY where they are set, stored as references to the
# environment; without any the simulator plays the provider. Only a database without providers is filled. The gateway's
# own keys are made once and kept in data/dev.env.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=${CARGO_TARGET_DIR:-target}
simulator_listen=${SIMULATOR_LISTEN:-127.0.0.1:9555}
children=()

say() { printf '%s\n' "$*" >&2; }
die() { say "make run: $*"; exit 1; }
finish() {
    trap - EXIT INT TERM
    for child in "${children[@]}"; do kill "$child" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

random() { head -c 32 /dev/urandom | base64 | tr -d '+/=\n'; }

# Keys are made once. What the environment or the file already has, stays.
load_keys() {
    mkdir -p data
    if [ ! -e data/dev.env ]; then
        (umask 077 && cat >data/dev.env <<KEYS
GATEWAY_ADMIN_KEY=admin-$(random)
GATEWAY_API_KEYS=sk-dev-$(random)
GATEWAY_SECRET_KEY=$(random)
KEYS
        )
        say "made the development keys in data/dev.env"
    fi
    while IFS='=' read -r name value; do
        [ -n "$name" ] && [ -z "${!name:-}" ] && export "$name=$value"
    done <data/dev.env
    return 0
}

api() { # METHOD PATH [BODY]
    curl --silent --show-error --fail-with-body --request "$1" "$base$2" \
        --header "Authorization: Bearer $GATEWAY_ADMIN_KEY" \
        --header 'Content-Type: application/json' ${3:+--data "$3"}
}

id_of() { sed -n 's/^{"id":\([0-9]*\).*/\1/p'; }

add_simulator() {
    local provider model
    provider=$(api POST /api/providers "{\"name\":\"simulator\",\"type\":\"openai\",\"config\":{\"base_url\":\"http://$simulator_listen/v1\",\"api_key\":\"sk-simulator\"}}" | id_of)
    model=$(api POST /api/models '{"name":"demo","remark":"answered by the simulator"}' | id_of)
    api POST /api/model-providers "{\"model_id\":$model,\"provider_id\":$provider,\"provider_model\":\"demo\",\"image\":true}" >/dev/null
}

add_provider() { # TYPE VARIABLE
    local provider
    [ -n "${!2:-}" ] || return 0
    provider=$(api POST /api/providers "{\"name\":\"$1\",\"type\":\"$1\",\"config\":{\"api_key\":\"env:$2\"}}" | id_of)
    say "added the provider $1 with the key in $2"
    api POST "/api/providers/$provider/import-models" '{}' >/dev/null ||
        say "its models could not be listed; add them with POST $base/api/models"
}

seed() {
    case "$(api GET '/api/providers?limit=1')" in *'"data":[]'*) ;; *) return 0 ;; esac
    add_provider openai OPENAI_API_KEY
    add_provider anthropic ANTHROPIC_API_KEY
    add_provider gemini GEMINI_API_KEY
    if [ -z "${OPENAI_API_KEY:-}${ANTHROPIC_API_KEY:-}${GEMINI_API_KEY:-}" ]; then add_simulator; fi
}

start_simulator() {
    case "$(api GET '/api/providers?limit=1000')" in *"http://$simulator_listen/"*) ;; *) return 0 ;; esac
    "$target/release/simulator" --listen "$simulator_listen" >/dev/null &
    children+=($!)
}

command -v curl >/dev/null || die "curl is needed to configure the gateway; please install it"
cargo build --release --locked -p gateway -p migrator -p simulator-bin
load_keys
listen=${GATEWAY_LISTEN:-127.0.0.1:8000}
base="http://${listen/0.0.0.0/127.0.0.1}"

if ! "$target/release/migrator" up; then
    # Only a schema of another build is helped by this; whatever else it was, `up` has said.
    if "$target/release/migrator" check 2>/dev/null | grep -q ': expected .*, found '; then
        say "make run: the tables are those of another edit of the schema; this keeps every row that fits:"
        say "    $target/release/migrator rebuild"
    fi
    exit 1
fi

"$target/release/gateway" &
gateway=$!
children+=("$gateway")
for _ in $(seq 100); do
    kill -0 "$gateway" 2>/dev/null || { wait "$gateway" || exit $?; exit 1; }
    curl --silent --fail --output /dev/null "$base/readyz" && break
    sleep 0.1
done

seed
start_simulator
client_key=${GATEWAY_API_KEYS%%,*}
model=$(curl --silent "$base/v1/models" --header "Authorization: Bearer $client_key" | sed -n 's/.*"data":\[{[^}]*"id":"\([^"]*\)".*/\1/p')
cat >&2 <<TEXT

The gateway listens on $base (admin key and client key: data/dev.env), its console is $base/console/. Try it:

curl $base/v1/chat/completions \\
  -H "Authorization: Bearer $client_key" -H "Content-Type: application/json" \\
  -d '{"model":"${model:-demo}","messages":[{"role":"user","content":"Hello!"}]}'

TEXT
wait "$gateway"
