#!/usr/bin/env bash
# What `make optimized` does: build a gateway that counts which of its code runs, put load on it, and build the released one so
# that what runs lies together, what runs most first, and is laid out for the way it goes
# (<https://doc.rust-lang.org/rustc/profile-guided-optimization.html>).
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
host=$(rustc -vV | sed -n 's/^host: //p')
llvm=$(rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p')
# What a gateway is there for: short and long prompts, streams, every translation, failover, keys with limits.
scenarios=small,large,stream,translate,failover,limits
# For what is called here, and for the linker, which the compiler calls.
export COUNTS=$target/profile RELEASED=$target/release

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
    RUSTFLAGS="${RUSTFLAGS:-} $2" CARGO_TARGET_DIR="$1" cargo build --profile optimized --locked --target "$host" -p gateway
}

# Whether a program that is built so runs here.
builds() { # FLAG
    echo 'fn main() {}' | rustc --crate-name probe -o "$COUNTS/probe" "$1" - 2>/dev/null && "$COUNTS/probe"
}

tests/valgrind
command -v taskset >/dev/null || die "taskset is needed for the load: util-linux of your system has it"
find_tool >/dev/null || install_tool || true
PROFDATA=$(find_tool) || die "llvm-profdata is needed: 'rustup component add llvm-tools', or LLVM $llvm of your system"
export PROFDATA

cargo build --release --locked -p migrator -p simulator-bin -p bench
mkdir -p "$COUNTS"

rm -rf "$COUNTS/raw"
build "$COUNTS/counting" "-Cprofile-generate=$COUNTS/raw"
counting=$COUNTS/counting/$host/optimized/gateway
say "putting load on it"
bins/gateway/optimize/load.sh load "$scenarios" 1.2 "$counting"
# On several processors other parts of the runtime are at work.
bins/gateway/optimize/load.sh load-on-two small,stream 1.2 taskset -c 0,1 "$counting"
"$PROFDATA" merge --output "$COUNTS/merged.profdata" "$COUNTS/raw"

# Relocations that are packed are another megabyte of the program. Where the linker does not know how, all is as it would be.
layout=
if builds -Clink-arg=-Wl,-z,pack-relative-relocs; then layout+=" -Clink-arg=-Wl,-z,pack-relative-relocs"; fi
if builds -Clink-arg=-Wl,--symbol-ordering-file=/dev/null; then layout+=" -Clinker=$PWD/bins/gateway/optimize/relink.sh"; fi

build "$COUNTS/optimized" "-Cprofile-use=$COUNTS/merged.profdata$layout"
install -D --target-directory "$target/optimized" "$COUNTS/optimized/$host/optimized/gateway" "$RELEASED/migrator"
say "target/optimized has the gateway, and its migrator"
