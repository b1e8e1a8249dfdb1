# The machine of a node: namespaces of its own for the network, the mounts and the processes. With the first process in them
# everything ends that was started there, whatever it is. Told to end, it removes what is left: the folder $1, and the
# control groups of the pods.
folder=$1

# There is no way out of the network. Whatever is written to /run and /var/log is seen in there alone.
setup='
set -e
mount --make-rshared /
mount -t tmpfs tmpfs /run
mkdir /run/netns /run/lock
mkdir "$1/var-log" && mount --bind "$1/var-log" /var/log
mount --bind "$1/volumes" /mnt
ip link set lo up
ip address add "$2/32" dev lo
ip route add default dev lo
echo 1 >/proc/sys/net/ipv4/ip_forward
touch "$1/machine-is-up"
while :; do sleep 1000; done
'

unshare --net --mount --mount-proc --pid --fork --kill-child sh -c "$setup" machine "$folder" "$2" &
machine=$!
# Its child is the first process. When that has ended, everything in there has.
trap 'kill -KILL $(cat "/proc/$machine/task/$machine/children")' TERM
echo "$machine" >"$folder/machine.new" && mv "$folder/machine.new" "$folder/machine"
# A signal interrupts the first.
wait "$machine"
wait "$machine"
for groups in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
    [ ! -d "$groups" ] || find "$groups" -depth -type d -exec rmdir {} + 2>/dev/null
done
# What was never up is looked into by whoever started it.
[ ! -e "$folder/machine-is-up" ] || rm -rf "$folder"
