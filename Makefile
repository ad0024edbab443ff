# The same verbs for a person and for CI. `fmt` rewrites files; `lint` never does.
.PHONY: fmt lint types test check bench

fmt:
	ruff check --fix-only --quiet .
	ruff format .

lint:
	ruff check .
	ruff format --check .
	lint-imports

types:
	mypy

test:
	python -m pytest -n auto --dist loadscope

check: lint types
	python -m pytest -n auto --dist loadscope --cov=dima

bench:
	@for script in benchmarks/speed_*.py; do echo "== $$script"; python "$$script" || exit 1; done
