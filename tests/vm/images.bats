#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Root file systems as the world has them: a Debian, and an OCI image.

load ../lib/common

setup() {
        need_vm
        test_begin "$BATS_TEST_TMPDIR"
}

# debian SCRIPT: a Debian bundle runs it.
debian() {
        CARREL_CACHE=${CARREL_CACHE:-/var/cache/carrel} "$TESTS/../tools/debian-bundle" --with gcc,libc6-dev "$BUNDLE" ||
                fail "no Debian bundle"
        cd "$BUNDLE" || return
        mkdir "$T/data"
        echo 'the host wrote this' >"$T/data/file"
        mount_entry "{\"destination\": \"/data\", \"type\": \"bind\", \"source\": \"$T/data\", \"options\": [\"rbind\", \"rw\"]}"
        args bash -c "$1"
}

@test "Debian: python3, gcc, apt-get, 64 MiB written to the root and to a bind" {
        debian '
                set -e
                grep VERSION_CODENAME /etc/os-release
                python3 -c "print(sum(i * i for i in range(1000))); print(open(\"/data/file\").read().strip())"
                cat >/tmp/x.c <<C
#include <stdio.h>
int main(void) { printf("compiled %d\n", 6 * 7); return 7; }
C
                gcc -O2 -o /tmp/x /tmp/x.c
                status=0; /tmp/x || status=$?; echo "status $status"
                apt-get --version | head -n 1
                head -c 67108864 /dev/urandom >/root/big
                cp /root/big /data/big
                sha256sum </root/big
                sync'
        LIMIT=300 run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$status: $output $stderr"
        assert_line --index 0 'VERSION_CODENAME=bookworm'
        assert_line --index 1 332833500
        assert_line --index 2 'the host wrote this'
        assert_line --index 3 'compiled 42'
        assert_line --index 4 'status 7'
        assert_line --index 5 --partial 'apt 2.6'
        assert_equal "$(sha256sum <rootfs/root/big)" "${lines[6]}"
        assert_equal "$(sha256sum <"$T/data/big")" "${lines[6]}"
        assert_clean
}

@test "an OCI image, unpacked by umoci, its config.json unchanged" {
        need_program umoci
        make_rootfs "$T/image-rootfs"
        cd "$T"
        umoci init --layout "$T/layout"
        umoci new --image "$T/layout:box"
        umoci insert --image "$T/layout:box" "$T/image-rootfs" /
        umoci config --image "$T/layout:box" --config.cmd echo --config.cmd "from the image" --config.env A=b
        umoci unpack --image "$T/layout:box" "$BUNDLE"
        cd "$BUNDLE"
        cp config.json "$T/unchanged.json"
        run_carrel run "$CT"
        [ "$status" -eq 0 ] || fail "$status: $stderr"
        # umoci asks for a terminal, which ends lines with CR LF
        assert_equal "${output%$'\r'}" 'from the image'
        cmp config.json "$T/unchanged.json"
        assert_clean
}
