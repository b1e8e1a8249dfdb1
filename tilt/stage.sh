#!/bin/sh
# stage.sh FROM TO: makes of each program in the folder FROM the context of an image, TO/NAME, without symbols. What has not
# changed is left alone, so that nothing happens to it.
set -eu
from=$1 to=$2
stage() {
    [ -f "$2" ] && cmp -s "$1" "$2" || mv "$1" "$2"
    rm -f "$1"
}
for name in users movies theaters reservations payments tickets gateway operator; do
    folder=$to/$name
    mkdir -p "$folder"
    strip -o "$folder/.moviebooking" "$from/moviebooking-$name"
    stage "$folder/.moviebooking" "$folder/moviebooking"
    cp tilt/restart.sh "$folder/.restart.sh"
    stage "$folder/.restart.sh" "$folder/restart.sh"
done
