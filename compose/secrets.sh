#!/bin/sh
# Makes the platform's secrets where they are missing, and lays out for each process what it needs: /secrets/all has all of
# them, /secrets/NAME the ones of that process, readable by its user alone. Runs at every start; what is there stays. To
# change a secret, remove its file from /secrets/all and start the platform again.
set -eu
umask 077

# The user of the platform's images.
process=65532

# secret NAME: makes it unless it is there.
secret() {
    [ -s "/secrets/all/$1" ] && return
    # Letters, digits, - and _ stand for themselves wherever a secret is written.
    head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n' >"/secrets/all/$1.new"
    mv "/secrets/all/$1.new" "/secrets/all/$1"
}

# hand_out FILE OWNER: puts standard input there, in one step for whoever reads it meanwhile.
hand_out() {
    cat >"$1.new"
    chown "$2" "$1.new"
    mv "$1.new" "$1"
}

# pgpass ROLE…: lines of a PostgreSQL password file.
pgpass() {
    for role; do echo "*:*:*:$role:$(cat "/secrets/all/$role")"; done
}

for name in superuser users movies theaters reservations payments bank tickets service-secret demo-admin; do
    secret "$name"
done

hand_out /secrets/postgres/superuser postgres </secrets/all/superuser
chown postgres /secrets/postgres

for service in users movies theaters reservations payments tickets; do
    roles=$service
    [ "$service" != payments ] || roles='payments bank'
    # shellcheck disable=SC2086 # a list
    pgpass $roles | hand_out "/secrets/$service/pgpass" $process
    hand_out "/secrets/$service/service-secret" $process </secrets/all/service-secret
    chown $process "/secrets/$service"
done

hand_out /secrets/demo/admin-password $process </secrets/all/demo-admin
chown $process /secrets/demo
