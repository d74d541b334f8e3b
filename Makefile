# One command each; `make` alone lists them. Needs make and a Python from 3.12 up, nothing else:
# .venv is built from requirements.lock, by uv when it is there and by venv and pip otherwise.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# The first of these that is at least 3.12; PYTHON=... goes before them.
PYTHONS = $(PYTHON) python3 python3.14 python3.13 python3.12 python
PY = .venv/bin/python
READY = .venv/requirements.lock
APPS = queues mqproject transactions notifications slackworker

# What a deployment sets; only for `make check`, which serves nothing.
PRODUCTION = env -u DJANGO_DEBUG -u DJANGO_HTTPS -u DATABASE_URL -u REDIS_URL \
	DJANGO_SECRET_KEY="$$($(PY) -c 'import secrets; print(secrets.token_urlsafe(64))')" \
	DJANGO_ALLOWED_HOSTS=queues.example.com

# An environment that still works is kept. pip installs where uv is missing or cannot.
$(READY): requirements.lock
	@set -e; \
	found=""; \
	for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then found="$$python"; break; fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "No Python from 3.12 up was found among: $(strip $(PYTHONS))." >&2; \
		echo "Install one, or say where it is: make PYTHON=/path/to/python3.13 $(MAKECMDGOALS)" >&2; \
		exit 1; \
	fi; \
	if ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null; then \
		echo "Building .venv with $$("$$found" --version)"; \
		if command -v uv >/dev/null; then \
			uv venv -q --clear --python "$$("$$found" -c 'import sys; print(sys.executable)')" .venv; \
		else \
			"$$found" -m venv --clear .venv; \
		fi; \
	fi
	@echo "Installing what requirements.lock names into .venv"
	@if command -v uv >/dev/null && uv pip install -q --python .venv/bin/python --require-hashes -r requirements.lock; then :; else \
		.venv/bin/python -m pip --version >/dev/null 2>&1 || .venv/bin/python -m ensurepip; \
		.venv/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements.lock; \
	fi
	@cp requirements.lock $@

.PHONY: help
help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(READY) ## Run the whole system on this machine; ONCE=1 stops after the run and checks it
	@ONCE="$(ONCE)" $(PY) -m demo

.PHONY: test
test: $(READY) ## Run the tests; PYTEST_ARGS="-k name" picks some, REQUIRE_ALL=1 forbids skips
	@$(PY) -m pytest $(if $(filter-out 0,$(REQUIRE_ALL)),-p tests.support.required) $(PYTEST_ARGS)

.PHONY: check
check: $(READY) ## Format, lint, types, architecture, migrations, deployment settings, lock file
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	DJANGO_DEBUG=true $(PY) -m mypy
	.venv/bin/lint-imports
	DJANGO_DEBUG=true $(PY) manage.py makemigrations --check --dry-run
	@echo "manage.py check --deploy, with production settings"
	@$(PRODUCTION) $(PY) manage.py check --deploy --fail-level WARNING
	$(PY) -m tests.support.lockfile

.PHONY: format
format: $(READY) ## Format the code and mend what the linter can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

.PHONY: bench
bench: $(READY) ## Measure us beside the peers; ONLY=drain picks a section, JSON=file writes the figures
	@$(PY) -m benchmarks

.PHONY: run
run: $(READY) ## Web server and one worker for development, on the Redis that REDIS_URL names
	@export DJANGO_DEBUG=true; \
	$(PY) manage.py migrate -v 0 || exit 1; \
	$(PY) manage.py rqworker & worker=$$!; \
	trap 'kill $$worker 2>/dev/null; wait $$worker' EXIT; \
	trap 'exit 130' INT TERM; \
	$(PY) manage.py runserver

.PHONY: lock
lock: $(READY) ## Write requirements.lock anew from pyproject.toml; UPGRADE=1 takes newer releases
	$(PY) -m uv pip compile -q --universal --python-version 3.12 $(if $(filter-out 0,$(UPGRADE)),--upgrade) \
		--group pyproject.toml:dev pyproject.toml --extra postgres \
		--generate-hashes --no-emit-index-url --no-header -o requirements.lock

.PHONY: clean
clean: ## Remove the environments and caches
	rm -rf .venv .bench-venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache staticfiles
	find $(APPS) tests demo benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
