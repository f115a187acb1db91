#!/usr/bin/env bash
# What `make optimized` does: build a gateway that counts which of its code runs, put load on it, and build the released one so
# that what runs most lies together and is laid out for the way it goes
# (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>).
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
host=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
counts=$target/profile
# What a gateway is there for: short and long prompts, streams, every translation, failover, keys with limits.
scenarios=small,large,stream,translate,failover,limits

say() { printf '%s\n' "$*" >&2; }
die() { say "make optimized: $*"; exit 1; }

# The counts are read by a tool of the compiler's own LLVM, since each has a format of its own.
find_tool() {
    local beside
    beside=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
    if [ -x "$beside" ]; then echo "$beside"; else command -v "llvm-profdata-$llvm"; fi
}

install_tool() {
    if command -v rustup >/dev/null && rustup component add llvm-tools >&2; then return; fi
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq >&2
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "llvm-$llvm" >&2
    fi
}

# Build scripts and macros must not be counted, so the target is named.
build() { # DIRECTORY FLAGS
    RUSTFLAGS="${RUSTFLAGS:-} $2" CARGO_TARGET_DIR="$1" cargo build --release --locked --target "$host" -p gateway
}

command -v taskset >/dev/null || die "taskset is needed for the load: util-linux of your system has it"
find_tool >/dev/null || install_tool || true
profdata=$(find_tool) || die "llvm-profdata is needed: 'rustup component add llvm-tools', or LLVM $llvm of your system"

cargo build --release --locked -p migrator -p simulator-bin -p bench

rm -rf "$counts/raw"
build "$counts/counting" "-Cprofile-generate=$counts/raw"
say "putting load on it"
"$target/release/bench" run --gateway "$counts/counting/$host/release/gateway" --migrator "$target/release/migrator" \
    --rounds 1 --seconds 1.2 --warmup 0.2 --scenarios "$scenarios" >"$counts/load.txt" ||
    die "the load failed; $counts/load.txt says how"
"$profdata" merge --output "$counts/merged.profdata" "$counts/raw"

build "$counts/optimized" "-Cprofile-use=$counts/merged.profdata"
install -D --target-directory "$target/optimized" "$counts/optimized/$host/release/gateway" "$target/release/migrator"
say "target/optimized has the gateway, and its migrator"
