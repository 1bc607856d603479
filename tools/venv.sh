# Sourced by the scripts beside it: puts vmpath and all it needs into a virtual environment of the clone.
# After `use_venv EXTRA...` the environment's programs come first on the PATH.

# python3 of the machine, or a later one: the first that is new enough and can make virtual environments.
find_python() {
    local candidate found=
    for candidate in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        candidate=$(command -v "$candidate") || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        found=$candidate
        if "$candidate" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return 0
        fi
    done
    if [ -n "$found" ]; then
        echo "${0##*/}: $found cannot make virtual environments: install its venv package (Debian, Ubuntu: apt-get install python3-venv)" >&2
    else
        echo "${0##*/}: there is no Python 3.11 or later on this machine (Debian 12, Ubuntu 24.04: apt-get install python3 python3-venv)" >&2
    fi
    return 1
}

use_venv() {
    local root python venv stamp want extras
    root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
    venv=${VMPATH_VENV:-$root/.venv}
    extras=$(IFS=,; echo "$*")
    want="$extras $(cksum <"$root/pyproject.toml")"
    stamp=$venv/.vmpath-installed
    if ! grep -qxsF -- "$want" "$stamp"; then
        command -v git >/dev/null || {
            echo "${0##*/}: git is missing, the version of vmpath is read from it (Debian, Ubuntu: apt-get install git)" >&2
            return 1
        }
        python=$(find_python) || return 1
        echo "installing vmpath into $venv" >&2
        [ -x "$venv/bin/python" ] || "$python" -m venv "$venv" || return 1
        "$venv/bin/python" -m pip install --quiet --disable-pip-version-check -e "$root${extras:+[$extras]}" \
            2>"$venv/install.log" || {
            cat "$venv/install.log" >&2
            echo "${0##*/}: the installation failed (see above); the Python package index must be within reach" >&2
            return 1
        }
        printf '%s\n' "$want" >>"$stamp"
    fi
    export PATH=$venv/bin:$PATH VIRTUAL_ENV=$venv
    unset PYTHONHOME PYTHONPATH
}
