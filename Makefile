# `make demo` and `make test` need Python 3.11 and the package registries.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
DEMO := runs/demo

.PHONY: check demo test lint clean

$(VENV)/installed: setup.py pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint requirements.lock \
	  --editable ".[demo,test]"
	touch $@

demo: $(VENV)/installed
	$(BIN)/python apps/train.py --dataset=mnist_5k --max_minutes=1.5 \
	  --workdir=$(DEMO) --export_dir=saved_models/demo
	$(BIN)/python apps/predict.py reconstruct $(DEMO)/pictures/test_images \
	  --saved_model=saved_models/demo --output=$(DEMO)/reconstructions.png
	$(BIN)/python apps/predict.py sample \
	  --saved_model=saved_models/demo --output=$(DEMO)/samples.png
	@echo
	@echo "Open     $(DEMO)/samples.png          new digits from the exported model"
	@echo "         $(DEMO)/reconstructions.png  test digits, each beside its reconstruction"
	@echo "         $(DEMO)/pictures/            traversals of the latent space"
	@echo "Watch    $(BIN)/tensorboard --logdir=$(DEMO)/tensorboard"
	@echo "Go on    $(BIN)/python apps/train.py --dataset=mnist"

test: $(VENV)/installed
	$(BIN)/python -m pytest -n logical --maxprocesses=4 --dist=loadfile

# In a few minutes: the linters, the types, and a test of nearly every file.
check: lint
	$(BIN)/python -m pytest -n logical --maxprocesses=4 --dist=load \
	  --smoke --quiet --durations=0 --durations-min=10

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

clean:
	rm -rf $(VENV)
