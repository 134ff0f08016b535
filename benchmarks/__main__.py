"""Every benchmark, or those that are named: bin/py -m benchmarks library tracker"""

import importlib
import pkgutil
import sys

import benchmarks

HELPERS = ("__main__", "figures", "filetracker", "load", "nginx")
APART = ("scale",)  # takes long: only when it is named


def names() -> list[str]:
    """Every module here with a main() of its own."""
    found = {module.name for module in pkgutil.iter_modules(benchmarks.__path__)}
    return sorted(found.difference(HELPERS))


def main() -> None:
    chosen = sys.argv[1:] or [name for name in names() if name not in APART]
    if unknown := sorted(set(chosen) - set(names())):
        sys.exit(f"no such benchmark: {', '.join(unknown)}; there are: {', '.join(names())}")
    for name in chosen:
        print(f"=== {name}", flush=True)
        importlib.import_module(f"benchmarks.{name}").main()
        print(flush=True)


if __name__ == "__main__":
    main()
