#!/usr/bin/env bash
# The linker of the optimized gateway: links as the compiler says, looks what runs of it, and links again so that this lies
# together, be it of Rust or of C. What never runs shares no page of memory with it then, and what runs only under load none with
# what is needed at rest: the system counts sixteen pages for each that is touched.
set -euo pipefail
here=$(dirname "$(realpath "$0")")

output='' with_names=() previous=''
for argument; do
    if [ "$previous" = -o ]; then output=$argument; fi
    # The names are what valgrind tells of.
    if [ "$argument" != -Wl,--strip-all ]; then with_names+=("$argument"); fi
    previous=$argument
done
cc "${with_names[@]}"
case $output in */gateway-*) ;; *) exit ;; esac

# A command that runs a program and notes which functions run; each process has a file of its own.
look() { # NAME PROGRAM
    valgrind=(valgrind --quiet --tool=callgrind --demangle=no "--callgrind-out-file=$COUNTS/seen/$1.%p" "$2")
}

# What it noted.
seen() { # NAME
    sed -n 's/^c\?fn=([0-9]*) //p' "$COUNTS/seen/$1".* | sed "s/'[0-9]*$//" | awk '!listed[$0]++'
}

# Starts a gateway that is asked nothing, and ends it.
start() { # COMMAND...
    local folder gateway
    folder=$(mktemp -d)
    export DATABASE_URL="sqlite://$folder/gateway.db?mode=rwc" GATEWAY_SPOOL_DIR=$folder/spool GATEWAY_LISTEN=127.0.0.1:18999
    export GATEWAY_ADMIN_KEY=admin-key GATEWAY_API_KEYS=client-key GATEWAY_SECRET_KEY=a-secret-key-that-is-not-one
    "$RELEASED/migrator" up || return
    "$@" &
    gateway=$!
    until "$output" healthcheck; do
        kill -0 "$gateway" || return
        sleep 0.2
    done
    sleep 5
    kill "$gateway" && wait "$gateway" || return
    rm -r "$folder"
}

# The functions that were run by the profile, those that were most often first. One that only its own file knows has the file's name
# before its own.
counted() {
    "$PROFDATA" show --all-functions --counts "$COUNTS/merged.profdata" | awk '
        /^  [^ ].*:$/ { name = substr($0, 3, length($0) - 3); sub(/^.*;/, "", name) }
        /^    Block counts: / {
            gsub(/[^0-9 ]/, ""); most = 0
            for (i = 1; i <= NF; i++) if ($i > most) most = $i
            if (most > 0) print most, name
        }' | sort -k1,1nr | cut -d' ' -f2
}

rm -rf "$COUNTS/seen" && mkdir -p "$COUNTS/seen"
look load "$output" && "$here/load.sh" look-load small,stream 1 "${valgrind[@]}"
look configured "$output" && "$here/load.sh" look-configured rest 1 "${valgrind[@]}"
look started "$output"
# On several processors other parts of the runtime are at work.
(start "${valgrind[@]}" && start taskset -c 0 "${valgrind[@]}") >"$COUNTS/look-started.txt" 2>&1 || {
    echo "make optimized: the gateway did not start; $COUNTS/look-started.txt says how" >&2 && exit 1
}

cd "$COUNTS/seen"
seen started >started && seen configured >configured && sort -u started configured >resting
{ counted && seen load && cat resting; } | awk '!listed[$0]++' >ran
# What runs most is in the middle, where both parts meet.
{
    tac ran | grep -Fxf configured | grep -vFxf started
    tac ran | grep -Fxf started
    grep -vFxf resting ran
} >"$COUNTS/order.txt"
cd - >/dev/null
cc "$@" "-Wl,--symbol-ordering-file=$COUNTS/order.txt" -Wl,--no-warn-symbol-ordering
