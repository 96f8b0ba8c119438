#!/bin/sh
# setup.sh: the schema of the database, and one key for each service that asks the API. A key that is there is kept.
set -eu
keys=${KEYS:-/keys}
touchline migrate
for role in viewer scorer operator admin; do
    if [ ! -s "$keys/${role}_key" ]; then
        touchline keys make "compose-$role" --role "$role" > "$keys/$role.partial"
        chmod 0444 "$keys/$role.partial"
        mv "$keys/$role.partial" "$keys/${role}_key"
    fi
done
