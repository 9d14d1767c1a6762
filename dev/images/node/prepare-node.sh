#!/bin/bash
# Runs in a container of the node's root file system: turns it into what kind starts, images preloaded.
# /in holds: kind (the module's base files), nodebin, manifests, images.tar, version, pause-image
set -euo pipefail
cd /in
install -m 755 nodebin /usr/local/bin/nodebin
for program in kubelet kubeadm kubectl; do ln -sf /usr/local/bin/nodebin /usr/bin/$program; done
ln -sf nodebin /usr/local/bin/crictl
for program in containerd ctr containerd-shim-runc-v2; do ln -sf /usr/bin/$program /usr/local/bin/$program; done
mkdir -p /opt/cni && ln -sfn /usr/lib/cni /opt/cni/bin
mkdir -p /kind/bin /kind/manifests /etc/kubernetes/manifests /etc/containerd/certs.d
install -m 755 kind/usr/local/bin/entrypoint /usr/local/bin/entrypoint
install -m 755 kind/kind/bin/* /kind/bin/
install -m 644 kind/etc/crictl.yaml /etc/crictl.yaml
install -m 644 kind/etc/default/kubelet /etc/default/kubelet
install -m 644 kind/etc/sysctl.d/* /etc/sysctl.d/
for unit in kubelet.slice undo-mount-hacks.service containerd.service kubelet.service; do
  install -m 644 "kind/etc/systemd/system/$unit" /etc/systemd/system/
done
mkdir -p /etc/systemd/system/kubelet.service.d
install -m 644 kind/etc/systemd/system/kubelet.service.d/* /etc/systemd/system/kubelet.service.d/
install -m 644 manifests/default-cni.yaml manifests/default-storage.yaml /kind/manifests/
cp version /kind/version
# A nested sandbox may not lower its OOM score; the pause image is ours; registries are configured per host.
{
  sed -e 's/restrict_oom_score_adj = false/restrict_oom_score_adj = true/' \
      -e "s#sandbox_image = .*#sandbox_image = \"$(cat pause-image)\"#" kind/etc/containerd/config.toml
  printf '\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
} > /etc/containerd/config.toml
systemctl enable kubelet.service containerd.service undo-mount-hacks.service
systemctl mask systemd-binfmt.service
ctr oci spec \
  | jq '.hooks.createContainer[.hooks.createContainer| length] |= . + {"path": "/kind/bin/mount-product-files.sh"}' \
  | jq 'del(.process.rlimits)' > /etc/containerd/cri-base.json
# Preload with the node's own containerd. Nothing is unpacked: that happens when a pod first needs it.
containerd > /tmp/containerd.log 2>&1 &
daemon=$!
for _ in $(seq 100); do ctr version > /dev/null 2>&1 && break; sleep 0.1; done
ctr -n k8s.io images import --label=io.cri-containerd.pinned=pinned --all-platforms --no-unpack --digests images.tar
ctr -n k8s.io images ls -q
kill $daemon
wait $daemon || true
rm -rf /tmp/* /run/containerd
