# `make demo` and `make test` are all the set-up there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench bench-recall bench-scale bench-reading bench-asking \
	bench-submitting bench-durability train fuzz kill siege clean

demo: $(VENV)/.installed
	@rm -f demo.db demo.db-wal demo.db-shm demo.db.lock
	@# A conversation still going on: it has no times, so its file's time counts.
	@touch sample_transcripts/chats/still-going.jsonl
	$(BIN)/memcli reflect ./sample_transcripts --db demo.db --extractor offline
	$(BIN)/memcli search "dark mode" --db demo.db

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.installed-test
	$(BIN)/python benchmarks/run.py

# What search finds and extraction keeps; REALMEM is a folder of prepared users.
bench-recall: $(VENV)/.installed-test
	$(BIN)/python benchmarks/recall.py $(if $(REALMEM),--realmem $(REALMEM))

# Search at a million rows: some minutes, and 4 GB of disk.
bench-scale: $(VENV)/.installed-test
	$(BIN)/python benchmarks/scale.py

# A gigabyte of session and 20,000 files: some minutes, and 3 GB of disk.
bench-reading: $(VENV)/.installed-test
	$(BIN)/python benchmarks/reading.py

# 400 threads and a server that takes half a second for each.
bench-asking: $(VENV)/.installed-test
	$(BIN)/python benchmarks/asking.py

# 40 conversations for LangMem's executor and for ours: a minute and a half.
bench-submitting: $(VENV)/.installed-test
	$(BIN)/python benchmarks/submitting.py

# What the journal costs, and a store of a million messages, which is made once and
# kept in the temporary folder: some minutes, and 9 GB of disk.
bench-durability: $(VENV)/.installed-test
	$(BIN)/python benchmarks/durability.py

# The weights of the offline extractor; REALMEM is a folder of prepared users. Minutes.
train: $(VENV)/.installed-test
	$(BIN)/python benchmarks/train_extractor.py $(if $(REALMEM),--realmem $(REALMEM))

# 2,000 damaged files of each format; the suite tries a few of each kind.
fuzz: $(VENV)/.installed-test
	$(BIN)/python -m tests.transcripts.mutants 2000

# Ten processes at one database for a minute; the suite does it for some seconds.
siege: $(VENV)/.installed-test
	$(BIN)/python -m tests.durability.siege 60

# 200 runs of each kind killed, at every commit and at random; the suite kills a few.
kill: $(VENV)/.installed-test
	$(BIN)/python -m tests.durability.kill 200

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[test]'
	@touch $@

clean:
	rm -rf $(VENV) demo.db*
