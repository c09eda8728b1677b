#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The builders of what a guest boots: the initrd is the same bytes every time, the kernel's configuration is checked.

load ../lib/common

setup() {
        test_begin "$BATS_TEST_TMPDIR"
        TOP=${TESTS%/*}
        cd "$T" || return
}

@test "initrd: two builds are the same, whoever makes them, whenever, from wherever" {
        cp /bin/busybox agent
        run "$TOP/initrd/build" agent one
        assert_success
        touch -d '2001-01-01' agent
        chmod 0700 agent
        mkdir elsewhere
        (umask 077 && cd elsewhere && TZ=Asia/Tokyo "$TOP/initrd/build" ../agent two)
        cmp one elsewhere/two
}

@test "initrd: what it holds is listed, and is what a kernel finds in it" {
        cp /bin/busybox agent
        run "$TOP/initrd/build" agent initrd --list
        assert_success
        assert_output --partial /init
        assert_output --partial /dev/console
        assert_equal "$(cpio --quiet -it <initrd | sort | tr '\n' ' ')" 'dev dev/console init newroot proc run sys tmp '
        cpio --quiet -iD . --to-stdout init <initrd | cmp - agent
}

@test "initrd: below 2 MiB compressed, with the agent as it is built" {
        local agent=${CARREL_BUILD-}/agent/carrel-agent

        need_built agent/carrel-agent
        run "$TOP/initrd/build" "$agent" initrd
        assert_success
        [ "$(gzip -9 <initrd | wc -c)" -lt $((2 << 20)) ] || fail "$(gzip -9 <initrd | wc -c) bytes compressed"
}

@test "initrd: no agent, or not a static program" {
        run "$TOP/initrd/build" nowhere initrd
        assert_failure
        assert_output --partial nowhere
        [ ! -e initrd ]
}

@test "kernel configuration: every wish that did not come true is named" {
        printf '%s\n' 'CONFIG_EFI=y' '# CONFIG_VT is not set' 'CONFIG_NR_CPUS=512' >fragment
        printf '%s\n' 'CONFIG_EFI=y' 'CONFIG_NR_CPUS=512' >good
        run "$TOP/kernel-config/check" good fragment
        assert_success
        printf '%s\n' '# CONFIG_EFI is not set' 'CONFIG_VT=y' 'CONFIG_NR_CPUS=64' >bad
        run "$TOP/kernel-config/check" bad fragment
        assert_equal "$status" 1
        assert_output --partial CONFIG_EFI
        assert_output --partial CONFIG_VT
        assert_output --partial CONFIG_NR_CPUS
        run "$TOP/kernel-config/check" missing fragment
        assert_equal "$status" 2
}

@test "kernel configuration: the kernel that is tested is the one the fragments ask for" {
        need "no kernel was built for this run" test -r "${CARREL_IMAGES-}/kernel.config"
        run "$TOP/kernel-config/check" "$CARREL_IMAGES/kernel.config"
        assert_success
}

# A copy of kernel-config in ./kernel-config, a source, and a make that notes that it was called: ./made has a line a build.
fake_kernel_build() {
        mkdir -p bin source/{include,scripts,arch/x86/include,tools/objtool} fragments
        cp -r "$TOP/kernel-config" .
        rm kernel-config/fragments/*
        echo CONFIG_EFI=y >kernel-config/fragments/10-some.config
        touch source/Makefile source/Kconfig source/scripts/x source/include/x source/arch/x86/include/x source/tools/objtool/objtool
        pack_source
        cat >bin/make <<'MAKE'
#!/bin/sh
# In place of the kernel's Makefile: what it has to do, and how often it had to.
case " $* " in
*" allnoconfig "*) cp fragments.config .config ;;
*" vmlinux "*)
        echo built >>"$MADE"
        if [ -e "$MADE.fails" ]; then echo "make: *** Error 1"; exit 2; fi
        mkdir -p arch/x86/boot
        cp /bin/busybox vmlinux
        echo "$(cat .config) $(cat Makefile)" >arch/x86/boot/bzImage
        touch System.map vmlinux.symvers Module.symvers modules.order modules.builtin some.ko
        ;;
esac
MAKE
        chmod +x bin/make
        export MADE=$T/made
        : >made
}

pack_source() {
        tar -cJf source.tar.xz source
}

# kernel_build COUNT: succeeds, and there have now been COUNT builds. Its folder is $output.
kernel_build() {
        PATH=$T/bin:$PATH run --separate-stderr kernel-config/build --cache "$T/cache" --source "$T/source.tar.xz" --output "$T/out"
        [ "$status" -eq 0 ] || fail "$stderr"
        assert_equal "$(wc -l <made) builds" "$1 builds"
        [ -s "$output/vmlinuz" ] || fail "$output: no kernel there"
        cmp "$output/vmlinuz" out/vmlinuz
}

@test "kernel: built once, and anew only if a fragment, the source or the recipe has changed" {
        local first
        fake_kernel_build
        kernel_build 1
        first=$output
        kernel_build 1
        assert_equal "$output" "$first"
        # neither dates nor comments of the script are content
        touch kernel-config/fragments/* source.tar.xz kernel-config/build
        sed -i 's/^# Build the guest kernel from/# Make the guest kernel from/' kernel-config/build
        kernel_build 1
        assert_equal "$output" "$first"

        echo CONFIG_VT=y >>kernel-config/fragments/10-some.config
        kernel_build 2
        [ "$output" != "$first" ]
        grep -q CONFIG_VT=y out/vmlinuz
        echo CONFIG_PCI=y >kernel-config/fragments/20-more.config
        kernel_build 3
        # what was built before is still there, and what is put out is what was asked for
        rm kernel-config/fragments/20-more.config
        sed -i /CONFIG_VT/d kernel-config/fragments/10-some.config
        kernel_build 3
        assert_equal "$output" "$first"
        refute grep -q CONFIG_VT=y out/vmlinuz

        echo '# version 2' >source/Makefile
        pack_source
        kernel_build 4
        grep -q 'version 2' out/vmlinuz
        sed -i 's/KBUILD_BUILD_VERSION=1/KBUILD_BUILD_VERSION=2/' kernel-config/build
        kernel_build 5
}

@test "kernel: a build that fails leaves no result; the next one is a whole one" {
        fake_kernel_build
        touch made.fails
        PATH=$T/bin:$PATH run kernel-config/build --cache "$T/cache" --source "$T/source.tar.xz" --output "$T/out"
        assert_failure
        assert_output --partial 'the kernel does not build: make: *** Error 1'
        [ ! -e out ]
        assert_equal "$(find cache/kernel -name vmlinuz)" ''
        rm made.fails
        kernel_build 2
        # a wish that Kconfig drops in silence
        sed -i 's/cp fragments.config .config/grep -v CONFIG_LOST fragments.config >.config/' bin/make
        echo CONFIG_LOST=y >>kernel-config/fragments/10-some.config
        PATH=$T/bin:$PATH run kernel-config/build --cache "$T/cache" --source "$T/source.tar.xz"
        assert_failure
        assert_output --partial CONFIG_LOST
        assert_equal "$(wc -l <made)" 2
        PATH=$T/bin:$PATH run kernel-config/build --cache "$T/cache" --source "$T/nowhere.tar.xz"
        assert_failure
        assert_output --partial nowhere.tar.xz
}

@test "firmware: modules that no machine of ours needs are left out, everything else is the distribution's" {
        local image=/usr/share/OVMF/OVMF_CODE.fd

        need "no OVMF" test -e "$image"
        run "$TOP/firmware-config/build" --output made
        assert_success
        assert_output --regexp "^made/ovmf.fd: $image without [4-9][0-9] modules$"
        assert_equal "$(stat -c %s made/ovmf.fd)" "$(stat -c %s "$image")"
        # the code that runs before anything is unpacked is behind the packed part: not a byte of it differs
        cmp <(tail -c 65536 "$image") <(tail -c 65536 made/ovmf.fd)
        if cmp -s "$image" made/ovmf.fd; then fail "nothing was left out"; fi
        # again: the same bytes; and of the result nothing more can be left out
        "$TOP/firmware-config/build" --output again >/dev/null
        cmp made/ovmf.fd again/ovmf.fd
        run "$TOP/firmware-config/build" --output more made/ovmf.fd
        assert_failure 1
        assert_output 'firmware-config/build: made/ovmf.fd: no module of the list is in it'
        [ ! -e more/ovmf.fd ]
}

@test "firmware: what is no OVMF is refused in a line" {
        local image=/usr/share/OVMF/OVMF_CODE.fd name

        need "no OVMF" test -e "$image"
        : >empty
        head -c 1048576 /dev/urandom >noise
        head -c 500000 "$image" >short
        { head -c 100000 "$image" && head -c 50000 /dev/zero && tail -c +150001 "$image"; } >hole
        for name in empty noise short hole nowhere /dev/null; do
                run "$TOP/firmware-config/build" --output made "$name"
                assert_failure 1
                assert_equal "${#lines[@]}" 1
                assert_output --partial "firmware-config/build: $name: "
        done
        [ ! -e made/ovmf.fd ]
}
