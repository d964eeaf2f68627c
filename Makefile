# make demo             a face speaks in the browser; ARGS="--text 'Hello'" | "--wav FILE" | "--mic" [--once]
# make test             every test, with the peers that this machine has or may install
# make lint | clean     check the style | remove what the set-up made
#
# Each step of the set-up leaves a stamp in .venv, so that a second run starts at once and a failed run
# goes on where it stopped. PYTHON chooses the interpreter: make demo PYTHON=python3.12

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo

PYTHON ?= python3
ARGS ?=
# An index with PyTorch's builds without CUDA, for machines without a GPU; without one, pip's own sources serve.
TORCH_INDEX ?=

VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
TORCH := $(shell grep '^torch==' constraints.txt)
# Nothing of another ROS installation or virtual environment may reach ours.
unexport PYTHONPATH PYTHONHOME AMENT_PREFIX_PATH CMAKE_PREFIX_PATH COLCON_PREFIX_PATH LD_LIBRARY_PATH
unexport ROS_DISTRO _ROS_WHEELS_BOOTSTRAP_COMPLETE
export PATH := $(BIN):$(PATH)

.PHONY: demo setup test lint clean
demo: setup
	@exec $(BIN)/toktalk demo $(ARGS)

setup: $(STAMPS)/messages

test: setup $(STAMPS)/development
	@scripts/prerequisites.sh test
	@$(BIN)/python -m pytest -rs $(ARGS)

lint: $(STAMPS)/development
	@$(BIN)/ruff check .

clean:
	rm -rf $(VENV) ros2_ws/build ros2_ws/install ros2_ws/log *.egg-info

$(STAMPS)/environment:
	@PYTHON=$(PYTHON) scripts/prerequisites.sh build
	@echo "==> Python environment"
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) "pip>=23" "setuptools>=64,<80" wheel
	@mkdir -p $(STAMPS) && touch $@

# The build without CUDA is a twentieth of the size: from pip's own sources, else from TORCH_INDEX.
$(STAMPS)/torch: $(STAMPS)/environment constraints.txt
	@echo "==> PyTorch"
	@if command -v nvidia-smi >/dev/null && nvidia-smi >/dev/null 2>&1; then $(PIP) torch; else \
	    $(PIP) "$(TORCH)+cpu" 2>/dev/null \
	    || { [ -n "$(TORCH_INDEX)" ] && $(PIP) --retries 1 --extra-index-url "$(TORCH_INDEX)" "$(TORCH)+cpu"; } \
	    || $(PIP) torch; fi
	@touch $@

$(STAMPS)/package: $(STAMPS)/torch setup.cfg setup.py package.xml $(wildcard launch/*.py launch/config/*)
	@echo "==> TokTalk and ROS 2"
	@$(PIP) --no-build-isolation --editable ".[ros,tts]"
	@touch $@

# Installed into .venv itself, which is a ROS prefix: nothing has to be sourced. Without MAKEFLAGS colcon
# would wait for the machine to have nothing else to do.
$(STAMPS)/messages: $(STAMPS)/package $(shell find ros2_ws/src -type f)
	@echo "==> toktalk_msgs"
	@touch $(VENV)/COLCON_IGNORE
	@cd ros2_ws && MAKEFLAGS=-j$$(nproc) CMAKE_PREFIX_PATH=$(VENV) AMENT_PREFIX_PATH=$(VENV) \
	    $(BIN)/colcon --log-level error build --event-handlers console_direct- console_cohesion- \
	    --packages-select toktalk_msgs --merge-install --install-base $(VENV) \
	    --cmake-args -DCMAKE_BUILD_TYPE=Release -DPython3_FIND_VIRTUALENV=ONLY -DBUILD_TESTING=OFF
	@touch $@

$(STAMPS)/development: $(STAMPS)/package
	@echo "==> Development tools"
	@$(PIP) --no-build-isolation --editable ".[ros,tts,align,train,dev]"
	@touch $@
