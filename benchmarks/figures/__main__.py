"""make bench; alone: bin/py -m benchmarks.figures get,put"""

from benchmarks.figures import main

main()
