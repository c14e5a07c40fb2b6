"""eccodes, loaded so that its copy of PROJ stays its own.

Its wheel brings PROJ, and opens it for everybody in the process: GDAL and pyproj, which bring other
versions, would then call that one, and crash. Whatever needs eccodes or cfgrib imports it after this.
"""

import ctypes

import findlibs


def _load_apart(path: str) -> ctypes.CDLL:
    return ctypes.CDLL(path, mode=ctypes.RTLD_LOCAL)


findlibs._load_globally = _load_apart

import eccodes as eccodes  # noqa: E402
