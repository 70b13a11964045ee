"""Runs a script and ends at once: `python run.py SCRIPT ARGUMENT…`.

Threads of icechunk outlive the scripts that use it; where the interpreter is taken down in order around them, a busy
machine sees it crash now and then, with the answer long given.
"""

import os
import runpy
import sys

sys.argv = sys.argv[1:]
sys.path.insert(0, os.path.dirname(os.path.abspath(sys.argv[0])))
runpy.run_path(sys.argv[0], run_name="__main__")
sys.stdout.flush()
sys.stderr.flush()
os._exit(0)
