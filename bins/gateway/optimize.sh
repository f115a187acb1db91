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

# Whether a program that is linked so runs here.
links() { # FLAGS
    local flags
    read -ra flags <<<"$1"
    echo 'fn main() {}' | rustc --crate-name probe -o "$counts/probe" "${flags[@]}" - 2>/dev/null && "$counts/probe"
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

# What never runs shares no page of memory with what does: 1 MB less at rest, and a start that is 1 ms shorter. Where the linker
# does not know how, functions lie as they come. Relocations that are packed are another megabyte of the program.
"$profdata" show --all-functions --counts "$counts/merged.profdata" | list_run >"$counts/order.txt"
layout=
for flag in "--symbol-ordering-file=$counts/order.txt -Clink-arg=-Wl,--no-warn-symbol-ordering" -z,pack-relative-relocs; do
    if links "-Clink-arg=-Wl,$flag"; then layout+=" -Clink-arg=-Wl,$flag"; fi
done

build "$counts/optimized" "-Cprofile-use=$counts/merged.profdata$layout"
install -D --target-directory "$target/optimized" "$counts/optimized/$host/release/gateway" "$target/release/migrator"
say "target/optimized has the gateway, and its migrator"
