#!/bin/sh
# collect-tools.sh ROOT: copy iptables, conntrack, nft and everything they load to ROOT, and link the programs.
set -eu
root=$1
packages="base-files base-passwd libc6 libgcc-s1 iptables libxtables12 libip4tc2 libip6tc2 libmnl0 libnftnl11 nftables libnftables1
  libnetfilter-conntrack3 libnfnetlink0 conntrack libgmp10 libjansson4 libedit2 libbsd0 libmd0 libtinfo6 kmod libkmod2
  libzstd1 liblzma5 libssl3t64 zlib1g"
# shellcheck disable=SC2086 # a list
dpkg -L $packages | grep -v -E '^/usr/share/|^/\.$' | sort -u | while read -r path; do
  if [ -L "$path" ] || [ ! -d "$path" ]; then echo "$path"; fi
done > /tmp/files
tar -C / -cf - --no-recursion -T /tmp/files | tar -C "$root" -xf -
# dpkg does not list what update-alternatives made.
for tool in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
  ln -sf "xtables-nft-multi" "$root/usr/sbin/$tool"
done
for program in kube-apiserver kube-controller-manager kube-scheduler kube-proxy etcd kubectl cni-agent volume-agent; do
  ln -sf nodebin "$root/usr/local/bin/$program"
done
mkdir -p "$root/etc/ssl/certs" "$root/tmp" "$root/run" "$root/var/run" 2>/dev/null || true
cp /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/"
chmod 1777 "$root/tmp"
