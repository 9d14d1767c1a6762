# The local cluster and the images. Standard library Python only: these targets need no virtual environment.
CLUSTER := python3 -m dev.cluster

.PHONY: cluster
cluster: python3 ## a Kubernetes of this checkout (kind), or the one that KUBECONFIG names
	@$(CLUSTER) up

.PHONY: cluster-down
cluster-down: python3 ## remove it; what was costly to make stays for the next time
	@$(CLUSTER) down

.PHONY: cluster-status
cluster-status: python3 ## report how it is; fails when it is not ready
	@$(CLUSTER) status

.PHONY: doctor
doctor: ## report what this machine has, what would be installed or built, and what is missing
	@command -v python3 >/dev/null || { echo "MISSING  Python: install Python 3.11 or newer" >&2; exit 1; }
	@$(CLUSTER) doctor

.PHONY: announce-demo
announce-demo: python3 # the first thing that `make demo` does
	@$(CLUSTER) announce-demo

.PHONY: node-image
node-image: python3 ## build the node image (only where the public one cannot be pulled)
	@$(CLUSTER) node-image

.PHONY: base-images
base-images: python3 ## build the base images (only where the public ones cannot be pulled)
	@$(CLUSTER) base-images

.PHONY: helm
helm: python3 ## build Helm, once per machine (minutes the first time): what tries the chart
	@$(CLUSTER) helm

.PHONY: operator-verify
operator-verify: python3 ## build what judges the bundle for OLM, once per machine (minutes the first time)
	@$(CLUSTER) operator-verify

.PHONY: krew
krew: python3 ## build krew and what judges a manifest for it, once per machine (a minute the first time)
	@$(CLUSTER) krew

.PHONY: judges
judges: python3 ## build what judges as Argo CD, kstatus and Flux do, once per machine (5 minutes the first time)
	@$(CLUSTER) judges

.PHONY: collector
collector: python3 ## build the OpenTelemetry Collector that tries our example, once per machine (minutes the first time)
	@$(CLUSTER) collector

.PHONY: images
images: cluster ## build the API's and the operator's image and push them to the local registry
	@$(CLUSTER) build api operator

.PHONY: demo-images
demo-images: python3 # the same for the demo, which needs no measured pods: the cluster learns to measure them meanwhile
	@$(CLUSTER) up --without-metrics
	@$(CLUSTER) build api operator

.PHONY: clean-all
clean-all: python3 ## leave nothing: no cluster, daemon, mount, interface or cache of ours, and no .state or .venv
	@$(CLUSTER) clean-all
