#!/bin/sh
# What a container of a service under development starts with: runs the service's program, and after a SIGHUP the one that
# has been put into /development meanwhile.
newer=/development/moviebooking
again=1 child=
stop() {
    [ -z "$child" ] || kill -TERM "$child"
}
trap 'again=1 && stop' HUP
trap 'again= && stop' TERM INT
while [ "$again" ]; do
    again=
    program=/usr/local/bin/moviebooking
    [ ! -x "$newer" ] || program=$newer
    "$program" "$@" &
    child=$!
    # A signal interrupts the first.
    wait "$child"
    code=$?
    while kill -0 "$child" 2>/dev/null; do
        wait "$child"
        code=$?
    done
done
exit "$code"
