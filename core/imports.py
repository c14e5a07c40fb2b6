"""Modules that are imported late, one after the other.

Python locks each module, not its package: of two threads that import a package for the first time, by different
names, each may wait for the other. Python sees that and lets one go on with a module that is half made, and from
then on the import fails as long as the process lives. Whatever is not imported at the top of a file is therefore
imported under this lock.
"""

from __future__ import annotations

import threading

one_at_a_time = threading.RLock()
