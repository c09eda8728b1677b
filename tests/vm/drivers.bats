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
        "$CARREL" driver build --compress -o "$T/drivers/$name.erofs" "$folder"
        rm -r "$folder"
        configure "{\"driverPath\": \"$T/drivers\"}"
}

# repack FILTER: $T/nvidia.erofs with another manifest, installed.
repack() {
        rm -rf "$T/repack"
        fsck.erofs --extract="$T/repack" --no-preserve "$T/nvidia.erofs" >/dev/null
        "$CARREL" driver inspect "$T/nvidia.erofs" | jq "$1" >"$T/repack/manifest.json"
        "$CARREL" driver build -o "$T/drivers/nvidia.erofs" "$T/repack" >/dev/null
}

# compile_ask COMPILER: rootfs/bin/ask, which looks for the bundle's library.
compile_ask() {
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
        "$1" -o rootfs/bin/ask "$T/ask.c"
}

# The host's C library and loader, as in an image: with ldconfig and its cache.
add_glibc() {
        local file

        compile_ask gcc
        mkdir -p rootfs/{lib64,sbin,lib/x86_64-linux-gnu}
        for file in /lib64/ld-linux-x86-64.so.2 /lib/x86_64-linux-gnu/libc.so.6; do cp -L "$file" "rootfs$file"; done
        echo /lib/x86_64-linux-gnu >rootfs/etc/ld.so.conf
        /sbin/ldconfig -r rootfs
        cp /sbin/ldconfig rootfs/sbin/
}

# The same with musl, which has no cache.
add_musl() {
        compile_ask musl-gcc
        mkdir -p rootfs/lib
        cp -L /lib/ld-musl-x86_64.so.1 rootfs/lib/
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

# The kernel is told from the image that is started; vmlinuz is packed. The block device is the bundle's own disk.
@test "another firmware, a read-only root, a user, a user namespace, a device that is not waited for, a block device" {
        make_bundle
        variant other '.wait += [{device: "10de:*", paths: ["/dev/never"]}] | .env = ["TERM", "A=b"]
                | .nodes += [{path: "/dev/vd*"}]'
        driver other
        configure "{\"driverPath\": \"$T/drivers\", \"firmware\": \"seabios\"}"
        add_glibc
        script 'carrel-example; ask; echo "$A ${TERM-unset} $(id -u)"; stat -c %t /dev/carrel-example >/dev/null && echo there
                stat -c "%A %F" /dev/vda; dd if=/dev/vda bs=4 skip=256 count=1 2>/dev/null | od -A n -t x1'
        edit '.root.readonly = true | .process.user = { uid: 1000, gid: 1000 }
                | .linux.namespaces += [{ type: "user" }]
                | .linux.uidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]
                | .linux.gidMappings = [{ containerID: 0, hostID: 100000, size: 65536 }]'
        chown -R 100000:100000 rootfs
        run_carrel run "$CT"
        assert_equal "$output" 'example: hello from the driver bundle; firmware: of the bundle
the answer is 42
b unset 1000
there
brw-rw-rw- block special file
 e2 e1 f5 e0'
        assert_equal "$stderr" "$(grep '^carrel: warning: ' <<<"$stderr")"
        assert_clean
}

@test "without ldconfig, with one that hangs, with musl: the library is found" {
        make_bundle
        driver example
        add_glibc
        rm rootfs/sbin/ldconfig
        script 'ask; echo "$LD_LIBRARY_PATH"'
        run_carrel run "$CT"
        assert_equal "$output" $'the answer is 42\n/usr/lib/carrel-driver/files/lib'

        printf '#!/bin/sh\ntouch /owned /tmp/owned /dev/shm/owned\nsleep 1000\n' >rootfs/sbin/ldconfig
        chmod +x rootfs/sbin/ldconfig
        script 'ask; ls /owned /tmp/owned /dev/shm/owned 2>/dev/null'
        edit '.process.env += ["LD_LIBRARY_PATH=/other"]'
        run_carrel run "$CT"
        assert_equal "$output" 'the answer is 42'
        assert_not_exists rootfs/owned
        assert_equal "$(grep ldconfig <<<"$stderr")" 'carrel: warning: driver bundle "example": the container'"'"'s /sbin/ldconfig failed (took longer than 10 s: touch: /dev/shm/owned: Read-only file system): its libraries are found by LD_LIBRARY_PATH only'

        printf '#!/bin/sh\nseq 1000 >&2\nprintf "no room\\033[1m\\n" >&2\nexit 3\n' >rootfs/sbin/ldconfig
        run_carrel run "$CT"
        assert_equal "$output" 'the answer is 42'
        [[ $stderr = *'carrel: warning: driver bundle "example": the container'"'"'s /sbin/ldconfig failed (ended with status 3: no room\x1b[1m): its libraries are found by LD_LIBRARY_PATH only'* ]] || fail "$stderr"
        [[ $stderr != *$'\033'* ]] || fail "$stderr"

        need_program musl-gcc
        rm -r rootfs/lib64 rootfs/lib rootfs/sbin rootfs/etc/ld.so*
        add_musl
        args sh -c 'ask; cat /etc/ld-musl-x86_64.path'
        run_carrel run "$CT"
        assert_equal "$output" $'the answer is 42\n/lib:/usr/local/lib:/usr/lib\n/usr/lib/carrel-driver/files/lib'
        assert_equal "$(cat rootfs/etc/ld-musl-x86_64.path)" /lib:/usr/local/lib:/usr/lib
        assert_clean
}

@test "a bundle for another kernel is refused before a machine is started" {
        make_bundle
        variant old '.modules = [] | .kernel = {release: "6.1.0-old", vermagic: "6.1.0-old SMP mod_unload "}'
        driver old
        assert_refused 'driver bundle "old" was built for kernel 6\.1\.0-old, the guest kernel is 6\.[^ ]*: build it again with carrel driver build' \
                run "$CT"
        configure "{\"driverPath\": \"$T/drivers\", \"firmware\": \"seabios\"}"
        assert_refused 'driver bundle "old" was built for kernel 6\.1\.0-old, the guest kernel is 6\.' run "$CT"
        configure "{\"driverPath\": \"$T/drivers\"}"
        driver other
        assert_refused 'driver bundle "other" is not installed; installed: old \(carrel driver list\)' run "$CT"
}

@test "a module that cannot be loaded, a device that does not appear, a name that is nobody's: one line each" {
        make_bundle
        variant failing '.modules[1].parameters = "fail=1"'
        driver failing
        assert_refused 'driver bundle "failing": module modules/carrel-example\.ko cannot be loaded: No such device; the guest.s kernel: .*carrel-example: no such device, since it was told so' \
                run "$CT"
        variant waiting '.wait = [{paths: ["/dev/carrel-example"]}, {paths: ["/dev/never*"], timeoutMs: 300}]'
        driver waiting
        assert_refused 'driver bundle "waiting": the device did not appear within 300 ms \(/dev/never\*\)' run "$CT"
        variant nodes '.nodes += [{path: "/dev/nobody", major: "nobody"}]'
        driver nodes
        assert_refused 'driver bundle "nodes": /dev/nobody: no driver in the guest calls its character devices "nobody"' run "$CT"
}

@test "drivers of the stand-ins load; the recipe for NVIDIA's modules makes a bundle that works" {
        mkdir "$T/images"
        ln -s "$CARREL_IMAGES/modules" "$T/images/modules"
        "$TESTS/../drivers/bundle" "$CARREL" standins "$T/images"
        mv "$T/images/drivers" "$T/drivers"
        configure "{\"driverPath\": \"$T/drivers\"}"
        make_bundle
        driver standins
        script 'for m in bochs virtio_gpu nvme snd_hda_intel; do [ -d /sys/module/$m ] && echo $m; done'
        run_carrel run "$CT"
        assert_equal "$output" $'bochs\nvirtio_gpu\nnvme\nsnd_hda_intel'

        LIMIT=180 run_carrel driver build --nvidia-open "$TESTS/data/nvidia-open" --tree "$CARREL_IMAGES" --output "$T/nvidia.erofs"
        assert_equal "$status" 0
        assert_equal "$output" "$T/nvidia.erofs"
        run_carrel driver verify "$T/nvidia.erofs"
        assert_equal "$status" 0
        # without the device there is nothing that the real manifest waits for; meanwhile the kernel speaks of its clock, a second after the boot
        repack '.wait[0].timeoutMs = 2000'
        driver nvidia
        assert_refused 'driver bundle "nvidia": the device did not appear within 2000 ms \(/proc/driver/nvidia/gpus/\*\).*; the guest.s kernel: .*nvidia-drm 0 \| nvidia: nvidia-uvm is there' \
                run "$CT"
        repack '.wait[0].paths = ["/proc/driver/nvidia/gpus"]'
        script 'cd /dev; stat -c "%n %t %T" nvidia*; echo "$NVIDIA_VISIBLE_DEVICES"'
        edit '.process.env += ["NVIDIA_VISIBLE_DEVICES=all"]'
        run_carrel run "$CT"
        # the number of nvidia-uvm is the kernel's choice
        assert_equal "${output//$(awk '$1 == "nvidia-uvm" { print $2 }' <<<"$output") /N }" 'nvidia-modeset c3 fe
nvidia-uvm N 0
nvidia-uvm-tools N 1
nvidiactl c3 ff
void'
        assert_clean
}

@test "containers of a pod: who asks for the driver gets it, if the pod has it" {
        local pod=$CT-pod pid

        make_bundle sleep 1000
        driver example
        carrel_detached create "$pod"
        carrel start "$pod"
        pid=$(carrel state "$pod" | jq .pid)
        edit '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/proc/$pid/ns/net"
        args cat /dev/carrel-example
        run_carrel run "$CT"
        assert_equal "$output" 'example: hello from the driver bundle; firmware: of the bundle'
        driver none
        run_carrel run "$CT-none"
        [[ $stderr = *"can't open '/dev/carrel-example'"* ]] || fail "$stderr"
        carrel delete --force "$pod"

        edit 'del(.linux.namespaces[] | select(.type == "network").path)'
        args sleep 1000
        carrel_detached create "$pod"
        carrel start "$pod"
        pid=$(carrel state "$pod" | jq .pid)
        edit '(.linux.namespaces[] | select(.type == "network")).path = $path' --arg path "/proc/$pid/ns/net"
        driver example
        run_carrel run "$CT"
        assert_one_line_error
        [[ $stderr = *'the virtual machine has no driver bundle "example": it comes with the pod'"'"'s first container' ]] || fail "$stderr"
        carrel delete --force "$pod"
        assert_clean
}
