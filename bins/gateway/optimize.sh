#!/usr/bin/env bash
# What `make optimized` does: build a gateway that counts which of its code runs, put load on it, and build the released one so
# that what runs lies together, what runs most first, and is laid out for the way it goes
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

# The functions that were run, those that were most often first. One that only its own file knows has the file's name before its
# own.
list_run() {
    awk '/^  [^ ].*:$/ { name = substr($0, 3, length($0) - 3); sub(/^.*;/, "", name) }
         /^    Block counts: / {
             gsub(/[^0-9 ]/, ""); most = 0
             for (i = 1; i <= NF; i++) if ($i > most) most = $i
             if (most > 0) print most, name
         }' | sort -k1,1nr | cut -d' ' -f2
}

# Puts the benchmark's load on a gateway, which some command may start.
put_load() { # NAME SCENARIOS SECONDS COMMAND...
    local name=$1 scenarios=$2 seconds=$3
    shift 3
    printf '#!/bin/sh\nexec %s "$@"\n' "$(printf '%q ' "$@")" >"$counts/$name.sh"
    chmod +x "$counts/$name.sh"
    "$target/release/bench" run --gateway "$counts/$name.sh" --migrator "$target/release/migrator" --rounds 1 --seconds "$seconds" \
        --warmup 0.2 --scenarios "$scenarios" >"$counts/$name.txt" || die "the load failed; $counts/$name.txt says how"
}

# Links as the compiler says, and where that is the gateway, links again so that what runs of it lies together, be it of Rust or of
# C: what never runs shares no page of memory with that, since the system counts sixteen pages for each that is touched.
link() { # ARGUMENTS
    local argument previous= output= with_names=()
    for argument; do
        if [ "$previous" = -o ]; then output=$argument; fi
        # The names are what valgrind tells of.
        if [ "$argument" != -Wl,--strip-all ]; then with_names+=("$argument"); fi
        previous=$argument
    done
    cc "${with_names[@]}"
    case $output in */gateway-*) ;; *) return ;; esac
    rm -rf "$counts/seen" && mkdir -p "$counts/seen"
    put_load look small,stream 1 \
        valgrind --quiet --tool=callgrind --demangle=no "--callgrind-out-file=$counts/seen/%p" "$output"
    {
        "$profdata" show --all-functions --counts "$counts/merged.profdata" | list_run
        sed -n 's/^c\?fn=([0-9]*) //p' "$counts"/seen/* | sed "s/'[0-9]*$//"
    } | awk '!listed[$0]++' >"$counts/order.txt"
    cc "$@" "-Wl,--symbol-ordering-file=$counts/order.txt" -Wl,--no-warn-symbol-ordering
}

# Whether a program that is built so runs here.
builds() { # FLAG
    echo 'fn main() {}' | rustc --crate-name probe -o "$counts/probe" "$1" - 2>/dev/null && "$counts/probe"
}

tests/valgrind
command -v taskset >/dev/null || die "taskset is needed for the load: util-linux of your system has it"
find_tool >/dev/null || install_tool || true
profdata=$(find_tool) || die "llvm-profdata is needed: 'rustup component add llvm-tools', or LLVM $llvm of your system"

# The compiler calls this as its linker.
if [ "${1-}" = link ]; then
    link "${@:2}"
    exit
fi

cargo build --release --locked -p migrator -p simulator-bin -p bench
mkdir -p "$counts"
printf '#!/bin/sh\nCARGO_TARGET_DIR="%s" exec "%s" link "$@"\n' "$target" "$PWD/bins/gateway/optimize.sh" >"$counts/relink"
chmod +x "$counts/relink"

rm -rf "$counts/raw"
build "$counts/counting" "-Cprofile-generate=$counts/raw"
counting=$counts/counting/$host/release/gateway
say "putting load on it"
put_load load "$scenarios" 1.2 "$counting"
# On several processors other parts of the runtime are at work.
put_load load-on-two small,stream 1.2 taskset -c 0,1 "$counting"
"$profdata" merge --output "$counts/merged.profdata" "$counts/raw"

# Relocations that are packed are another megabyte of the program. Where the linker does not know how, all is as it would be.
layout=
if builds -Clink-arg=-Wl,-z,pack-relative-relocs; then layout+=" -Clink-arg=-Wl,-z,pack-relative-relocs"; fi
if builds -Clink-arg=-Wl,--symbol-ordering-file=/dev/null; then layout+=" -Clinker=$counts/relink"; fi

build "$counts/optimized" "-Cprofile-use=$counts/merged.profdata$layout"
install -D --target-directory "$target/optimized" "$counts/optimized/$host/release/gateway" "$target/release/migrator"
say "target/optimized has the gateway, and its migrator"
