"""
Restore the environment that the container was started with, before our code runs.

PyInstaller's loader sets variables for itself and for the dynamic linker. They aren't
needed any more. A broker that inherits them would load our libraries.
"""

import os

original = os.environ.pop("LD_LIBRARY_PATH_ORIG", None)
if original is None:
    os.environ.pop("LD_LIBRARY_PATH", None)
else:
    os.environ["LD_LIBRARY_PATH"] = original

for name in [name for name in os.environ if name.startswith("_PYI_")]:
    del os.environ[name]
