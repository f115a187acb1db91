#!/bin/sh
# Prepares the database, then becomes the gateway, so that the platform's signals reach that.
#
# While the database is away, a gateway that has kept its configuration (GATEWAY_SNAPSHOT_FILE) starts from that. It looks at the
# schema itself, as soon as it can. `prepare` prepares alone, by the same rule.
#
# MIGRATE=false leaves the database as it is, where something else runs `migrator up`. Other commands, such as
# `migrator check`, are run as they are.
set -eu

prepare() {
    migrator up || [ -s "${GATEWAY_SNAPSHOT_FILE:-}" ]
}

if [ "${1:-}" = prepare ]; then
    prepare
    exit
fi
if [ "${1:-}" = gateway ] && [ "${2:-}" != healthcheck ] && [ "${MIGRATE:-true}" = true ]; then
    prepare
fi
exec "$@"
