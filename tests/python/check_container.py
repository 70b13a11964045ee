"""Judges a container file by hadolint, and prints what it finds."""

import pathlib
import subprocess
import sys

hadolint = pathlib.Path(sys.executable).with_name("hadolint")
# It ends with 1 where it finds anything; what it prints is a list all the same.
judged = subprocess.run([hadolint, "--format", "json", sys.argv[1]], capture_output=True, text=True)
print(judged.stdout or judged.stderr)
