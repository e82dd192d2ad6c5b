"""
Give back the environment the container was started with, before anything of ours runs.

PyInstaller's loader tells itself by variables where it has been, and the dynamic linker
where our libraries are. Both have been read by now; a broker that inherited them would
load our libraries in place of its own.
"""

import os

original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if original is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = original

for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
