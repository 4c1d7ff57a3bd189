"""Reads a graph with the reference package, checks its types, and writes it again."""
import sys

import nir

nir.write(sys.argv[2], nir.read(sys.argv[1]))
