# Copyright (c) 2026, the coracle contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

.PHONY: help test lint sanity units system integration archives images test-hosts host demo demo-clean tree bench bench-extract bench-network fuzz clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 14

test: ## everything (integration needs root); ONLY=sanity,units for a part of it
	@tests/run $(if $(ONLY),--only $(ONLY))

lint: ## ruff, mypy, reuse, yamllint, ansible-lint, changelog, documentation, import into Galaxy
	@tests/run --only lint

sanity: ## ansible-test sanity on two versions of ansible-core; TEST=validate-modules for one test
	@tests/run --only sanity $(if $(TEST),--test $(TEST))

units: ## ansible-test units on two versions of Python
	@tests/run --only units

system: ## attacks, faults and the supervisor on the real kernel, as root
	@tests/run --only system

integration: ## ansible-test integration, locally and over SSH, as root; TARGET=cgroup,article for some targets
	@tests/run --only integration $(if $(TARGET),--target $(TARGET))

archives: ## hostile and damaged archives, faults and kills, each through the whole module, as root
	@tests/run --only archives

images: ## real initrds and images, beside the reference tools and as containers, as root; ONLY=layers for one group
	@tests/images/run $(if $(ONLY),--only $(ONLY))
	$(if $(ONLY),,@tests/run --only integration --target container_rootfs,real_images)

test-hosts: ## virtual machines with systemd, with cgroup v1, with v2 alone, as root; KIND=v2 for one, TARGET=cgroup, ONLY=deploy for a part
	@tests/hosts/run test $(if $(KIND),--kind $(KIND)) $(if $(TARGET),--target $(TARGET)) $(if $(ONLY),--only $(ONLY))

host: ## one of these to look at, and a shell on it, as root: KIND=debian, KIND=slackware, KIND=v2
	@tests/hosts/run show $(KIND)

demo: ## three containers on this machine; IMAGE=/path/initrd.img takes another image
	@./demo/run

demo-clean: ## undo the demo
	@./demo/clean

tree: ## once in a clone, before playbooks/*.yml is run from it: the link through which ansible.cfg finds the collection
	@mkdir -p .build/tree/ansible_collections/coracle
	@ln -sfn ../../../.. .build/tree/ansible_collections/coracle/launcher

bench: ## time of 20 containers, beside podman's
	@tests/bench/run

fuzz: ## feed the archive readers with what nobody packed; SECONDS=600 for longer than a minute
	@tests/fuzz/run $(or $(SECONDS),60)

bench-extract: ## time and memory of an extraction, beside cpio and bsdtar
	@tests/bench/run-extract

bench-network: ## speed of a pair and time of 20 interfaces, beside ip; what the import of pyroute2 costs
	@tests/bench/run-network

clean: ## remove what the checks left in the checkout
	rm -rf .build/log .nox tests/output
