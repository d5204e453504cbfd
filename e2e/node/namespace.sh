#!/usr/bin/env bash
# The first process of the node's namespaces: namespace.sh FOLDER BOX. Lays mounts and network, then becomes `box pause`,
# which reaps what loses its parent. Nothing here outlives the namespaces.
set -euo pipefail
folder=$1 box=$2

mount --make-rshared /
mkdir -p "$folder"/own/{lib,log}
mount --bind "$folder/own/lib" /var/lib
mount --bind "$folder/own/log" /var/log
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock

# A file of ours in the place of one of the system's.
cover() {
  printf '%s\n' "$2" >"$folder/own/$(basename "$1")"
  mount --bind "$folder/own/$(basename "$1")" "$1"
}
# kubelet wants these, and they are the whole machine's: it sees the values that it would set.
cover /proc/sys/vm/overcommit_memory 1
cover /proc/sys/kernel/panic 10
cover /proc/sys/kernel/panic_on_oops 1
cover /etc/resolv.conf "nameserver 127.0.0.1"

# The node's address is on a pair of which both ends are here: not every kernel has dummy interfaces.
ip link set lo up
ip link add node0 type veth peer name node1
ip link set node1 up
ip addr add 172.30.0.1/24 dev node0
ip link set node0 up
ip route add default dev node0
for setting in net/ipv4/ip_forward net/ipv4/conf/all/route_localnet net/bridge/bridge-nf-call-iptables; do
  if [[ -e /proc/sys/$setting ]]; then echo 1 >"/proc/sys/$setting"; fi
done

touch "$folder/laid"
exec "$box" pause
