# The same verbs for a person and for CI. `fmt` rewrites files; `lint` never does.
.PHONY: fmt lint types test check bench mutants

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

# Not part of `check`: an hour or so. `make mutants MUTANTS='--count 20 --seed 1'` for another sample.
mutants:
	python -m pip install --quiet 'cosmic-ray==8.7.*'
	python -m pytest -q -n auto --dist loadscope tests/noise tests/latent
	python benchmarks/mutants.py $(MUTANTS)
