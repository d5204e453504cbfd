# `make` alone prints what there is. Everything built lies under build/.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
PROGRAMS := mesh-auth-operator mesh-auth-agent meshauthctl ngx_http_mesh_auth_module

# A target whose part is not in this version stops with those words, and `make help` does not list it.
PART_demo := demo/run.py
PART_cluster := e2e/cluster.py
PART_cluster-down := e2e/cluster.py
PART_control-plane := e2e/control_plane.py
PART_control-plane-down := e2e/control_plane.py
PART_e2e-node := e2e/node_tests
PART_bench := bench/CMakeLists.txt
PART_bench-smoke := e2e/bench_smoke.py
PART_fuzz := fuzz/CMakeLists.txt
PART_soak := tools/soak.sh
PART_images := images/build.py
optional := demo cluster cluster-down control-plane control-plane-down e2e-node bench bench-smoke fuzz soak images
absent := $(foreach name,$(optional),$(if $(wildcard $(PART_$(name))),,$(name)))
has = $(if $(filter $(1),$(absent)),,yes)

.PHONY: help deps build test checks unit e2e fmt lint clean $(optional)

help: ## this list
	@awk -v absent=' $(absent) ' -F ':.*## ' '/^[a-z0-9-]+:.*## / && !index(absent, " " $$1 " ") { printf "  make %-19s %s\n", $$1, $$2 }' Makefile

ifneq ($(absent),)
$(absent):
	@echo "make $@: not part of this version" >&2; exit 1
endif

deps: ## installs the Debian packages that are missing (as root; else prints the command)
	@tools/deps.sh

build/build.ninja:
	@tools/deps.sh --check build
	cmake --preset release

build: build/build.ninja ## release build: programs in build/bin, the nginx module in build/modules
	ninja -C build -j$(JOBS) $(PROGRAMS)

ifneq ($(call has,demo),)
demo: ## the main job without a cluster, step by step (KEEP=1 leaves it running, BREAK=step must fail)
	@tools/deps.sh build
	@$(MAKE) --no-print-directory build
	@python3 $(PART_demo)
endif

test: ## everything: generated files, format, rooms, unit tests (also sanitized), end-to-end tests
	@tools/test.sh checks unit e2e

checks: ## of test: generated files are current, clang-format, what the rooms include
	@tools/test.sh checks

unit: ## of test: the unit tests, plain and under the sanitizers
	@tools/test.sh unit

e2e: build ## of test: end-to-end, against a real API server (ARGS='-k name' goes to pytest)
	e2e/tools.sh pytest -c e2e/pytest.ini e2e/tests $(ARGS)

ifneq ($(call has,e2e-node),)
# On somebody else's cluster what is about images and our own node does not run: e2e/README.md.
e2e-node: build ## of test: images, and end-to-end on a real node of Kubernetes (as root), or on the cluster of E2E_KUBECONFIG
	E2E_PARTS="kube helm python $(if $(E2E_KUBECONFIG),,machine earlier)" e2e/tools.sh \
	  pytest -c e2e/pytest.ini $(if $(E2E_KUBECONFIG),,images/tests) $(PART_e2e-node) $(ARGS)
endif

ifneq ($(call has,cluster),)
cluster: images ## a real Kubernetes of one node with our images, in namespaces of its own (as root); prints how to reach it (WITHIN=20 fails where that takes longer)
	E2E_PARTS="kube helm machine python" e2e/tools.sh python $(PART_cluster) up $(WITHIN)

cluster-down: ## takes away what `make cluster` left running
	E2E_PARTS=python e2e/tools.sh python $(PART_cluster) down
endif

ifneq ($(call has,control-plane),)
control-plane: build ## a kube-apiserver alone, on loopback, with everything running beside it; prints its KUBECONFIG
	E2E_PARTS="kube helm python" e2e/tools.sh python $(PART_control-plane) up

control-plane-down: ## takes away what `make control-plane` left running
	E2E_PARTS=python e2e/tools.sh python $(PART_control-plane) down
endif

ifneq ($(call has,bench),)
bench: build ## what a request, a decision, a swap and a cached token cost; beside HAProxy, Envoy and njs (an idle machine, up to an hour)
	ninja -C build bench_engine bench_rules bench_load mesh-auth-bundle-tool
	@failed=; for part in decisions worker data_plane; do \
	  E2E_PARTS=python e2e/tools.sh python bench/$$part.py || failed="$$failed $$part"; done; \
	  [[ -z $$failed ]] || { echo "bench: not all bars hold:$$failed" >&2; exit 1; }
endif

ifneq ($(call has,bench-smoke),)
bench-smoke: build ## from a policy's change, and a provider's rotation, to its enforcement, on a real API server
	e2e/tools.sh python $(PART_bench-smoke)
	e2e/tools.sh python e2e/bench_rotation.py
endif

ifneq ($(call has,fuzz),)
fuzz: ## every fuzzer for FUZZ_SECONDS (60); what it finds is kept under build/fuzzing/found
	fuzz/run.sh $(FUZZ_SECONDS)
endif

ifneq ($(call has,soak),)
soak: build ## what takes hours: 10^8 decisions, every mutant, 10^6 requests under ASan and Valgrind, 10^6 random kids (REQUESTS=, PARTS=)
	$(PART_soak) $(PARTS)
endif

ifneq ($(call has,images),)
images: build ## container images as archives in build/images, each with a list of what is in it
	$(PART_images)
endif

fmt: ## formats our sources in place
	@tools/format.sh

lint: ## clang-format and clang-tidy over our sources; a file that passed is looked at again when it changes
	@tools/format.sh --check
	@cmake --preset tidy >/dev/null
	@cmake --build build/tidy --target nginx_headers >/dev/null
	@tools/tidy.py --jobs $(JOBS)

clean: ## removes build/
	rm -rf build
