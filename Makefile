# Everything a newcomer types.  Each target does its own set-up first; when nothing changed that costs nothing.
# Another interpreter: `make PYTHON=python3.13 test` (after `make clean`).
PYTHON ?= python3

.PHONY: serve cluster cluster-stop test matrix check bench bench-scale soak pins docs clean

serve: bin/.built
	bin/librarian serve development.ini

# Two nodes on PostgreSQL and an object store behind nginx, in the background, with its data in var/cluster
# (docs/cluster.md).  PORT=0 takes free ports.
cluster: bin/.built
	bin/py -m tools.cluster start $(if $(filter 0,$(PORT)),--any-port)

cluster-stop: bin/.built
	bin/py -m tools.cluster stop

# A layer a process, large ones in parts, as many at a time as there are processors.
test: bin/.built parts/peers/.tried
	bin/test -j$(shell nproc)

# The tests in memory on each CPython from 3.11 on that is here; ALL=1 for all tests, ONLY=3.12,3.13 for some versions.
matrix:
	$(PYTHON) tools/matrix.py $(if $(ONLY),only=$(ONLY)) $(if $(ALL),--all)

check: bin/.built
	bin/check

# The table of figures, or the rows with these words in their names: make bench ROWS=get,put
bench: bin/.built
	.venv/bin/python tools/peers.py --server
	bin/py -m benchmarks.figures $(ROWS)

# Libraries of 10^5 and 10^6 aliases; SIZES="10000000" for others.  Then the pages at 10^3 and 10^6.
bench-scale: bin/.built
	bin/py -m benchmarks.scale $(SIZES)
	bin/py -m benchmarks.pages

# Which pins are behind what the package index has; silent where none can be asked.
pins: bin/.built
	bin/py -m tools.pins

# The long proofs (docs/proof.md), each repeatable by SEED=... where it draws at random: REQUESTS=... hostile requests to
# every endpoint and INPUTS=... hostile inputs to every parser; STATES=... power cuts; OPERATIONS=... of concurrent clients;
# CASES=... requests by the description of the interfaces (its own OPENAPI_SEED=...); all tests of a server on every
# installation, of which `make test` has a part; a server killed KILLS=... times in the phases of an upload; a file of
# LARGE=... MB over connections that are cut (room twice in the folder for temporary files); each part of a cluster killed
# ROUNDS=... times under load; HOURS=... of everything at once (WRITE=1 puts the result into docs/proof.md).
soak: bin/.built
	bin/py -m tests.fuzz requests=$(or $(REQUESTS),100000) seed=$(SEED)
	bin/py -m tests.fuzz.parsers inputs=$(or $(INPUTS),1000000) seed=$(SEED)
	bin/py -m tests.crash states=$(or $(STATES),1000) $(if $(SEED),seed=$(SEED))
	bin/py -m tests.histories operations=$(or $(OPERATIONS),1000000) $(if $(SEED),seed=$(SEED))
	bin/py -m tests.web.openapi cases=$(or $(CASES),20000) seed=$(OPENAPI_SEED)
	LIBRARIAN_INSTALLATIONS=whole bin/test -m tests.installations
	LIBRARIAN_KILLS=$(or $(KILLS),100) bin/test -m tests.library.uploads.test_clients -t Killed
	LIBRARIAN_KILLS=$(or $(KILLS),100) bin/test -m tests.server.test_crashes
	LIBRARIAN_LARGE=$(or $(LARGE),5000) bin/test -m tests.library.uploads.test_large
	bin/py -m tests.chaos rounds=$(or $(ROUNDS),10)
	bin/py -m tests.soak hours=$(or $(HOURS),1) $(if $(SEED),seed=$(SEED)) $(if $(WRITE),write=1)

docs: bin/.built
	bin/docs

clean:
	rm -rf .venv bin eggs develop-eggs parts .installed.cfg docs/_build

# Others' programs that some tests compare with; without them those tests are left out.
parts/peers/.tried: bin/.built tools/peers.py
	.venv/bin/python tools/peers.py

bin/.built: buildout.cfg versions.cfg setup.py pyproject.toml $(wildcard tools/*)
	$(PYTHON) tools/bootstrap.py
	touch $@
