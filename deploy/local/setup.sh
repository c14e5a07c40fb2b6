#!/usr/bin/env bash
# Make this checkout runnable: PostgreSQL from Debian, Python packages in .venv, Node packages in node_modules.
# Safe to run again; with nothing to do it takes a moment.
set -euo pipefail
cd "$(dirname "$0")/../.."

UV=0.13.8
STAMPED=(requirements.txt requirements-dev.txt package.json package-lock.json .npmrc deploy/local/setup.sh)

fail() {
    echo "setup: $*" >&2
    exit 1
}

have_postgres() {
    local control version
    for control in /usr/share/postgresql/*/extension/postgis.control; do
        version=$(basename "${control%/extension/*}")
        [[ $version -ge 15 && -x /usr/lib/postgresql/$version/bin/initdb ]] && return 0
    done 2>/dev/null
    return 1
}

newest_postgis() {
    apt-cache pkgnames postgresql- | grep -E '^postgresql-[0-9]+-postgis-3$' | sort -V | tail -1
}

debian_packages() {
    have_postgres || echo postgis
    python3 -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv
    command -v npm >/dev/null || echo npm
}

install_debian_packages() {
    local wanted=("$@") postgis
    local hint="As root: apt-get update && apt-get install ${wanted[*]/#postgis/postgresql-15 postgresql-15-postgis-3}"
    [[ $EUID -eq 0 ]] || fail "some Debian packages are missing and only root can install them. $hint"
    command -v apt-get >/dev/null || fail "PostgreSQL 15 with PostGIS, Python's venv and npm are needed, and there is no apt-get to install them."

    echo "setup: installing Debian packages"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || fail "Debian's package lists cannot be fetched; is there a network? $hint"
    if [[ " ${wanted[*]} " == *" postgis "* ]]; then
        postgis=$(newest_postgis)
        wanted=("${wanted[@]/#postgis/$postgis}" "${postgis%-postgis-3}")
    fi
    apt-get install -qq -y --no-install-recommends "${wanted[@]}" >/dev/null \
        || fail "Debian's packages could not be installed; the lines above say why. $hint"
}

install_python_packages() {
    [[ -x .venv/bin/pip ]] || python3 -m venv .venv || fail "Python cannot make a virtual environment; install python3-venv."
    .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
        || fail "Python 3.11 or newer is needed; remove .venv, put a newer python3 first in PATH and try again."

    echo "setup: installing Python packages"
    .venv/bin/pip install -qq --disable-pip-version-check "uv==$UV" \
        || fail "Python packages cannot be downloaded; is there a network? Behind a mirror or proxy, set it in pip's configuration."
    # uv is ten times faster than pip, but where only pip knows a private mirror, pip must do.
    .venv/bin/uv pip install -q --python .venv/bin/python -r requirements-dev.txt \
        || .venv/bin/pip install -qq --disable-pip-version-check -r requirements-dev.txt \
        || fail "the packages of requirements-dev.txt could not be installed; the lines above say why."
    # Microsoft's own worker library drives function_app.py in tests and in triggers/devhost. It declares Python 3.13
    # and azure-functions 2, but runs unchanged on 3.11 with the version that Azure's 3.11 workers use.
    .venv/bin/pip install -qq --disable-pip-version-check --no-deps --ignore-requires-python \
        azure-functions-runtime==1.3.0 azurefunctions-extensions-base==1.2.0 \
        || fail "azure-functions-runtime could not be installed; the lines above say why."
}

install_node_packages() {
    echo "setup: installing Node packages"
    npm ci --silent || fail "Node packages could not be installed; is there a network? 'npm ci' shows the whole story."
}

# Only one test asks for it, with workers whose clocks are hours apart; that test is skipped without.
install_faketime() {
    command -v faketime >/dev/null || [[ $EUID -ne 0 ]] \
        || apt-get install -qq -y --no-install-recommends faketime >/dev/null 2>&1 \
        || echo "setup: no faketime to be had; the test of skewed clocks will be skipped"
}

# Only `make bench-raster` asks for it, to compare with; its rows are left out without.
install_gdal() {
    command -v gdal_translate >/dev/null || [[ $EUID -ne 0 ]] \
        || apt-get install -qq -y --no-install-recommends gdal-bin >/dev/null 2>&1 \
        || echo "setup: no gdal-bin to be had; benchmarks of rasters will leave out gdal_translate"
}

# Only the tests of the pages ask for it; they are skipped without.
install_chromium() {
    command -v chromium >/dev/null || [[ $EUID -ne 0 ]] \
        || apt-get install -qq -y --no-install-recommends chromium >/dev/null 2>&1 \
        || echo "setup: no chromium to be had; tests that look at pages in a browser will be skipped"
}

# .venv/bin/coremachine is a link and no installed package: it always runs the code of this checkout.
link_command() {
    ln -sfn ../../bin/coremachine .venv/bin/coremachine
}

# Otherwise the first fire compiles it, and whoever asked waits.
compile_fire_model() {
    echo "setup: compiling the fire model"
    .venv/bin/python -m services.fire.warm || echo "setup: the fire model did not compile; the first fire will try again"
}

missing=$(debian_packages)
# shellcheck disable=SC2086  # one word per package
[[ -z $missing ]] || install_debian_packages $missing

stamp=$(cat "${STAMPED[@]}" | sha256sum)
if [[ -x .venv/bin/python && -d node_modules && $(cat .local/setup.sha256 2>/dev/null) == "$stamp" ]]; then
    link_command
    exit 0
fi
trap wait EXIT  # whatever happens, npm is not left half-way
install_faketime
install_gdal
install_chromium
install_node_packages &
install_python_packages
wait $!
link_command
compile_fire_model
mkdir -p .local
echo "$stamp" > .local/setup.sha256
echo "setup: done"
