# The Debian packages that Ledig needs, for ./run and tests/run, which source this file. Where two stand with a bar
# between them, the first that this Debian has is taken (12 and 13 name some differently).

packages_run="gcc libc6-dev cmake ninja-build pkgconf|pkg-config ca-certificates curl
  libwebsockets-dev libwebsockets-evlib-uv libuv1-dev libmsgpack-c-dev|libmsgpack-dev libhiredis-dev libjansson-dev
  libjwt-dev libssl-dev libsodium-dev libseccomp-dev uthash-dev tzdata redis-server|valkey-server"

packages_test="g++ clang libclang-rt-dev|libclang-rt-14-dev clang-format libcmocka-dev
  python3 python3-pytest python3-websockets python3-msgpack python3-jsonschema python3-nacl python3-jwt python3-cryptography
  prometheus testssl.sh systemd nats-server mosquitto nginx wrk strace
  kamailio kamailio-utils-modules kamailio-extra-modules sip-tester"

packages_have() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Prints those of the packages given that are not installed, as they were given.
packages_missing() {
    for one in "$@"; do
        found=
        for name in $(echo "$one" | tr '|' ' '); do
            if packages_have "$name"; then found=yes; fi
        done
        [ -n "$found" ] || echo "$one"
    done
}

packages_choose() {
    for name in $(echo "$1" | tr '|' ' '); do
        if apt-cache policy "$name" | grep -q 'Candidate: [^(]'; then
            echo "$name"
            return
        fi
    done
    echo "$1: this system knows no such package" >&2
    return 1
}

# Redis, and the servers that tests start, come as programs and not as services of this machine: where they are
# installed here and now, they are neither started nor enabled. Needs root.
packages_install_as_root() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq || return 1
    chosen=
    for one in "$@"; do
        chosen="$chosen $(packages_choose "$one")" || return 1
    done
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
        trap 'rm -f /usr/sbin/policy-rc.d; trap - EXIT; exit 130' INT TERM HUP # dash runs no EXIT trap for a signal
        printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy || return 1
    fi
    apt-get install -y -qq --no-install-recommends $chosen >/dev/null || return 1
    for service in redis-server valkey-server prometheus nats-server mosquitto nginx kamailio; do
        case "$chosen " in
        *" $service "*)
            if command -v systemctl >/dev/null; then systemctl --quiet disable $service 2>/dev/null || true; fi ;;
        esac
    done
}

# Installs what is missing of the packages given, and says what; one line and exit 1 where that cannot be done.
packages_install() {
    missing=$(packages_missing "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if ! command -v apt-get >/dev/null; then
        echo "$0: missing: $missing- install them (the names are Debian's), then try again" >&2
        exit 1
    fi
    echo "installing: $missing" | tr '|' '/'
    if [ "$(id -u)" = 0 ]; then
        as_root=
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        echo "$0: packages are missing and this is neither root nor is there sudo; as root: apt-get install $missing" >&2
        exit 1
    fi
    $as_root sh -c '. "$0"; packages_install_as_root "$@"' "$packages_file" $missing || {
        echo "$0: installing packages failed, see above" >&2
        exit 1
    }
}
