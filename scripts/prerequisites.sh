#!/usr/bin/env bash
# Checks for what pip cannot bring, and installs it from Debian or Ubuntu where this user may (root).
#   prerequisites.sh build   what the set-up needs; fails, naming what to install
#   prerequisites.sh test    the peers that tests run beside; names the ones left out, never fails
set -euo pipefail

python=${PYTHON:-python3}
may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

# Debian packages, of those named, that are not installed.
missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
    done
}

# Of the packages named, those that this distribution offers.
offered() {
    local package
    for package in "$@"; do
        [ -n "$(apt-cache show --no-all-versions "$package" 2>/dev/null)" ] && echo "$package" || true
    done
}

install() {
    echo "==> Debian packages: $*"
    DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$@" \
        >/dev/null 2>&1
}

update() { apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null 2>&1; }

build() {
    local need=() python_version
    if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
        echo "TokTalk needs Python 3.10 or newer as '$python'; choose another with PYTHON=..." >&2
        exit 1
    fi
    python_version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    "$python" -c 'import ensurepip, venv' 2>/dev/null || need+=("$python_version-venv")
    "$python" -c 'import os, sys, sysconfig
sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' || need+=("$python_version-dev")
    command -v cc >/dev/null && command -v c++ >/dev/null && command -v make >/dev/null || need+=(build-essential)
    command -v cmake >/dev/null || need+=(cmake)
    ldconfig -p 2>/dev/null | grep -q libportaudio.so.2 || need+=(libportaudio2)
    [ ${#need[@]} = 0 ] && return
    if may_install; then
        install "${need[@]}" || { update; install "${need[@]}"; } && return
    fi
    if [ "${need[*]}" = libportaudio2 ]; then
        echo "No libportaudio2: everything but the microphone works. To have it: sudo apt-get install libportaudio2"
        return
    fi
    echo "Missing on this machine: ${need[*]}" >&2
    echo "Install them and run make again: sudo apt-get install ${need[*]}" >&2
    exit 1
}

peers() {
    local wanted=(alsa-utils blender chromium festival festival-hi festival-mr festvox-ca-ona-hts festvox-czech-dita
        festvox-czech-krb festvox-czech-machac festvox-italp16k festvox-itapc16k festvox-kallpc16k festvox-kdlpc16k
        festvox-suopuhe-lj festvox-suopuhe-mv festvox-us-slt-hts ffmpeg flite fluidsynth godot3-server
        libasound2-plugins libnunit-framework2.6.3-cil libportaudio2 mono-mcs mono-runtime
        musescore-general-soundfont-small nunit-console pulseaudio pulseaudio-utils python3-numpy)
    local need left
    command -v dpkg-query >/dev/null || { echo "Not a Debian system: tests beside ${wanted[*]} may be left out."; return; }
    mapfile -t need < <(missing_packages "${wanted[@]}")
    [ ${#need[@]} = 0 ] && return
    if may_install; then
        [ "$(offered "${need[@]}" | wc -l)" = ${#need[@]} ] || update || true
        mapfile -t need < <(offered "${need[@]}")
        [ ${#need[@]} = 0 ] || install "${need[@]}" || { update && install "${need[@]}"; } || true
    fi
    left=$(missing_packages "${wanted[@]}" | xargs)
    [ -z "$left" ] || echo "Not installed here, so the tests beside them are left out: $left"
}

# What bundles and type-checks the web component in tests.
node_packages() {
    local viewer=toktalk_node/bridge/viewer
    [ ! -d $viewer/node_modules ] || return 0
    command -v npm >/dev/null && npm ci --silent --prefix $viewer >/dev/null 2>&1 ||
        echo "No packages of npm here, so the tests that bundle the web component are left out."
}

case ${1:-} in
    build) build ;;
    test) peers; node_packages ;;
    *) echo "usage: prerequisites.sh build|test" >&2; exit 2 ;;
esac
