#!/bin/sh
# load.sh IMAGE FOLDER: builds the image of a staged program and puts it into the cluster that `cargo xtask cluster` runs,
# which reaches no registry and no Docker daemon. `cargo xtask cluster` says by
# $MOVIEBOOKING_DEVELOPMENT_ROOT where the root of a file system is of which the base is made.
set -eu
image=$1 folder=$2
storage=target/tilt/storage base=moviebooking-development-base
buildah() {
    command buildah --root "$PWD/$storage/root" --runroot "$PWD/$storage/run" --storage-driver vfs "$@"
}
mkdir -p "$storage"
# Several images are built at once.
(
    flock 9
    if ! buildah inspect --type image "$base" >/dev/null 2>&1; then
        container=$(buildah from scratch)
        buildah add --quiet "$container" "$MOVIEBOOKING_DEVELOPMENT_ROOT" / >/dev/null
        buildah commit --quiet --rm "$container" "$base" >/dev/null
    fi
) 9>"$storage/lock"
archive=$folder/.image.tar
rm -f "$archive"
buildah build --quiet --isolation chroot --build-arg "BASE=localhost/$base" --file tilt/Containerfile --tag "$image" "$folder"
buildah push --quiet "$image" "docker-archive:$archive:$image"
buildah rmi "$image" >/dev/null
target/debug/moviebooking-cluster load "$archive"
rm "$archive"
