#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Driver bundles as files: made, listed, inspected, verified, and refused. Modules are made up: they say what modules say.

load ../lib/common

setup() {
        need_program mkfs.erofs
        need_program gcc
        test_begin "$BATS_TEST_TMPDIR"
        mkdir "$T/drivers" "$T/work"
        cd "$T/work" || return
        kernel '6.12.0-carrel SMP mod_unload '
}

# module NAME [DEPENDS [VERMAGIC]]: folder/modules/NAME.ko
module() {
        mkdir -p folder/modules
        cat >module.c <<C
#define SAID __attribute__((section(".modinfo"), used, aligned(1)))
static const char license[] SAID = "license=GPL";
static const char depends[] SAID = "depends=${2-}";
static const char name[] SAID = "name=${1//-/_}";
static const char vermagic[] SAID = "vermagic=${3-6.12.0-carrel SMP mod_unload }";
C
        gcc -c -o "folder/modules/$1.ko" module.c
}

# manifest [FILTER]: over a small one that is good.
manifest() {
        mkdir -p folder
        jq -n '{ format: 1, name: "test", version: "1.2", devices: ["10de:*"],
                modules: [{ file: "modules/a-base.ko" }, { file: "modules/b.ko", parameters: "x=1" }] }' |
                jq "${1-.}" >folder/manifest.json
}

good_folder() {
        module a-base
        module b a-base
        manifest "${1-.}"
}

# seal FILE: checksums that suit what it holds, as somebody would write who means harm.
seal() {
        python3 - "$1" <<'PYTHON'
import struct, sys, zlib
with open(sys.argv[1], "r+b") as file:
    data = bytearray(file.read())
    image, manifest = struct.unpack_from("<QI", data, len(data) - 40)
    struct.pack_into("<II", data, len(data) - 28, zlib.crc32(data[:image]), zlib.crc32(data[image:image + manifest]))
    file.seek(0)
    file.write(data)
PYTHON
}

# kernel VERMAGIC: $T/vmlinux, an image of a few bytes of that release that says what modules must be made for.
kernel() {
        local release=${1%% *}

        LC_ALL=C sed "s/6\.12\.0-carrel/$release/g" "$TESTS/data/kernels/vmlinux" >"$T/vmlinux"
        printf '\0%s\0' "$1" >>"$T/vmlinux"
        configure "{\"driverPath\": \"$T/drivers\", \"vmlinux\": \"$T/vmlinux\"}"
}

@test "build, inspect, verify, list" {
        good_folder '.programs = ["bin/tool"] | .libraries = ["lib"] | .firmware = "fw"'
        mkdir folder/bin folder/lib folder/fw
        printf '#!/bin/sh\n' >folder/bin/tool
        chmod 0700 folder/bin/tool
        run_carrel driver build folder
        assert_equal "$output" test.erofs
        assert_equal "$stderr" ''
        assert_equal "$(ls)" $'folder\nmodule.c\ntest.erofs'
        run_carrel driver inspect test.erofs
        assert_equal "$(jq -c '[.kernel, .modules]' <<<"$output")" \
                '[{"release":"6.12.0-carrel","vermagic":"6.12.0-carrel SMP mod_unload "},[{"file":"modules/a-base.ko"},{"file":"modules/b.ko","parameters":"x=1","depends":["a-base"]}]]'
        run_carrel driver verify test.erofs
        assert_equal "$status" 0
        assert_equal "$output" "test.erofs: test is well: 2 modules for 6.12.0-carrel, which is that of $T/vmlinux"

        mv test.erofs "$T/drivers"
        echo nonsense >"$T/drivers/bad.erofs"
        cp "$T/drivers/test.erofs" "$T/drivers/twice.erofs"
        run_carrel driver list
        assert_equal "$(awk '{ print $1, $2, $3, $4, $5 }' <<<"$output")" "NAME VERSION KERNEL USABLE FILE
test 1.2 6.12.0-carrel yes $T/drivers/test.erofs"
        [[ $stderr = *"$T/drivers/bad.erofs: not a driver bundle"* ]]
        [[ $stderr = *"$T/drivers/twice.erofs: not used, since $T/drivers/test.erofs is called \"test\" too"* ]]
        run_carrel driver list --json
        assert_equal "$(jq -r '.[] | .path, .manifest.version' <<<"$output")" "$T/drivers/test.erofs
1.2"
        kernel '6.13.0-carrel SMP mod_unload '
        run_carrel driver list --json
        assert_equal "$(jq -r '.[].usable' <<<"$output")" false
        run_carrel driver inspect test
        assert_equal "$(jq -r .name <<<"$output")" test
        assert_clean
}

@test "the same folder gives the same bytes, packed or not, whatever its times and modes" {
        good_folder
        echo text >folder/file
        carrel driver build -o one.erofs folder
        cp -r folder copy
        rm -r folder
        mkdir folder
        cp -r copy/{manifest.json,file,modules} folder
        chmod -R g+w,o-rwx folder
        touch -d '2001-01-01' folder/file folder
        carrel driver build -o two.erofs folder
        cmp one.erofs two.erofs
        carrel driver build --compress -o three.erofs folder
        carrel driver verify three.erofs
}

@test "verify says whether a kernel suits" {
        good_folder
        carrel driver build folder
        kernel '6.12.0-carrel SMP mod_unload '
        run_carrel driver verify test.erofs --kernel "$T/vmlinux"
        assert_equal "$status $stderr" '0 '
        kernel '6.12.0-carrel SMP preempt mod_unload '
        run_carrel driver verify test.erofs --kernel "$T/vmlinux"
        [[ $stderr = *'driver bundle "test" was built for kernel "6.12.0-carrel SMP mod_unload ", the guest kernel is "6.12.0-carrel SMP preempt mod_unload "'* ]]
        kernel '6.13.0-carrel SMP mod_unload '
        run_carrel driver verify test.erofs --kernel "$T/vmlinux"
        assert_equal "$status" 1
        [[ $stderr = *'was built for kernel 6.12.0-carrel, the guest kernel is 6.13.0-carrel: build it again'* ]]
}

@test "what build refuses, in one line and without leaving anything" {
        local expected

        refused() {
                expected=$1
                run_carrel driver build folder
                assert_equal "$status" 1
                assert_one_line_error
                [[ $stderr = *"$expected"* ]] || fail "expected $expected in: $stderr"
                assert_equal "$(find . -name '*.erofs*')" ''
        }
        mkdir folder
        refused 'folder/manifest.json: No such file'
        good_folder '.modules |= reverse'
        refused 'modules[0]: modules/b.ko needs module a-base, which is not listed before it: add it to "modules"'
        good_folder '.modules[0].file = "modules/missing.ko"'
        refused 'modules/missing.ko: not in the bundle'
        good_folder '.modules[0].file = "../../x.ko"'
        refused 'folder/manifest.json: modules[0]: file: '
        good_folder '.firmware = "fw"'
        refused 'fw: not in the bundle'
        good_folder '.programs = ["manifest.json"]'
        refused 'manifest.json: not a program'
        good_folder '.name = "a/b"'
        refused 'manifest.json: name: '
        good_folder '.kernel = { release: "6.1.0-other", vermagic: "6.1.0-other SMP " }'
        refused 'modules/a-base.ko: built for kernel "6.12.0-carrel SMP mod_unload "'
        good_folder
        module b a-base '6.1.0-else SMP '
        refused 'modules/b.ko: built for kernel "6.1.0-else SMP ", the bundle (or the module before it) for "6.12.0-carrel SMP mod_unload "'
        good_folder
        xz -k folder/modules/b.ko
        mv folder/modules/b.ko.xz folder/modules/b.ko
        refused 'modules/b.ko: not a kernel module (or a packed one: unpack it)'
        cp "$(command -v gcc)" folder/modules/b.ko
        refused 'modules/b.ko: not a kernel module for x86-64'
        echo '{' >folder/manifest.json
        refused 'folder/manifest.json: line '
}

@test "what verify refuses" {
        good_folder
        carrel driver build folder
        head -c 4096 test.erofs >half.erofs
        run_carrel driver verify half.erofs
        assert_one_line_error
        [[ $stderr = *'half.erofs: not a driver bundle, or not all of one'* ]]

        # the manifest of another bundle
        cp test.erofs other.erofs
        sed -i 's/"name":"test"/"name":"tesT"/; s,modules/b.ko,modules/c.ko,' other.erofs
        seal other.erofs
        run_carrel driver verify other.erofs
        assert_one_line_error
        [[ $stderr = *'other.erofs: modules/c.ko: not in the bundle'* ]]

        cp test.erofs other.erofs
        sed -i 's/"depends":\["a-base"\]/"depends":[]        /' other.erofs
        seal other.erofs
        run_carrel driver verify other.erofs
        assert_one_line_error
        [[ $stderr = *'other.erofs: modules/b.ko: the manifest does not say which modules it needs'* ]]

        run_carrel driver verify nothing
        assert_one_line_error
        [[ $stderr = *'driver bundle "nothing" is not installed; there is none (carrel driver list)'* ]]
        assert_clean
}

@test "a damaged bundle: the manifest is checked whenever it is read, the image by verify" {
        local at

        good_folder
        carrel driver build -o "$T/drivers/test.erofs" folder
        # a byte of a module
        cp "$T/drivers/test.erofs" image.erofs
        at=$(LC_ALL=C grep -abo 'name=b' image.erofs | cut -d : -f 1)
        printf x | dd of=image.erofs bs=1 seek="$at" conv=notrunc status=none
        run_carrel driver verify image.erofs
        assert_equal "$status" 1
        assert_one_line_error
        [[ $stderr =~ 'image.erofs: a damaged driver bundle: build it again, or copy it again (the checksum of its image is '[0-9a-f]{8}', not '[0-9a-f]{8}')' ]] || fail "$stderr"
        run_carrel driver inspect image.erofs
        assert_equal "$status" 0

        sed -i 's/"version":"1.2"/"version":"1.3"/' "$T/drivers/test.erofs"
        run_carrel driver inspect "$T/drivers/test.erofs"
        assert_one_line_error
        [[ $stderr = *'test.erofs: a damaged driver bundle: build it again, or copy it again' ]] || fail "$stderr"
        run_carrel driver list
        assert_equal "$(wc -l <<<"$output")" 1
        [[ $stderr = *"warning: $T/drivers/test.erofs: a damaged driver bundle"* ]] || fail "$stderr"
        assert_clean
}

@test "wrong use, and tools that are not there" {
        run_carrel driver build
        assert_one_line_error
        run_carrel driver verify
        assert_one_line_error
        run_carrel driver paint x
        [[ $stderr = *'expected build, list, inspect or verify, found "paint"'* ]]
        good_folder
        mkdir bin
        ln -s "$(command -v cp)" "$(command -v chmod)" bin
        PATH=$T/work/bin run "$CARREL" --config "$CONFIG" driver build folder
        assert_output 'carrel: mkfs.erofs is not installed; install erofs-utils'
        run_carrel driver build --nvidia-open "$T/none" --tree "$T/none"
        assert_equal "$status" 1
        [[ $stderr = *"no kernel tree; kernel-config/build makes one and prints where it is"* ]]
        assert_clean
}
