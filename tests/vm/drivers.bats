#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Driver bundles in a virtual machine: what a container sees of one, and what is said when it does not work. The driver is
# drivers/example, which needs no device.

load ../lib/common

setup_file() {
        can_vm || return 0
        [ -r "$CARREL_IMAGES/kernel-devel.tar.zst" ] || return 0
        export TREE=$BATS_FILE_TMPDIR/tree FOLDER=$BATS_FILE_TMPDIR/folder DRIVERS=$BATS_FILE_TMPDIR/drivers
        mkdir "$TREE" "$DRIVERS"
        tar --extract --zstd --file="$CARREL_IMAGES/kernel-devel.tar.zst" --directory="$TREE"
        "$TESTS/../drivers/example/build" "$TREE/linux-carrel" "$FOLDER"
        "$CARREL" driver build -o "$DRIVERS/example.erofs" "$FOLDER"
}

setup() {
        need "$(vm_lacks)" can_vm
        need "no tree of the guest's kernel beside it (kernel-devel.tar.zst)" test -n "${DRIVERS-}"
        test_begin "$BATS_TEST_TMPDIR"
        configure "{\"driverPath\": \"$DRIVERS\"}"
}

# driver NAME: the bundle's annotation.
driver() {
        edit '.annotations["io.carrel.driver"] = $name' --arg name "$1"
}

# variant NAME FILTER: another bundle out of the example's files, its manifest through jq.
variant() {
        local name=$1 filter=$2
        local folder=$T/$name

        cp -r "$FOLDER" "$folder"
        jq --arg name "$name" ".name = \$name | $filter" "$FOLDER/manifest.json" >"$folder/manifest.json"
        mkdir -p "$T/drivers"
        "$CARREL" driver build -o "$T/drivers/$name.erofs" "$folder"
        rm -r "$folder"
        configure "{\"driverPath\": \"$T/drivers\"}"
}

# A loader of the host's C library, and a program that needs the bundle's library.
add_glibc() {
        local file

        cat >"$T/ask.c" <<'C'
#include <dlfcn.h>
#include <stdio.h>
int main(void) {
        void *library = dlopen("libcarrel-example.so.1", RTLD_NOW);
        int (*answer)(void) = library ? (int (*)(void))dlsym(library, "carrel_example_answer") : NULL;
        if (!answer)
                return puts(dlerror()), 1;
        return printf("the answer is %d\n", answer()), 0;
}
C
        "${CC_OF_IMAGE:-gcc}" -o rootfs/bin/ask "$T/ask.c"
        mkdir -p rootfs/{lib64,sbin,lib/x86_64-linux-gnu}
        for file in /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6; do cp -L "$file" "rootfs$file"; done
        echo /lib/x86_64-linux-gnu >rootfs/etc/ld.so.conf
        /sbin/ldconfig -r rootfs
        cp /sbin/ldconfig rootfs/sbin/
}

files_of() {
        (cd "$1" && find . -type f -exec sha256sum {} + | sort -k 2)
}

@test "the container sees the device, its files and variables; so does exec" {
        make_bundle
        driver example
        add_glibc
        edit '.process.env += ["CARREL_EXAMPLE=image"]'
        files_of rootfs >"$T/files.before"
        script 'cat /dev/carrel-example; cat /dev/carrel/raw1; carrel-example; ask; echo "$CARREL_EXAMPLE $PATH"
                stat -c "%A %U" /dev/carrel-example /dev/carrel/raw0 /dev/carrel/raw1; ls /usr/lib/carrel-driver/files
                touch /usr/lib/carrel-driver/x /usr/lib/carrel-driver/files/x; sleep 1000'
        carrel_detached create --pid-file "$T/pid" "$CT"
        carrel exec "$CT" sh -c 'cat /dev/carrel-example; carrel-example; ask; echo $CARREL_EXAMPLE' >"$T/exec"
        assert_equal "$(cat "$T/exec")" 'example: hello from the driver bundle; firmware: of the bundle
example: hello from the driver bundle; firmware: of the bundle
the answer is 42
1'
        carrel delete --force "$CT"
        sed -i 's/; sleep 1000//' config.json
        run_carrel run "$CT"
        assert_equal "$output" 'example: hello from the driver bundle; firmware: of the bundle
example: hello from the driver bundle; firmware: of the bundle
example: hello from the driver bundle; firmware: of the bundle
the answer is 42
1 /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/carrel-driver/bin
crw-rw-rw- root
crw------- root
crw------- root
bin
firmware
lib
modules'
        assert_equal "$(grep -c 'Read-only file system' <<<"$stderr")" 2
        files_of rootfs | diff "$T/files.before" -
        assert_clean
}
