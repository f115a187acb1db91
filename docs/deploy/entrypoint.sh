#!/bin/sh
# Prepares the database, then becomes the gateway, so that the platform's signals reach that.
#
# MIGRATE=false leaves the database as it is, where something else runs `migrator up`. Other commands, such as
# `migrator check`, are run as they are.
set -eu

if [ "${1:-}" = gateway ] && [ "${2:-}" != healthcheck ] && [ "${MIGRATE:-true}" = true ]; then
    migrator up
fi
exec "$@"
