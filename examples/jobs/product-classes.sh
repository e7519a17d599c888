#!/bin/sh
# Runs a Luigi task for a day: out/summaries/DAY.csv -> out/classes/DAY.csv (jobs/luigi/product_classes.py)
#
# Luigi is installed once, into a virtual environment of its own below the user's cache folder.
set -eu
cd "$(dirname "$0")/.."

luigi=3.8.1
day=$1 # such as 2026-03-29
case $day in
[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]) ;;
*)
    echo "not a day: $day" >&2
    exit 50 # trying again won't help
    ;;
esac

# A job's environment is built from nothing: HOME may be missing.
cache=${XDG_CACHE_HOME:-${HOME:-$(getent passwd "$(id -u)" | cut -d: -f6)}/.cache}/styx-examples
venv=$cache/luigi-$luigi

# Says what is missing and gives up: trying again won't help until somebody installs it.
lacking() {
    echo "$*" >&2
    exit 50
}

install_luigi() {
    command -v python3 >/dev/null ||
        lacking "python3 is missing: install Python 3.10 to 3.13 (Debian and Ubuntu: sudo apt-get install python3 python3-venv)"
    python3 -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' ||
        lacking "Luigi $luigi needs Python 3.10 to 3.13; python3 is $(python3 --version)"
    python3 -c 'import venv, ensurepip' 2>/dev/null ||
        lacking "python3 has no module venv: install it (Debian and Ubuntu: sudo apt-get install python3-venv)"
    mkdir -p "$cache"
    # Made aside and moved when it is complete: another run may be doing the same.
    draft=$(mktemp -d "$venv.XXXXXX")
    trap 'rm -rf "$draft"' EXIT
    echo "installing Luigi $luigi into $venv"
    python3 -m venv "$draft"
    if ! "$draft/bin/python" -m pip install --quiet --disable-pip-version-check -r jobs/luigi/requirements.txt; then
        echo "Luigi could not be installed: pip reached no package index, or not all packages" >&2
        exit 75 # tried again, as after any failure
    fi
    mv -T "$draft" "$venv" 2>/dev/null || [ -x "$venv/bin/python" ]
}

[ -x "$venv/bin/python" ] || install_luigi

status=0
LUIGI_CONFIG_PATH=jobs/luigi/luigi.cfg PYTHONPATH=jobs/luigi PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" -m luigi --module product_classes ProductClasses --day "$day" || status=$?

# What Luigi says (jobs/luigi/luigi.cfg) as Styx understands it.
case $status in
0) cat "out/classes/$day.csv" ;;
20) exit 20 ;; # its input isn't there yet
*) exit 1 ;; # a task failed or was not run: tried again
esac
